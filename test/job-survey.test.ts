/**
 * What the config does not say, or says wrongly, of a service's job keys: found by doctor, plan and
 * wipe alike, never called verified, and mended by the line that is named.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeFiles, wipeJson, writeConfig } from './support/config-file.ts';
import { enqueue, startWorker } from './support/celery.ts';
import type { CeleryApp } from './support/celery.ts';
import { testFolder } from './support/folder.ts';
import { startRedis } from './support/redis.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { runTool } from './support/tool.ts';
import { until } from './support/until.ts';
import { fileList } from './support/witness.ts';

interface Stack {
  readonly folder: string;
  readonly redis: TestRedis;
}

async function stack(): Promise<Stack> {
  const folder = testFolder();
  const redis = await startRedis(folder);
  onTestFinished(async () => redis.stop());
  return { folder, redis };
}

function saveJobs(redis: TestRedis, db: number, prefix: string, ids: readonly string[]): void {
  for (const id of ids) {
    const job = { id, status: 'queued', created_at: '2026-01-01T00:00:00' };
    redis.cli('-n', String(db), 'SET', `${prefix}${id}`, JSON.stringify(job));
  }
}

function keysOf(redis: TestRedis, db: number): readonly string[] {
  return redis.entries(db).map(({ key }) => key);
}

async function doctor(config: string, folder: string) {
  const result = await runTool(['doctor', '--json', '--config', config], { folder });
  const { services } = JSON.parse(result.stdout) as {
    services: Record<
      string,
      { checks: { check: string; status: string; message: string; hint: string }[] }
    >;
  };
  const checks = Object.values(services).flatMap((service) => service.checks);
  return { code: result.code, prefix: checks.filter(({ check }) => check === 'prefix'), checks };
}

/** Puts what a hint names, `"key": value`, into the only service of a config. */
function follow(config: string, hint: string | undefined, key: string): void {
  const [, value = ''] =
    new RegExp(`"${key}": (\\[[^\\]]*\\]|"(?:[^"\\\\]|\\\\.)*")`).exec(hint ?? '') ?? [];
  const { services } = JSON.parse(readFileSync(config, 'utf8')) as {
    services: Record<string, Record<string, unknown>>;
  };
  for (const service of Object.values(services)) service[key] = JSON.parse(value) as unknown;
  writeFileSync(config, JSON.stringify({ services }));
}

