/** Addresses as redis-py, kombu and Celery write them: each leads to the server and database that it leads there. */
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { enqueue, startWorker, type CeleryApp } from './support/celery.ts';
import { createAuthority } from './support/certificates.ts';
import { wipeJson, writeConfig, type JsonResult } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { redisOfTest } from './support/redis-of-test.ts';
import { startLoneSentinel } from './support/redis-sentinel.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { runTool } from './support/tool.ts';

const DB = 3;

/** Jobs of one prefix in database 3, and in database 0, where a client is that reads no number. */
function fill(redis: TestRedis, prefix: string): void {
  for (const db of [0, DB]) {
    redis.cli('-n', String(db), 'MSET', `${prefix}1`, '{}', `${prefix}2`, '{}');
  }
}

function keys(redis: TestRedis, db: number): string {
  return redis.cli('-n', String(db), '--scan').split('\n').toSorted().join(' ');
}

async function wipe(
  folder: string,
  redis: unknown,
  env: Readonly<Record<string, string>> = {},
): Promise<JsonResult> {
  const config = writeConfig(folder, { service: { redis, keyPrefix: 'job:' } });
  return await wipeJson(config, { folder, env });
}

describe.skipIf(!requireOrSkip('redis'))('one server in many spellings', () => {
  test('each leads to the database that it names, and to no other', async () => {
    const folder = testFolder();
    const path = join(folder, 'redis.sock');
    const redis = await redisOfTest(folder, { config: [`unixsocket ${path}`] });
    const spellings = {
      slashes: `redis://127.0.0.1:${redis.port}//${DB}`,
      option: `redis://127.0.0.1:${redis.port}/?db=${DB}&socket_timeout=5&health_check_interval=9`,
      valkey: `valkey://localhost:${redis.port}/${DB}`,
      celery: `redis+socket://${path}?virtual_host=${DB}`,
      socket: `unix://${folder}//./redis.sock?db=${DB}`,
      environment: '${REDIS_OF_TEST}',
      broker: `redis+socket://${path}?virtual_host=/${DB}`,
    };
    for (const name of Object.keys(spellings)) fill(redis, `${name}:`);
    const services = Object.entries(spellings).map(([name, url]) => [
      name,
      name === 'broker'
        ? { redis: spellings.celery, keyPrefix: `${name}:`, celery: { queues: ['q'], broker: url } }
        : { redis: url, keyPrefix: `${name}:` },
    ]);
    redis.cli('-n', String(DB), 'RPUSH', 'q', 'no message, and removed all the same');
    redis.cli('-n', String(DB), 'SET', 'neighbour', 'stays');
    const others = redis.dump(0);
    const config = writeConfig(folder, Object.fromEntries(services) as Record<string, object>);
    const env = { REDIS_OF_TEST: `redis+socket://${path}?virtual_host=${DB}` };
    const { code, report, stderr } = await wipeJson(config, { folder, env });
    expect(report.errors, stderr).toEqual([]);
    expect(report).toMatchObject({ jobs_removed: 14, verified: true });
    expect(code).toBe(0);
    expect(keys(redis, DB)).toBe('neighbour');
    expect(redis.dump(0)).toBe(others);
  });

  test('the virtual host "/" is database 0', async () => {
    const folder = testFolder();
    const redis = await redisOfTest(folder);
    fill(redis, 'job:');
    const { code, report } = await wipe(folder, `redis://127.0.0.1:${redis.port}//`);
    expect(report.errors).toEqual([]);
    expect([code, keys(redis, 0), keys(redis, DB)]).toEqual([0, '', 'job:1 job:2']);
  });

  test('two spellings of one database with one prefix are refused', async () => {
    const folder = testFolder();
    const services = {
      one: { redis: `redis+socket://${folder}/r.sock?virtual_host=2`, keyPrefix: 'job:' },
      two: { redis: `unix://${folder}/./r.sock?db=2`, keyPrefix: 'job:' },
    };
    const { code, report } = await wipeJson(writeConfig(folder, services), { folder });
    expect(code).toBe(2);
    expect(JSON.stringify(report.error)).toContain('keyPrefix');
  });
});

describe.skipIf(!requireOrSkip('redis', 'celery'))('a real worker', () => {
  test('with the address of a socket as Celery writes it', async () => {
    const folder = testFolder();
    const path = join(folder, 'redis.sock');
    const redis = await redisOfTest(folder, { config: [`unixsocket ${path}`] });
    const broker = `redis+socket://${path}?virtual_host=${DB}`;
    const app: CeleryApp = {
      ...{ folder, broker, queues: ['service_queue'], keyPrefix: 'job:' },
      jobs: `unix://${path}?db=${DB}`,
    };
    const worker = startWorker(app);
    onTestFinished(async () => await worker.stop('kill'));
    enqueue(app, [
      { id: 'running', task: 'sleep', args: [600] },
      { id: 'queued', task: 'sleep', args: [600] },
    ]);
    await worker.waitForLog('running');
    const config = writeConfig(folder, {
      service: { redis: broker, keyPrefix: 'job:', celery: { queues: ['service_queue'] } },
    });
    const { code, report, stderr } = await wipeJson(config, { folder });
    expect(report.errors, stderr).toEqual([]);
    expect(report).toMatchObject({ jobs_removed: 2, verified: true });
    expect(code).toBe(0);
    expect(redis.cli('-n', String(DB), '--scan', '--pattern', 'job:*')).toBe('');
  });
});

