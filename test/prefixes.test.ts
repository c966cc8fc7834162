/**
 * A stack whose services use other prefixes than the config: nothing is deleted on a guess, the report
 * does not pretend, and report, plan and doctor name the line to change.
 */
import { randomUUID } from 'node:crypto';
import { writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { wipeJson, writeConfig } from './support/config-file.ts';
import type { JsonReport } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { dumpAll, liveStack } from './support/live-stack.ts';
import type { LiveStack } from './support/live-stack.ts';
import { startRedis } from './support/redis.ts';
import type { RedisOptions, TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { runTool } from './support/tool.ts';

const REAL = [
  ['audio-transcriber', 3, 'job:', 'transcription_job:'],
  ['audio-normalization', 2, 'audio_job:', 'normalization_job:'],
  ['video-downloader', 1, 'job:', 'video_job:'],
] as const;

/** Jobs as the services save them, by `redis-cli --pipe`. */
function saveJobs(redis: TestRedis, db: number, prefix: string, count: number): readonly string[] {
  const ids = Array.from({ length: count }, () => randomUUID());
  const lines = ids.map((id) => {
    const job = { id, status: 'completed', created_at: '2026-10-27T14:30:22.104123' };
    return `SET ${prefix}${id} '${JSON.stringify(job)}'`;
  });
  redis.cliInput(`${lines.join('\n')}\n`, '-n', String(db), '--pipe');
  return ids;
}

async function redisIn(folder: string, options: RedisOptions = {}): Promise<TestRedis> {
  const redis = await startRedis(folder, options);
  onTestFinished(async () => redis.stop());
  return redis;
}

async function stackWithOtherPrefixes(): Promise<LiveStack> {
  const stack = await liveStack();
  for (const [, db, prefix] of REAL) {
    const [first] = saveJobs(stack.redis, db, prefix, 312);
    stack.redis.cli('-n', String(db), 'SET', `celery-task-meta-${first}`, '{}');
    stack.redis.cli('-n', String(db), 'SET', 'settings', '1');
  }
  return stack;
}

describe.skipIf(!requireOrSkip('redis'))('prefixes that are not the services’ own', () => {
  test('the wipe says so, exits 1, and deletes none of them', async () => {
    const stack = await stackWithOtherPrefixes();
    const before = dumpAll(stack.redis);
    const { code, stdout, stderr } = await stack.run(['all', '--yes', '--json']);
    const report = JSON.parse(stdout) as JsonReport;
    expect(dumpAll(stack.redis)).toBe(before);
    expect(code, stderr).toBe(1);
    expect(report).toMatchObject({
      status: 'completed_with_errors',
      jobs_removed: 0,
      verified: false,
    });
    expect(stderr).not.toContain('nothing is left');
    expect(report.message).toMatch(/^⚠️ {2}WIPE FINISHED WITH ERRORS: 0 jobs/);
    for (const [name, , real, configured] of REAL) {
      const [failure] = report.services[name]?.failures ?? [];
      expect(failure).toMatchObject({
        code: 'EPREFIX',
        reason: expect.stringContaining(
          `No key begins with "${configured}", and 312 keys "${real}*" (JSON with id, status and created_at, named by their id`,
        ) as string,
        hint: expect.stringContaining(`services.${name}: "keyPrefix": "${real}"`) as string,
      });
    }
  });

  test('the line it names is the right one', async () => {
    const stack = await stackWithOtherPrefixes();
    const file = join(stack.folder, 'cleanup.config.json');
    let text = readFileSync(file, 'utf8');
    for (const [, , real, configured] of REAL) text = text.replace(configured, real);
    writeFileSync(file, text);
    const { code, stdout } = await stack.run(['all', '--yes', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'completed', jobs_removed: 3 * 312 });
    for (const [, db] of REAL) expect(stack.redis.cli('-n', String(db), '--scan')).toBe('settings');
  });

  test('doctor and plan name them before anything is wiped', async () => {
    const stack = await stackWithOtherPrefixes();
    const doctor = await stack.run(['doctor', '--json']);
    expect(doctor.code).toBe(1);
    const { services } = JSON.parse(doctor.stdout) as {
      services: Record<string, { checks: { check: string }[]; families: object[] }>;
    };
    for (const [name, , real] of REAL) {
      const check = services[name]?.checks.find((one) => one.check === 'prefix');
      expect(check).toMatchObject({
        status: 'problem',
        hint: expect.stringContaining(`"${real}"`) as string,
      });
      expect(JSON.stringify(check)).toContain(`${real}* 312 strings (99 %)`);
      expect(services[name]?.families).toContainEqual({
        prefix: real,
        keys: 312,
        share: 0.9936,
        types: ['string'],
        belongs_to: 'perhaps this service',
      });
    }
    const plan = await stack.run(['video-downloader', '--dry-run']);
    expect(plan.stdout).toContain('"keyPrefix": "job:"');
  });

  test('ids of its queued tasks tell whose hashes they are', async () => {
    const folder = testFolder();
    const redis = await redisIn(folder);
    for (const id of ['one', 'two']) {
      redis.cli('HSET', `transfers:${id}`, 'state', 'waiting');
      const properties = { delivery_info: { exchange: '', routing_key: 'videos' } };
      const message = { body: '', headers: { id, task: 'fetch' }, properties };
      redis.cli('LPUSH', 'videos', JSON.stringify(message));
    }
    const config = writeConfig(folder, {
      video: { redis: redis.url(), keyPrefix: 'video_job:', celery: { queues: ['videos'] } },
    });
    const { code, report } = await wipeJson(config, { folder });
    expect(code).toBe(1);
    expect(report.errors[0]).toContain('2 keys "transfers:*" (with ids of tasks of its queue)');
    expect(redis.cli('DBSIZE')).toBe('2');
  });
});

describe.skipIf(!requireOrSkip('redis'))('other keys beside the jobs', () => {
  /** A service whose jobs are `video_job:…`, on a database with what `fill` puts there. */
  async function wipeBeside(fill: (redis: TestRedis) => void, service: object = {}) {
    const folder = testFolder();
    const redis = await redisIn(folder);
    fill(redis);
    const config = writeConfig(folder, {
      video: { redis: redis.url(), keyPrefix: 'video_job:', ...service },
    });
    redis.cli('CONFIG', 'RESETSTAT');
    return { ...(await wipeJson(config, { folder })), redis, folder, config };
  }

  test('far more jobs of another prefix than of the config’s are named too', async () => {
    const { code, report } = await wipeBeside((redis) => {
      saveJobs(redis, 0, 'video_job:', 2);
      saveJobs(redis, 0, 'job:', 300);
    });
    expect(code).toBe(1);
    expect(report.jobs_removed).toBe(2);
    expect(report.errors[0]).toMatch(/Only 2 keys began with "video_job:", and 300 keys "job:\*"/);
    expect(report.services['video']?.failures[0]?.hint).toContain('["video_job:","job:"]');
  });

  test('keys that are named as foreign are no reason to warn', async () => {
    const foreign = { foreignKeyPrefixes: ['job:'] };
    const { code, report } = await wipeBeside((redis) => saveJobs(redis, 0, 'job:', 300), foreign);
    expect([code, report.status, report.warnings]).toEqual([0, 'completed', []]);
  });

  test('keys that are no jobs are a warning: a database may be shared', async () => {
    const { code, report } = await wipeBeside((redis) => {
      redis.cli('SET', 'session:1', 'x');
      redis.cli('RPUSH', 'session:2', 'x');
    });
    expect(code).toBe(0);
    expect(report.warnings).toEqual([
      expect.stringMatching(/no key begins with "video_job:".*session:\* 2 keys \(100 %\)/),
    ]);
  });

  test('jobs of a shape alone may be its own: unknown is not verified', async () => {
    const { code, report } = await wipeBeside((redis) => saveJobs(redis, 0, 'invoices:', 30));
    expect([code, report.verified]).toEqual([1, false]);
    expect(report.errors).toEqual([
      expect.stringMatching(/"invoices:\*" may be jobs \(JSON with id, status and created_at/),
    ]);
    expect(report.services['video']?.failures[0]).toMatchObject({
      code: 'ENOMATCH',
      hint: expect.stringMatching(
        /"keyPrefix": "invoices:".*"foreignKeyPrefixes": \["invoices:"\]/,
      ) as string,
    });
  });

  const QUEUE_OF_OTHERS = ['prints', '', 'prints'].join('\x06\x16');

  test.each([
    ['once the config says whose they are', { foreignKeyPrefixes: ['print_job:'] }, false],
    ['once a run has removed the service’s jobs there', {}, true],
    ['beside a queue of theirs', { celery: { queues: ['videos'] } }, false],
  ])(
    'another app’s jobs, with results, are no reason to fail %s',
    async (_when, service, isSecond) => {
      const printed = (redis: TestRedis): void => {
        for (const id of saveJobs(redis, 0, 'print_job:', 30)) {
          redis.cli('SET', `celery-task-meta-${id}`, '{}');
        }
      };
      const first = await wipeBeside((redis) => {
        printed(redis);
        if ('celery' in service) {
          redis.cliInput(QUEUE_OF_OTHERS, '-x', 'SADD', '_kombu.binding.prints');
        }
        if (isSecond) saveJobs(redis, 0, 'video_job:', 5);
      }, service);
      expect([first.code, first.report.status, first.report.verified]).toEqual([
        0,
        'completed',
        true,
      ]);
      const { folder, config } = first;
      const again = await wipeJson(config, { folder });
      expect([again.code, again.report.verified]).toEqual([0, true]);
    },
  );

  test('an empty database, and one with the right prefix, cost no further SCAN', async () => {
    const { code, report, redis, folder, config } = await wipeBeside((redis) => {
      saveJobs(redis, 0, 'video_job:', 500);
    });
    expect([code, report.jobs_removed, report.warnings]).toEqual([0, 500, []]);
    const again = await runTool(['all', '--yes', '--quiet', '--config', config], { folder });
    expect([again.code, again.stdout, again.stderr]).toEqual([0, '', '']);
    expect(redis.cli('INFO', 'commandstats')).not.toMatch(/cmdstat_(type|getrange):/);
  });

  test('a hundred thousand of them cost one SCAN and a few looks', async () => {
    const { code, report, redis } = await wipeBeside((redis) => {
      const lua = `for i = 1, 100000 do redis.call('SET', 'cache:' .. i % 50 .. ':' .. i, i) end`;
      redis.cli('EVAL', lua, '0');
    });
    expect(code).toBe(0);
    expect(report.warnings[0]).toContain('cache:* 100,000 strings (100 %)');
    const stats = redis.cli('INFO', 'commandstats');
    const calls = (name: string): number =>
      Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
    // The wipe's own, the census and the proof: three times the table, 500 buckets a call.
    expect(calls('scan')).toBeLessThan(3 * 400);
    expect(calls('type') + calls('getrange')).toBeLessThan(100);
  });
});