describe.skipIf(!requireOrSkip('redis'))('a redis without keyPrefix', () => {
  test.each([
    { title: 'with a queue', more: { celery: { queues: ['thumbs'] } } },
    { title: 'with directories alone', more: {} },
  ])('is never clean ($title), and doctor names the line that makes it so', async ({ more }) => {
    const { folder, redis } = await stack();
    saveJobs(redis, 1, 'thumbs:job:', ['1', '2', '3']);
    makeFiles(join(folder, 'out'), 2);
    const config = writeConfig(folder, {
      thumbs: { redis: redis.url(1), root: folder, directories: ['out'], ...more },
    });
    const before = redis.dump(1);
    const found = await doctor(config, folder);
    expect(found.code).toBe(1);
    expect(found.prefix).toEqual([
      expect.objectContaining({
        status: 'problem',
        message: expect.stringContaining('thumbs:job:* 3 strings') as string,
        hint: expect.stringContaining('"keyPrefix": "thumbs:job:"') as string,
      }),
    ]);
    const plan = await runTool(['all', '--dry-run', '--config', config], { folder });
    expect(plan.code).toBe(1);
    expect(plan.stdout).toMatch(/Redis 127\.0\.0\.1:\d+\/1: \? jobs/);
    const { code, report } = await wipeJson(config, { folder });
    expect([code, report.verified, report.files_deleted]).toEqual([1, false, 2]);
    expect(report.services['thumbs']).toMatchObject({
      unknown: ['jobs'],
      failures: [{ code: 'ENOPREFIX' }],
    });
    expect(redis.dump(1)).toBe(before);
    expect(fileList(join(folder, 'out'))).toEqual([]);

    follow(config, found.prefix[0]?.hint, 'keyPrefix');
    const mended = await wipeJson(config, { folder });
    expect([mended.code, mended.report.verified, mended.report.jobs_removed]).toEqual([0, true, 3]);
    expect(keysOf(redis, 1)).toEqual([]);
  });

  test('is an error with an empty database and with a dead server too', async () => {
    const { folder, redis } = await stack();
    const service = { root: folder, celery: { queues: ['q'] } };
    const empty = writeConfig(folder, { a: { ...service, redis: redis.url(1) } });
    const ofEmpty = await wipeJson(empty, { folder });
    expect([ofEmpty.code, ofEmpty.report.verified]).toEqual([1, false]);
    expect(ofEmpty.report.errors[0]).toContain('"keyPrefix" is not configured');
    const dead = writeConfig(folder, { a: { ...service, redis: 'redis://127.0.0.1:1/0' } });
    const ofDead = await wipeJson(dead, { folder });
    expect(ofDead.code).toBe(1);
    expect(ofDead.report.errors.join('\n')).toContain('"keyPrefix" is not configured');
  });

  test('"keyPrefix": [] says that there are no jobs in Redis', async () => {
    const { folder, redis } = await stack();
    saveJobs(redis, 1, 'thumbs:job:', ['1']);
    const config = writeConfig(folder, {
      thumbs: { redis: redis.url(1), keyPrefix: [], celery: { queues: ['thumbs'] } },
    });
    const { code, report } = await wipeJson(config, { folder });
    expect([code, report.verified, report.errors]).toEqual([0, true, []]);
    expect(report.services['thumbs']).toMatchObject({
      not_configured: ['jobs', 'files', 'models'],
    });
    expect((await doctor(config, folder)).code).toBe(0);
    expect(keysOf(redis, 1)).toEqual(['thumbs:job:1']);
    const { stdout } = await runTool(['stats', 'all', '--config', config], { folder });
    expect(stdout).toMatch(/thumbs +- +0 +0 +- +- /);
  });

  test('is no matter where jobs are not asked for', async () => {
    const { folder, redis } = await stack();
    makeFiles(join(folder, 'out'), 1);
    const config = writeConfig(folder, {
      a: { redis: redis.url(1), root: folder, directories: ['out'] },
    });
    const { code } = await wipeJson(config, { folder }, '--only', 'files');
    expect(code).toBe(0);
  });
});