describe.skipIf(!requireOrSkip('redis'))('a certificate', () => {
  test('is not checked with ssl_cert_reqs=none, and everything warns; with the authority all is quiet', async () => {
    const folder = testFolder();
    const authority = createAuthority(folder, 'company');
    const client = authority.issue('client');
    const tls = { ca: authority.cert, client, anyClient: true, ...authority.issue('server') };
    const redis = await redisOfTest(folder, { tls });
    const url = `rediss://localhost:${redis.port}/${DB}`;
    const config = (redisForm: unknown): string =>
      writeConfig(folder, { service: { redis: redisForm, keyPrefix: 'job:' } });
    const run = async (file: string, ...args: readonly string[]): Promise<string> => {
      const { stdout, stderr } = await runTool([...args, 'all', '--config', file], { folder });
      return stdout + stderr;
    };
    fill(redis, 'job:');
    const trusting = config(`${url}?ssl_cert_reqs=none`);
    for (const args of [['doctor'], ['stats'], ['stats', '--json'], ['--dry-run']]) {
      expect(await run(trusting, ...args), args.join(' ')).toMatch(
        /certificate of the server is not\s+checked/,
      );
    }
    const unchecked = await wipeJson(config({ url, tls: { verify: false } }), { folder });
    expect(unchecked.report).toMatchObject({ jobs_removed: 2, errors: [], verified: true });
    expect(unchecked.report.warnings.join()).toContain('certificate of the server is not checked');
    expect(unchecked.code).toBe(0);
    expect(keys(redis, 0)).toBe('job:1 job:2');
    fill(redis, 'job:');
    const checked = await wipeJson(
      config(`${url}?ssl_cert_reqs=required&ssl_ca_certs=${encodeURIComponent(authority.cert)}`),
      { folder },
    );
    expect(checked.report).toMatchObject({ jobs_removed: 2, errors: [], warnings: [] });
    // And by default it is checked.
    fill(redis, 'job:');
    const unknown = await wipeJson(config(`${url}?ssl_cert_reqs=optional`), { folder });
    expect(unknown.report.errors.join()).toMatch(/not signed by a known authority/);
    expect(keys(redis, DB)).toBe('job:1 job:2');
  });
});

describe.skipIf(!requireOrSkip('redis'))('sentinels with a password of their own', () => {
  const WATCH = 'watchword-of-sentinels';
  const DATA = 'password-of-the-data';

  test('are asked with it, and a refusal says which of the two refuses', async () => {
    const folder = testFolder();
    const redis = await redisOfTest(folder, { password: DATA });
    const sentinel = await startLoneSentinel(join(folder, 'sentinel'), redis.port, {
      ...{ own: WATCH, server: DATA },
    });
    onTestFinished(async () => await sentinel.stop());
    const open = await startLoneSentinel(join(folder, 'open'), redis.port, { server: DATA });
    onTestFinished(async () => await open.stop());
    const { name } = sentinel;
    const place = `127.0.0.1:${sentinel.port}`;
    const url = `sentinel://:${DATA}@${place}/${DB}`;
    const nowhere = 'sentinel://127.0.0.1:1';
    fill(redis, 'job:');
    const refused = async (form: object, said: RegExp, hint: RegExp): Promise<void> => {
      const { code, report, stdout, stderr } = await wipe(folder, form);
      expect(report.errors.join(' | ')).toMatch(said);
      expect(report.services['service']?.failures[0]?.hint).toMatch(hint);
      expect(code).toBe(1);
      expect(stdout + stderr).not.toMatch(new RegExp(`${WATCH}|${DATA}`));
      expect(keys(redis, DB)).toBe('job:1 job:2');
    };
    await refused(
      { sentinels: `${url};${nowhere}`, name },
      new RegExp(`sentinel ${place} refuses the user name or password`),
      /sentinelPassword/,
    );
    await refused(
      { sentinels: [`redis://${place}`], name, db: DB },
      new RegExp(`sentinel ${place} requires a password`),
      /sentinelPassword/,
    );
    await refused(
      { sentinels: url, name: 'other', sentinelPassword: WATCH },
      /knows no primary of this name/,
      /`name`/,
    );
    await refused(
      { sentinels: nowhere, name },
      /No sentinel answers.*127\.0\.0\.1:1.*refused/,
      /`sentinels`/,
    );
    await refused(
      { sentinels: `redis://:${WATCH}@${place}`, name, db: DB },
      /the primary that the sentinels name: Wrong user name or password/,
      /redis/,
    );
    const withoutPassword = {
      sentinels: [`redis://:${DATA}@127.0.0.1:${open.port}`],
      name,
      db: DB,
    };
    const twoUrls = `sentinel://:${DATA}@127.0.0.1:1/${DB};sentinel://${place}`;
    // A sentinel without a password takes none of the server's.
    for (const form of [
      { sentinels: twoUrls, name, db: DB, sentinelPassword: '${WATCH_OF_TEST}' },
      { sentinels: url, name, sentinelPassword: WATCH, sentinelUsername: 'default' },
      withoutPassword,
      { ...withoutPassword, sentinels: [`redis://default:${DATA}@127.0.0.1:${open.port}`] },
    ]) {
      fill(redis, 'job:');
      const { code, report, stderr } = await wipe(folder, form, { WATCH_OF_TEST: WATCH });
      expect(report.errors, stderr).toEqual([]);
      expect(report).toMatchObject({ jobs_removed: 2, verified: true });
      expect(code).toBe(0);
      expect([keys(redis, DB), keys(redis, 0)]).toEqual(['', 'job:1 job:2']);
    }
  }, 60_000);
});
