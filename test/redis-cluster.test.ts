/** A cluster whose slots move and whose primaries die: all jobs go, each counts once, nothing else. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import {
  hashSlot,
  startCluster,
  type ClusterNode,
  type SlotMover,
  type TestCluster,
} from './support/redis-cluster.ts';
import { times, type Command } from './support/redis-fill.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startWipe, type StartedWipe } from './support/started-wipe.ts';
import { until } from './support/until.ts';

const JOBS = 100_000;
const RESULTS = 10_000;
const FOREIGN = 20_000;

/** Many keys in one slot, which is long under way when it moves. */
const CROWDED = '{many}';
const IN_CROWD = { jobs: 5000, foreign: 2000 };
/** So many slots move, the crowded one among them. */
const MOVING = 20;

/** So that the wipe is still at work when a replica has taken over. */
const SLOWLY = ['--rate', '20000'];

interface Scene {
  readonly folder: string;
  readonly cluster: TestCluster;
  /** One hash over all that is there beside the jobs and their results. */
  readonly others: string;
}

/** A cluster with jobs, results and keys of others in every slot. */
async function filledCluster(): Promise<Scene> {
  const folder = testFolder();
  const cluster = await startCluster(folder);
  onTestFinished(async () => await cluster.stop());
  await cluster.put(foreignKeys());
  expect(cluster.size()).toBe(FOREIGN);
  const others = cluster.dump();
  await cluster.put([
    ...times(JOBS, (at): Command => ['SET', `job:${jobId(at)}`, `{"number": ${at}}`]),
    ...times(RESULTS, (at): Command => [
      'SET',
      `celery-task-meta-${jobId(at * 7)}`,
      `result ${at}`,
    ]),
  ]);
  expect(cluster.size()).toBe(JOBS + RESULTS + FOREIGN);
  return { folder, cluster, others };
}

function jobId(at: number): string {
  return at < IN_CROWD.jobs ? `${CROWDED}:${at}` : String(at);
}

function foreignKeys(): readonly Command[] {
  const odd: readonly Command[] = [
    ['SET', 'job', 'the prefix without its end'],
    ['SET', 'xjob:1', 'x'],
    ['SET', 'JOB:1', 'x', 'EX', '5000'],
    ['SET', '\xff\xfe\0', 'no text'],
    ['SET', `celery-task-meta-foreign`, '{}'],
    ['RPUSH', 'other_queue', 'one', 'two'],
    ['HSET', 'unacked', 'tag', '["", "", "other_queue"]'],
    ['SADD', '_kombu.binding.other_queue', '\x06\x16\x06\x16other_queue'],
  ];
  return [
    ...odd,
    ...times(FOREIGN - odd.length, (at): Command => {
      const id = at < IN_CROWD.foreign ? `${CROWDED}:${at}` : String(at);
      return ['SET', `other:${id}`, `value ${at}`];
    }),
  ];
}

/** The config names two of the six nodes. */
function wipe({ folder, cluster }: Scene, ...args: readonly string[]): StartedWipe {
  const [, second, third] = cluster.primaries();
  const config = writeConfig(folder, {
    service: { redis: { cluster: [third?.url(), second?.url()] }, keyPrefix: 'job:' },
  });
  return startWipe(config, { folder }, ...args);
}

async function expectAllGone(scene: Scene, run: StartedWipe): Promise<void> {
  const { code, stderr, report } = await run.result;
  expect(report.errors, stderr).toEqual([]);
  expect(report).toMatchObject({ status: 'completed', jobs_removed: JOBS, verified: true });
  expect(report.services['service']?.remaining).toMatchObject({ jobs: 0 });
  expect(code).toBe(0);
  expectOnlyOthers(scene);
}

function expectOnlyOthers({ cluster, others }: Scene): void {
  expect(cluster.keys('job:*')).toEqual([]);
  expect(cluster.keys('celery-task-meta-*')).toEqual(['celery-task-meta-foreign']);
  expect(cluster.size()).toBe(FOREIGN);
  expect(cluster.dump()).toBe(others);
}

/** The crowded slot and those after it go from the first primary to the second and back, for ever. */
async function moveSlots({ cluster }: Scene): Promise<SlotMover> {
  const [from, to] = cluster.primaries() as [ClusterNode, ClusterNode];
  expect(cluster.primaryOf(CROWDED).port).toBe(from.port);
  const slot = hashSlot(CROWDED);
  const mover = cluster.moveSlots(from, to, slot, slot + MOVING - 1);
  await until('slots move', () => mover.moved() > 0);
  return mover;
}

/** Kills the primary that the config names first when three tenths are gone; its replica takes over. */
async function killOneInTheMiddle({ cluster }: Scene, run: StartedWipe): Promise<void> {
  const third = cluster.primaries()[2] as ClusterNode;
  const replica = cluster.replicaOf(third);
  const all = cluster.size();
  await run.reaches('three tenths are gone', () => cluster.size() < 0.7 * all);
  await cluster.kill(third).failover;
  expect(cluster.primaries()).toContain(replica);
  expect(cluster.keys('job:*').length, 'the wipe was not in its middle').toBeGreaterThan(0);
}

describe.skipIf(!requireOrSkip('redis'))('a wipe of 100 000 jobs in a cluster', () => {
  test('in peace', async () => {
    const scene = await filledCluster();
    const run = wipe(scene);
    await expectAllGone(scene, run);
    const { report } = await run.result;
    expect(report.services['service']).toMatchObject({ results_removed: RESULTS });
    expect(report.warnings).toEqual([]);
  }, 300_000);

  test('while slots with keys in them move', async () => {
    const scene = await filledCluster();
    const mover = await moveSlots(scene);
    const before = mover.moved();
    const run = wipe(scene, ...SLOWLY);
    await run.result;
    const moved = mover.moved() - before;
    await mover.stop();
    await expectAllGone(scene, run);
    expect(moved, 'all of them there and back').toBeGreaterThan(2 * MOVING);
  }, 300_000);

  test('while a primary is killed', async () => {
    const scene = await filledCluster();
    const run = wipe(scene, ...SLOWLY);
    await killOneInTheMiddle(scene, run);
    await expectAllGone(scene, run);
  }, 300_000);

  test('while slots move and a primary is killed', async () => {
    const scene = await filledCluster();
    const mover = await moveSlots(scene);
    const run = wipe(scene, ...SLOWLY);
    await killOneInTheMiddle(scene, run);
    const before = mover.moved();
    await run.result;
    const moved = mover.moved() - before;
    await mover.stop();
    await expectAllGone(scene, run);
    expect(moved, 'again after the failover').toBeGreaterThan(0);
  }, 300_000);

  test('while a primary dies with its replica: one error in bounded time, and no pretence', async () => {
    const scene = await filledCluster();
    const { cluster } = scene;
    const third = cluster.primaries()[2] as ClusterNode;
    const replica = cluster.replicaOf(third);
    const all = cluster.size();
    const run = wipe(scene, ...SLOWLY);
    await run.reaches('three tenths are gone', () => cluster.size() < 0.7 * all);
    await Promise.all([replica.stop(), third.stop()]);
    const { code, report, durationMs } = await run.result;
    expect(code).toBe(1);
    expect(report).toMatchObject({ status: 'completed_with_errors', verified: false });
    expect(report.jobs_removed).toBeGreaterThan(0);
    expect(report.jobs_removed).toBeLessThan(JOBS);
    expect(report.errors).toEqual([expect.stringMatching(/^Redis\/cluster .*\(jobs\): /)]);
    expect(durationMs).toBeLessThan(60_000);
  }, 300_000);
});