describe.skipIf(!requireOrSkip('redis'))('jobs in another database', () => {
  test('of the same server are an error with the database to write', async () => {
    const { folder, redis } = await stack();
    saveJobs(redis, 4, 'thumbs:job:', ['1', '2']);
    redis.cli('-n', '7', 'SET', 'other', '1');
    const config = writeConfig(folder, {
      thumbs: { redis: redis.url(1), keyPrefix: 'thumbs:job:' },
    });
    const before = [redis.dump(4), redis.dump(7)];
    const found = await doctor(config, folder);
    expect(found.code).toBe(1);
    expect(found.prefix[0]).toMatchObject({
      status: 'problem',
      message: expect.stringMatching(/2 keys "thumbs:job:\*".*in database 4/) as string,
      hint: expect.stringContaining(`127.0.0.1:${redis.port}/4" instead of`) as string,
    });
    const { code, report } = await wipeJson(config, { folder });
    expect([code, report.verified]).toEqual([1, false]);
    expect(report.services['thumbs']?.failures[0]?.code).toBe('EDATABASE');
    expect([redis.dump(4), redis.dump(7)]).toEqual(before);

    const right = writeConfig(folder, {
      thumbs: { redis: redis.url(4), keyPrefix: 'thumbs:job:' },
    });
    expect((await wipeJson(right, { folder })).code).toBe(0);
    expect(keysOf(redis, 4)).toEqual([]);
  });

  test('of the broker are an error, also under a prefix that any service may use', async () => {
    const { folder, redis } = await stack();
    saveJobs(redis, 2, 'job:', ['1', '2']);
    const config = writeConfig(folder, {
      video: {
        redis: redis.url(1),
        keyPrefix: 'job:',
        celery: { queues: ['videos'], broker: redis.url(2) },
      },
    });
    const { code, report } = await wipeJson(config, { folder });
    expect(code).toBe(1);
    expect(report.errors.join('\n')).toMatch(/2 keys "job:\*".* in its broker's database 2/);
    expect(keysOf(redis, 2)).toEqual(['job:1', 'job:2']);
  });

  test('of the broker’s server are an error too', async () => {
    const { folder, redis } = await stack();
    const other = await stack();
    saveJobs(other.redis, 3, 'enc:job:', ['1', '2']);
    const config = writeConfig(folder, {
      enc: {
        redis: redis.url(),
        keyPrefix: 'enc:job:',
        celery: { queues: ['encodes'], broker: other.redis.url() },
      },
    });
    const { code, report } = await wipeJson(config, { folder });
    expect([code, report.verified]).toEqual([1, false]);
    const hint = `"redis": "redis://127.0.0.1:${other.redis.port}/3" instead of`;
    expect(report.services['enc']?.failures[0]?.hint).toContain(hint);
    expect(keysOf(other.redis, 3)).toEqual(['enc:job:1', 'enc:job:2']);
  });

  test('that are another service’s of the config are nobody else’s', async () => {
    const { folder, redis } = await stack();
    saveJobs(redis, 2, 'job:', ['1', '2']);
    const config = writeConfig(folder, {
      audio: { redis: redis.url(1), keyPrefix: 'job:' },
      video: { redis: redis.url(2), keyPrefix: 'job:' },
    });
    const { code, report } = await wipeJson(config, { folder });
    expect([code, report.jobs_removed, report.errors]).toEqual([0, 2, []]);
  });

  test('are another stack’s where an earlier run removed the jobs of this one', async () => {
    const { folder, redis } = await stack();
    const config = writeConfig(folder, { video: { redis: redis.url(1), keyPrefix: 'job:' } });
    saveJobs(redis, 1, 'job:', ['1', '2']);
    expect((await wipeJson(config, { folder })).code).toBe(0);
    saveJobs(redis, 5, 'job:', ['1']);
    const again = await wipeJson(config, { folder });
    expect([again.code, again.report.errors]).toEqual([0, []]);
    expect(again.report.warnings.join('\n')).toContain('in database 5');

    // The same stack, and nothing is known of it.
    rmSync(join(folder, 'home/.local/state'), { recursive: true });
    const unknown = await wipeJson(config, { folder });
    expect([unknown.code, unknown.report.verified]).toEqual([1, false]);
    expect(keysOf(redis, 5)).toEqual(['job:1']);
  });

  test('databases that hold keys are named', async () => {
    const { folder, redis } = await stack();
    redis.cli('-n', '6', 'MSET', 'a', '1', 'b', '2');
    const config = writeConfig(folder, { a: { redis: redis.url(1), keyPrefix: 'a:job:' } });
    const { code, stdout } = await runTool(['doctor', '--config', config], { folder });
    expect(code).toBe(0);
    expect(stdout).toContain('6 (2 keys)');
  });
});

describe.skipIf(!requireOrSkip('redis'))('what stands beside the jobs', () => {
  const IDS = ['a1', 'b2', 'c3'];

  async function beside(
    fill: (redis: TestRedis) => void,
    service: object = {},
  ): Promise<Stack & { readonly config: string }> {
    const { folder, redis } = await stack();
    saveJobs(redis, 0, 'search:job:', IDS);
    fill(redis);
    const config = writeConfig(folder, {
      search: { redis: redis.url(), keyPrefix: 'search:job:', ...service },
    });
    return { folder, redis, config };
  }

  test.each([
    [
      'a sorted set',
      'search:jobs:list',
      (redis: TestRedis, key: string) => IDS.map((id) => redis.cli('ZADD', key, '1', id)),
    ],
    ['a list', 'all:of:them', (redis: TestRedis, key: string) => redis.cli('RPUSH', key, ...IDS)],
    [
      'a set of keys',
      'running',
      (redis: TestRedis, key: string) =>
        redis.cli('SADD', key, ...IDS.map((id) => `search:job:${id}`)),
    ],
    ['a hash', 'owners', (redis: TestRedis, key: string) => redis.cli('HSET', key, 'b2', 'x')],
    [
      'names with their ids',
      'lock:a1',
      (redis: TestRedis, key: string) => redis.cli('SET', key, '1'),
    ],
    [
      'ids within names',
      'checkpoint:deadbeef01:state',
      (redis: TestRedis) => {
        saveJobs(redis, 0, 'search:job:', ['deadbeef01']);
        redis.cli('MSET', 'checkpoint:deadbeef01:state', '1', 'checkpoint:deadbeef02:state', '1');
      },
    ],
  ])(
    '%s is named by doctor and wipe, and goes with the line that they name',
    async (_title, key, fill) => {
      const { folder, redis, config } = await beside((redis) => fill(redis, key));
      redis.cli('SET', 'unrelated', '1');
      const found = await doctor(config, folder);
      const check = found.prefix.find(({ hint }) => hint.includes('indexKeys'));
      expect(check?.status, JSON.stringify(found.prefix)).toBe('warning');
      const { code, report } = await wipeJson(config, { folder });
      expect(code).toBe(0);
      const warning = report.warnings.find((text) => text.includes('"indexKeys"'));
      expect(warning).toBeDefined();
      expect(warning?.replace(/.*"indexKeys": /, '').replace(/ removes.*/, '')).toBe(
        check?.hint.replace(/.*"indexKeys": /, '').replace(/ removes.*/, ''),
      );
      expect(keysOf(redis, 0)).toContain(key);

      follow(config, warning, 'indexKeys');
      const mended = await wipeJson(config, { folder });
      expect(mended.code).toBe(0);
      expect(mended.report.jobs_removed).toBe(0);
      expect(keysOf(redis, 0)).toEqual(['unrelated']);
    },
  );

  test('index keys by pattern: nothing of others, counted apart, looked at again', async () => {
    const { folder, redis } = await stack();
    saveJobs(redis, 0, 'search:job:', IDS);
    redis.cli('ZADD', 'search:jobs:list', '1', 'a1');
    redis.cli('ZADD', 'search:jobs:done', '1', 'a1');
    redis.cli('SET', 'search:jobs-archive:1', 'foreign');
    redis.cli('SET', 'search:jobs:other:1', 'of a neighbour');
    const config = writeConfig(folder, {
      search: {
        redis: redis.url(),
        keyPrefix: 'search:job:',
        indexKeys: ['search:jobs*'],
        foreignKeyPrefixes: 'search:jobs-archive:',
      },
      other: { redis: redis.url(), keyPrefix: 'search:jobs:other:' },
    });
    const args = ['search', '--yes', '--json', '--config', config];
    const dry = await runTool([...args.slice(0, 1), '--dry-run', ...args.slice(2)], { folder });
    expect(dry.code).toBe(0);
    expect(keysOf(redis, 0)).toHaveLength(7);
    const { code, stdout } = await runTool(args, { folder });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      jobs_removed: 3,
      verified: true,
      services: { search: { index_keys_removed: 2 } },
    });
    expect(keysOf(redis, 0)).toEqual(['search:jobs-archive:1', 'search:jobs:other:1']);
  });

  test('a neighbour’s jobs with the same ids are never proposed as index keys', async () => {
    const { folder, redis } = await stack();
    saveJobs(redis, 0, 'grab:job:', IDS);
    saveJobs(redis, 0, 'tn:', IDS);
    redis.cli('RPUSH', 'grab:recent', ...IDS);
    const config = writeConfig(folder, {
      grabber: { redis: redis.url(), keyPrefix: 'grab:job:' },
      thumbs: { redis: redis.url() },
    });
    const found = await doctor(config, folder);
    const hints = found.prefix.map(({ hint }) => hint).join('\n');
    expect(hints).toContain('"indexKeys": ["grab:recent"]');
    expect(found.prefix.map(({ message }) => message).join('\n')).toContain(
      '"tn:*" may be jobs (JSON with id, status and created_at, named by their id)',
    );
    expect(hints).not.toMatch(/"indexKeys": \[[^\]]*tn:/);
  });

  test('plan, dry run and report count index keys', async () => {
    const { folder, config } = await beside(
      (redis) => redis.cli('ZADD', 'search:jobs:list', '1', 'a1'),
      { indexKeys: ['search:jobs:*'] },
    );
    const dry = await runTool(['all', '--dry-run', '--config', config], { folder });
    expect(dry.stdout).toMatch(/Redis \S+: 3 jobs, 1 index key/);
    const done = await runTool(['all', '--yes', '--config', config], { folder });
    expect(done.stdout).toContain('search: 1 index key removed');
  });

  test('index keys stay with --older-than, since they list younger jobs too', async () => {
    const { folder, redis, config } = await beside(
      (redis) => redis.cli('ZADD', 'search:jobs:list', '1', 'a1'),
      { indexKeys: 'search:jobs:list' },
    );
    const { code, report } = await wipeJson(config, { folder }, '--older-than', '1d');
    expect([code, report.jobs_removed]).toEqual([0, 3]);
    expect(keysOf(redis, 0)).toEqual(['search:jobs:list']);
    expect(report.warnings.join('\n')).toContain('--older-than');
  });

  test('foreign keys, results and the locks of runs are not named', async () => {
    const { folder, config } = await beside(
      (redis) => {
        redis.cli('SET', 'search:settings', '1');
        redis.cli('SET', 'celery-task-meta-a1', '{}');
      },
      { foreignKeyPrefixes: 'search:settings' },
    );
    const { code, report } = await wipeJson(config, { folder });
    expect([code, report.warnings]).toEqual([0, []]);
  });
});

