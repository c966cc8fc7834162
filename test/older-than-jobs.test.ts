/** `--older-than` for jobs: by `created_at`, in the service's zone; what cannot be dated stays. */
import { onTestFinished, describe, expect, test } from 'vitest';
import { wipeJson, writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { startRedis } from './support/redis.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { runTool } from './support/tool.ts';

const HOUR = 3_600_000;

/** As Python's `datetime.now().isoformat()` writes it where the zone is so many minutes ahead. */
function naive(hoursAgo: number, minutesAhead: number): string {
  const local = new Date(Date.now() - hoursAgo * HOUR + minutesAhead * 60_000);
  return `${local.toISOString().slice(0, -1)}123`;
}

function job(createdAt: unknown): string {
  return JSON.stringify({ id: 'x', status: 'completed', created_at: createdAt });
}

async function withJobs(
  values: Readonly<Record<string, string>>,
  service: object = {},
): Promise<{ folder: string; redis: TestRedis; config: string }> {
  const folder = testFolder();
  const redis = await startRedis(folder);
  onTestFinished(async () => redis.stop());
  for (const [name, value] of Object.entries(values)) redis.cliInput(value, 'SET', `job:${name}`);
  const config = writeConfig(folder, {
    media: { redis: redis.url(0), keyPrefix: 'job:', ...service },
  });
  redis.cli('CONFIG', 'RESETSTAT');
  return { folder, redis, config };
}

function keys(redis: TestRedis): readonly string[] {
  return redis.cli('--scan').split('\n').toSorted();
}

describe.skipIf(!requireOrSkip('redis'))('--older-than for jobs', () => {
  const values = {
    'old-z': job(new Date(Date.now() - 30 * HOUR).toISOString()),
    'old-offset': job(`${naive(30, 120).slice(0, 23)}+02:00`),
    'old-seconds': job((Date.now() - 30 * HOUR) / 1000),
    'old-naive': job(naive(30, 345)),
    'young-z': job(new Date(Date.now() - 10 * HOUR).toISOString()),
    // Of UTC it would be 27 hours old, in Kathmandu it is 21 and a quarter.
    'young-naive': job(naive(21.25, 345)),
    future: job(new Date(Date.now() + 10 * HOUR).toISOString()),
    undated: JSON.stringify({ id: 'x', status: 'queued' }),
    broken: job('yesterday'),
    'no-json': 'PENDING',
  };
  const young = ['broken', 'future', 'no-json', 'undated', 'young-naive', 'young-z', 'a-hash'];
  const staying = young.map((name) => `job:${name}`).toSorted();

  test('the old ones go with their results, and what cannot be dated is counted', async () => {
    const { folder, redis, config } = await withJobs(values, { timeZone: 'Asia/Kathmandu' });
    redis.cli('HSET', 'job:a-hash', 'created_at', '2001-01-01T00:00:00');
    redis.cli('SET', 'celery-task-meta-old-z', '{}');
    redis.cli('SET', 'celery-task-meta-young-z', '{}');
    const { code, report, stderr } = await wipeJson(config, { folder }, '--older-than', '24h');
    expect(code, stderr).toBe(0);
    expect(keys(redis)).toEqual(['celery-task-meta-young-z', ...staying]);
    expect(report).toMatchObject({ status: 'completed', jobs_removed: 4, verified: true });
    expect(report.message).toContain('(jobs, files, models only, older than 1d): 4 jobs');
    expect(report.warnings).toEqual([
      expect.stringMatching(
        /4 jobs stay, since their ages are not known: 2 without a created_at, 2 with one that is no time/,
      ),
    ]);
  });

  test('times without a zone are UTC unless the config says more, and the report says so', async () => {
    const { folder, redis, config } = await withJobs({
      old: job(naive(25, 0)),
      young: job(naive(23, 0)),
    });
    const { code, report } = await wipeJson(config, { folder }, '--older-than', '24h');
    expect(code).toBe(0);
    expect(keys(redis)).toEqual(['job:young']);
    expect(report.warnings).toEqual([
      expect.stringMatching(/1 job with a created_at without a time zone: taken as UTC/),
    ]);
  });

  test('the plan counts the same, and changes nothing', async () => {
    const { folder, redis, config } = await withJobs(values, { timeZone: 'Asia/Kathmandu' });
    const before = redis.dump(0);
    const args = ['all', '--dry-run', '--json', '--older-than', '24h', '--config', config];
    const { code, stdout } = await runTool(args, { folder });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'planned', jobs_removed: 4 });
    expect(redis.dump(0)).toBe(before);
  });

  test('no value is read without it', async () => {
    const { folder, redis, config } = await withJobs(values);
    expect((await wipeJson(config, { folder })).report.jobs_removed).toBe(10);
    const stats = redis.cli('INFO', 'commandstats');
    // The one GET is of the lock's own key.
    expect(stats).toMatch(/cmdstat_get:calls=1,/);
    expect(stats).not.toMatch(/cmdstat_(mget|getrange|strlen):/);
    expect(stats).toMatch(/cmdstat_unlink:/);
  });
});
