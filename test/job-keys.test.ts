/** Which keys are a service's jobs, for every kind of name, and which stay. */
import { describe, expect, test } from 'vitest';
import { ownStack, redisFor } from './support/own-config.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';

describe.skipIf(!requireOrSkip('redis'))('job keys', () => {
  const TYPES: readonly (readonly [string, ...string[]])[] = [
    ['SET', 'value'],
    ['RPUSH', 'value'],
    ['SADD', 'value'],
    ['HSET', 'field', 'value'],
    ['ZADD', '1', 'value'],
    ['XADD', '*', 'field', 'value'],
    ['SETEX', '5000', 'value'],
  ];
  const SUFFIXES = [
    ...['', '*', '?', '[a]', '\\', '\\*', '{x}', ' ', '\n', '\x00\x01', '\xff\xfe', 'é'],
    ...['a'.repeat(10_000), 'a:b:c', '^', '-', '\'"', '$(id)', '%'],
  ];
  const PREFIXES = ['job:', 'j*b:', 'job?', '[job]', 'job\\', 'j^{o}b', 'jöb:'];

  test.each(PREFIXES)('of every name and type, with the prefix %s', async (prefix) => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    stack.config({ redis: redis.url(1), keyPrefix: prefix });
    const put = (name: Buffer, at: number): void => {
      const [command, ...args] = TYPES[at % TYPES.length] ?? (['SET', 'x'] as const);
      send(redis, [command, name, ...args]);
    };
    SUFFIXES.forEach((suffix, at) =>
      put(Buffer.concat([Buffer.from(prefix), Buffer.from(suffix, 'latin1')]), at),
    );
    expect(redis.cli('-n', '1', 'DBSIZE')).toBe(String(SUFFIXES.length));
    // What the prefix would match were it a pattern, and what is nearly it.
    for (const name of [
      ...['jab:1', 'jXXb:1', 'jobs1', 'j1', 'o1', '[job1', 'job1', ' job:1', 'Job:1', 'JOB:1'],
      ...['jo', 'job', 'job;1', 'xjob:1', '\\job:1', 'j\\*b:1', 'j{o}b', 'job\xff'],
    ]) {
      if (!name.startsWith(prefix)) put(Buffer.from(name, 'latin1'), name.length);
    }
    redis.cli('-n', '0', 'SET', `${prefix}1`, 'in another database');
    const others = (): string =>
      `${redis.dump(0)} ${redis.dump(1, (key) => !Buffer.from(key, 'latin1').toString().startsWith(prefix))}`;
    const before = others();
    const { code, service } = await stack.wipe();
    expect({ code, jobs: service['jobs_removed'] }).toEqual({ code: 0, jobs: SUFFIXES.length });
    expect(service).toMatchObject({ verified: true, remaining: { jobs: 0 } });
    expect(others()).toBe(before);
    expect(redis.cli('-n', '1', 'DBSIZE')).not.toBe('0');
    expect(
      redis
        .entries(1)
        .filter(({ key }) => Buffer.from(key, 'latin1').toString().startsWith(prefix)),
    ).toEqual([]);
  });

  test('several prefixes, one the beginning of another: each key once', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    stack.config({ redis: redis.url(1), keyPrefix: ['job:', 'job:old:', 'audio_job:'] });
    for (const key of ['job:1', 'job:old:1', 'audio_job:1', 'video_job:1']) {
      redis.cli('-n', '1', 'SET', key, 'x');
    }
    const { service } = await stack.wipe();
    expect(service['jobs_removed']).toBe(3);
    expect(redis.entries(1).map(({ key }) => key)).toEqual(['video_job:1']);
  });

  test('the result of a job with a strange id is one key, and no pattern', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    stack.config({ redis: redis.url(1), keyPrefix: 'job:', celery: { queues: ['queue'] } });
    const ids = SUFFIXES.map((suffix) => Buffer.from(suffix, 'latin1'));
    for (const id of ids) {
      for (const start of ['job:', 'celery-task-meta-']) {
        send(redis, ['SET', Buffer.concat([Buffer.from(start), id]), 'x']);
      }
    }
    redis.cli('-n', '1', 'SET', 'celery-task-meta-of-another', 'x');
    const { code, service } = await stack.wipe();
    const count = SUFFIXES.length;
    expect(service).toMatchObject({ jobs_removed: count, results_removed: count, errors: [] });
    expect(code).toBe(0);
    expect(redis.entries(1).map(({ key }) => key)).toEqual(['celery-task-meta-of-another']);
  });

  test('a value of a million parts does not block the server', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    stack.config({ redis: redis.url(1), keyPrefix: 'job:' });
    const lua = `
      for from = 1, 1000000, 1000 do
        local words = {}
        for i = from, from + 999 do words[#words + 1] = 'field' .. i; words[#words + 1] = i end
        redis.call('HSET', 'job:hash', unpack(words))
      end
      redis.call('COPY', 'job:hash', 'copy')`;
    redis.cli('-n', '1', 'EVAL', lua, '0');
    redis.cli('CONFIG', 'RESETSTAT');
    expect(redis.cli('-n', '1', 'HLEN', 'copy')).toBe('1000000');
    const { code, service } = await stack.wipe();
    expect({ code, jobs: service['jobs_removed'] }).toEqual({ code: 0, jobs: 1 });
    expect(calls(redis, 'del')).toBeUndefined();
    // Its parts are freed by another thread, whatever the machine: only that one is so large.
    expect(redis.cli('INFO', 'memory')).toMatch(/lazyfree_pending_objects:[01]\b/);
    await expect
      .poll(() => redis.cli('INFO', 'memory'), { timeout: 20_000 })
      .toMatch(/lazyfree_pending_objects:0\r?\nlazyfreed_objects:1\b/);
    expect(redis.cli('-n', '1', 'HLEN', 'copy')).toBe('1000000');
  });
});

/** What Redis says of a command since the last CONFIG RESETSTAT. */
function calls(redis: TestRedis, command: string): string | undefined {
  return new RegExp(`^cmdstat_${command}:(.*)$`, 'm').exec(redis.cli('INFO', 'commandstats'))?.[1];
}

/** Any bytes as arguments, in hexadecimal on their way. */
function send(redis: TestRedis, words: readonly (string | Buffer)[]): void {
  const script = `
    local words = {}
    for word in ARGV[1]:gmatch('%S+') do
      words[#words + 1] = word:gsub('%x%x', function(hex) return string.char(tonumber(hex, 16)) end)
    end
    return redis.call(unpack(words))`;
  const input = words.map((word) => Buffer.from(word as string).toString('hex')).join(' ');
  redis.cliInput(input, '-n', '1', 'EVAL', script, '0');
}