describe.skipIf(!requireOrSkip('redis'))('a prefix without a separator', () => {
  test('says in doctor, plan and report what it covers', async () => {
    const { folder, redis } = await stack();
    saveJobs(redis, 0, 'job:', ['1', '2']);
    redis.cli('SET', 'journal:1', 'x');
    const config = writeConfig(folder, { a: { redis: redis.url(), keyPrefix: 'j' } });
    const covers = /keyPrefix "j" .*job:\* 2, journal:\* 1/;
    const found = await doctor(config, folder);
    expect(
      found.prefix.some(({ status, message }) => status === 'warning' && covers.test(message)),
    ).toBe(true);
    const plan = await runTool(['all', '--dry-run', '--config', config], { folder });
    expect(plan.stdout.replaceAll(/\s+/g, ' ')).toMatch(covers);
    const { code, report } = await wipeJson(config, { folder });
    expect([code, report.jobs_removed]).toEqual([0, 3]);
    expect(report.warnings.join('\n')).toMatch(covers);
  });
});

describe.skipIf(!requireOrSkip('redis'))('three services in one database', () => {
  test('two wrong prefixes: each is proposed its own family, none another’s', async () => {
    const { folder, redis } = await stack();
    saveJobs(redis, 0, 'transcription_job:', ['t1', 't2']);
    saveJobs(redis, 0, 'audio_job:', ['n1', 'n2', 'n3']);
    saveJobs(redis, 0, 'job:', ['v1', 'v2', 'v3', 'v4']);
    const config = writeConfig(folder, {
      'audio-transcriber': { redis: redis.url(), keyPrefix: 'transcription_job:' },
      'audio-normalization': { redis: redis.url(), keyPrefix: 'normalization_job:' },
      'video-downloader': { redis: redis.url(), keyPrefix: 'video_job:' },
    });
    const { code, report } = await wipeJson(config, { folder });
    expect(code).toBe(1);
    const hints = (name: string) =>
      report.services[name]?.failures.map(({ hint }) => /"keyPrefix": (\S+);/.exec(hint)?.[1]);
    expect(hints('audio-transcriber')).toEqual([]);
    expect(hints('audio-normalization')).toEqual(['"audio_job:"']);
    expect(hints('video-downloader')).toEqual(['"job:"']);
  });
});

