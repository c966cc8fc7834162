/** A primary that changes while its jobs go: the new one is wiped to the end, each job counts once. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { pipeCommands, times, type Command } from './support/redis-fill.ts';
import { startSentinels, type TestSentinels } from './support/redis-sentinel.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startWipe, type StartedWipe } from './support/started-wipe.ts';

const DB = 3;
const JOBS = 50_000;
const RESULTS = 5000;
const FOREIGN = 5000;

/** So that the wipe is still at work when the sentinels name another primary. */
const SLOWLY = ['--rate', '10000'];

interface Scene {
  readonly sentinels: TestSentinels;
  /** One hash over all of the database beside the jobs and their results. */
  readonly others: string;
  wipe(...args: readonly string[]): StartedWipe;
}

async function watchedServers(): Promise<Scene> {
  const folder = testFolder();
  const sentinels = await startSentinels(folder);
  onTestFinished(async () => await sentinels.stop());
  const primary = sentinels.primary();
  // The same names in the database that a client is in when it forgets to choose one.
  pipeCommands(primary.port, 0, [['SET', 'job:1', 'of another database'], ...foreignKeys()]);
  pipeCommands(primary.port, DB, foreignKeys());
  const others = contents(primary);
  pipeCommands(primary.port, DB, [
    ...times(JOBS, (at): Command => ['SET', `job:${at}`, `{"number": ${at}}`]),
    ...times(RESULTS, (at): Command => ['SET', `celery-task-meta-${at * 7}`, `result ${at}`]),
  ]);
  await sentinels.inSync();
  const redis = { sentinels: sentinels.urls(), name: sentinels.name, db: DB };
  const config = writeConfig(folder, { service: { redis, keyPrefix: 'job:' } });
  return { sentinels, others, wipe: (...args) => startWipe(config, { folder }, ...args) };
}

function foreignKeys(): readonly Command[] {
  return [
    ['SET', 'celery-task-meta-foreign', '{}'],
    ['RPUSH', 'other_queue', 'one', 'two'],
    ...times(FOREIGN - 2, (at): Command => ['SET', `other:${at}`, `value ${at}`]),
  ];
}

function contents(redis: TestRedis): string {
  return [0, DB].map((db) => redis.dump(db)).join(' ');
}

function size(redis: TestRedis): number {
  return Number(redis.cli('-n', String(DB), 'DBSIZE'));
}

async function expectAllGone({ sentinels, others }: Scene, run: StartedWipe): Promise<void> {
  const { code, stderr, report } = await run.result;
  expect(report.errors, stderr).toEqual([]);
  expect(report).toMatchObject({ status: 'completed', jobs_removed: JOBS, verified: true });
  expect(report.services['service']?.remaining).toMatchObject({ jobs: 0 });
  expect(code).toBe(0);
  const primary = sentinels.primary();
  expect(size(primary)).toBe(FOREIGN);
  expect(primary.cli('-n', String(DB), '--scan', '--pattern', 'job:*')).toBe('');
  expect(contents(primary)).toBe(others);
}

describe.skipIf(!requireOrSkip('redis'))('a wipe of 50 000 jobs that sentinels watch', () => {
  test('in peace', async () => {
    const scene = await watchedServers();
    const run = scene.wipe();
    await expectAllGone(scene, run);
    const { report } = await run.result;
    expect(report.services['service']).toMatchObject({ results_removed: RESULTS });
    expect(report.warnings).toEqual([]);
  }, 300_000);

  test.each([
    ['the primary is killed', 'killPrimary'],
    ['a healthy primary hands over', 'failOver'],
  ] as const)(
    'while %s',
    async (_, failover) => {
      const scene = await watchedServers();
      const { sentinels } = scene;
      const old = sentinels.primary();
      const run = scene.wipe(...SLOWLY);
      const gone = FOREIGN + 0.7 * (JOBS + RESULTS);
      await run.reaches('three tenths are gone', () => size(old) < gone);
      const primary = await sentinels[failover]().failover;
      expect(primary).not.toBe(old);
      expect(size(primary), 'the wipe was not in its middle').toBeGreaterThan(FOREIGN);
      await expectAllGone(scene, run);
    },
    300_000,
  );
});
