import { execFileSync } from 'node:child_process';
import { describe, expect, onTestFinished, test } from 'vitest';
import { testFolder } from './folder.ts';
import { startRedis, type RedisOptions, type TestRedis } from './redis.ts';
import { requireOrSkip } from './requirements.ts';

async function redisForTest(options?: RedisOptions): Promise<TestRedis> {
  const redis = await startRedis(testFolder(), options);
  onTestFinished(async () => await redis.stop());
  return redis;
}

describe.skipIf(!requireOrSkip('redis'))('startRedis', () => {
  test('servers of their own, at the same time', async () => {
    const [one, two] = [await redisForTest(), await redisForTest()];
    expect(one.port).not.toBe(two.port);
    expect(one.cli('SET', 'a', '1')).toBe('OK');
    expect(two.cli('DBSIZE')).toBe('0');
    expect(one.url(3)).toBe(`redis://127.0.0.1:${one.port}/3`);
    expect(one.cli('CONFIG', 'GET', 'save')).toBe('save\n');
  });

  test('password, ACL, databases, maxclients, socket', async () => {
    const redis = await redisForTest({
      password: 's:e/c@ret',
      acl: ['user reader on >secret ~* +@read +ping'],
      maxclients: 5,
      databases: 2,
      socket: true,
    });
    expect(redis.url(1)).toBe(`unix://:s%3Ae%2Fc%40ret@${redis.socketPath}?db=1`);
    expect(redis.cli('-n', '1', 'SET', 'a', '1')).toBe('OK');
    expect(redis.cli('CONFIG', 'GET', 'maxclients')).toBe('maxclients\n5');
    expect(redis.cli('ACL', 'LIST')).toContain('user reader on');
    expect(() => redis.cli('SELECT', '2')).toThrow('DB index is out of range');
    expect(redis.entries(1).map((entry) => entry.key)).toEqual(['a']);
  });

  test('keys and values of any bytes', async () => {
    const redis = await redisForTest();
    const value = Buffer.from([0, 255, 10, 34, 195]);
    redis.cliInput(value, 'SET', 'binary');
    expect(redis.cli('STRLEN', 'binary')).toBe('5');
    redis.cliInput(Buffer.from([0xff, 0x00]), 'LPUSH', 'names');
    redis.cli('EVAL', "return redis.call('SET', '\\255\\0', 'x')", '0');
    expect(redis.entries(0).map((entry) => entry.key)).toEqual(['binary', 'names', '\xff\0']);
  });

  test('an error of Redis is an error of the test', async () => {
    const redis = await redisForTest();
    redis.cli('SET', 'text', 'x');
    expect(() => redis.cli('LLEN', 'text')).toThrow('WRONGTYPE');
  });

  test('dump sees every change and nothing else', async () => {
    const redis = await redisForTest();
    for (const command of [
      'SET string x EX 1000',
      'RPUSH list a b',
      'HSET hash a 1 b 2',
      'SADD set a b c',
      'ZADD zset 1 a 2 b',
      'XADD stream 1-1 a 1',
    ]) {
      redis.cli(...command.split(' '));
    }
    const before = redis.dump(0);
    const others = redis.dump(0, (key) => key !== 'hash');
    expect(redis.dump(0)).toBe(before);
    redis.cli('HSET', 'hash', 'a', '2');
    expect(redis.dump(0)).not.toBe(before);
    expect(redis.dump(0, (key) => key !== 'hash')).toBe(others);
    redis.cli('HSET', 'hash', 'a', '1');
    expect(redis.dump(0)).toBe(before);
    redis.cli('PERSIST', 'string');
    expect(redis.dump(0)).not.toBe(before);
    expect(redis.dump(1)).not.toBe(before);
  });

  test('pause accepts and does not answer, resume does', async () => {
    const redis = await redisForTest();
    const ping = (): string =>
      execFileSync('redis-cli', ['-p', String(redis.port), 'PING'], {
        encoding: 'utf8',
        timeout: 300,
        stdio: 'pipe',
      });
    redis.pause();
    expect(ping).toThrow('ETIMEDOUT');
    redis.resume();
    expect(ping()).toBe('PONG\n');
  });

  test('says why it does not start, stops twice', async () => {
    await expect(redisForTest({ config: ['no-such-setting 1'] })).rejects.toThrow(
      'no-such-setting',
    );
    const redis = await redisForTest();
    await redis.stop();
    await redis.stop();
    expect(() => redis.cli('PING')).toThrow('Connection refused');
  });
});