describe.skipIf(!requireOrSkip('redis'))('keys of others', () => {
  test('one key alone is a note, and the hint names the value of foreignKeyPrefixes', async () => {
    const { folder, redis } = await stack();
    redis.cli('SET', 'someone', '1');
    const config = writeConfig(folder, { a: { redis: redis.url(), keyPrefix: 'a:job:' } });
    const { report } = await wipeJson(config, { folder });
    expect(report.warnings.join('\n')).toContain('"foreignKeyPrefixes": ["someone"]');
    const quiet = await runTool(['all', '--yes', '--quiet', '--config', config], { folder });
    expect([quiet.code, quiet.stdout, quiet.stderr]).toEqual([0, '', '']);
    redis.cli('MSET', 'session:1', '1', 'session:2', '2');
    const loud = await runTool(['all', '--yes', '--quiet', '--config', config], { folder });
    expect(loud.stderr).toContain('session:* 2 strings');
    follow(config, report.warnings.join('\n'), 'foreignKeyPrefixes');
    const left = await wipeJson(config, { folder });
    expect(left.report.warnings.join('\n')).not.toContain('someone 1');
  });
});

describe.skipIf(!requireOrSkip('redis', 'celery'))('a real worker', () => {
  test('jobs beside another database than the broker’s: no prefix, then the wrong database, then right', async () => {
    const { folder, redis } = await stack();
    const app: CeleryApp = {
      folder,
      broker: redis.url(2),
      jobs: redis.url(5),
      queues: ['thumbs'],
      keyPrefix: 'thumbs:job:',
    };
    const worker = startWorker(app);
    await worker.waitUntilReady();
    const ids = ['one', 'two', 'three'];
    enqueue(
      app,
      ids.map((id) => ({ id })),
    );
    await until('its results', () =>
      ids.every((id) => redis.cli('-n', '2', 'EXISTS', `celery-task-meta-${id}`) === '1'),
    );
    const celery = { queues: ['thumbs'], broker: redis.url(2) };

    const silent = writeConfig(folder, { thumbs: { redis: redis.url(2), celery } });
    const unsaid = await wipeJson(silent, { folder });
    expect([unsaid.code, unsaid.report.verified]).toEqual([1, false]);
    expect(keysOf(redis, 5)).toHaveLength(3);

    const wrong = writeConfig(folder, {
      thumbs: { redis: redis.url(2), keyPrefix: 'thumbs:job:', celery },
    });
    const elsewhere = await wipeJson(wrong, { folder });
    expect([elsewhere.code, elsewhere.report.verified]).toEqual([1, false]);
    const hint = elsewhere.report.services['thumbs']?.failures[0]?.hint ?? '';
    expect(hint).toContain(`127.0.0.1:${redis.port}/5" instead of`);
    expect(keysOf(redis, 5)).toHaveLength(3);

    const right = writeConfig(folder, {
      thumbs: {
        redis: redis.url(5),
        keyPrefix: 'thumbs:job:',
        celery: { ...celery, results: 'own' },
      },
    });
    const done = await wipeJson(right, { folder });
    expect([done.code, done.report.verified, done.report.jobs_removed]).toEqual([0, true, 3]);
    expect(keysOf(redis, 5)).toEqual([]);
    // After a perfect wipe the worker's own keys are no reason for a word.
    const again = await runTool(['all', '--yes', '--quiet', '--config', right], { folder });
    expect([again.code, again.stdout, again.stderr]).toEqual([0, '', '']);
    await worker.stop();
  });

  test('results of its only queue tell whose the jobs of an unknown prefix are', async () => {
    const { folder, redis } = await stack();
    const app: CeleryApp = {
      folder,
      broker: redis.url(3),
      queues: ['transcribe'],
      keyPrefix: 'trx:',
    };
    const worker = startWorker(app);
    await worker.waitUntilReady();
    const ids = Array.from({ length: 12 }, (_, index) => `id-${index}`);
    enqueue(
      app,
      ids.map((id) => ({ id })),
    );
    const results = (): string => redis.cli('-n', '3', '--scan', '--pattern', 'celery-task-meta-*');
    await until('its results', () => results().split('\n').length === ids.length);
    // Most results have expired.
    redis.cli('-n', '3', 'DEL', ...ids.slice(2).map((id) => `celery-task-meta-${id}`));
    const config = writeConfig(folder, {
      audio: { redis: redis.url(3), keyPrefix: 'audio_job:', celery: { queues: ['transcribe'] } },
    });
    const { code, report } = await wipeJson(config, { folder });
    expect([code, report.verified]).toEqual([1, false]);
    expect(report.services['audio']?.failures[0]?.hint).toContain('"keyPrefix": "trx:"');
    await worker.stop();
  });
});
