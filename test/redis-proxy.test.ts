/** A network that cuts, delays and trickles: all goes and is counted once, or it ends with one error. */
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeFiles, wipeJson, writeConfig, type JsonResult } from './support/config-file.ts';
import { dice, SEED } from './support/dice.ts';
import { testFolder } from './support/folder.ts';
import {
  startProxy,
  type Cut,
  type CutKind,
  type Proxy,
  type ProxyOptions,
  type Traffic,
} from './support/proxy.ts';
import { pipeCommands, times, type Command } from './support/redis-fill.ts';
import { startRedis, type TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startWipe } from './support/started-wipe.ts';
import { fileList } from './support/witness.ts';

const DB = 1;
const QUEUE = 'media_queue';
const FOREIGN_QUEUE = 'foreign_queue';

interface Contents {
  readonly jobs: number;
  readonly queued: number;
  readonly inFlight: number;
}

interface Scene {
  readonly folder: string;
  readonly redis: TestRedis;
  readonly proxy: Proxy;
  readonly config: string;
  /** One hash over all that is there beside the service's own. */
  readonly others: string;
}

async function behindProxy(options: ProxyOptions = {}, foreign = 2000): Promise<Scene> {
  const folder = testFolder();
  const redis = await startRedis(folder);
  onTestFinished(async () => await redis.stop());
  const proxy = await startProxy(redis.port, options);
  onTestFinished(async () => await proxy.stop());
  const config = writeConfig(folder, { service: serviceAt(proxy) });
  pipeCommands(redis.port, DB, foreignKeys(foreign));
  return { folder, redis, proxy, config, others: redis.dump(DB) };
}

function serviceAt(proxy: Proxy): object {
  return { redis: proxy.url(DB), keyPrefix: 'job:', celery: { queues: [QUEUE] } };
}

/** As kombu writes them (kombu/transport/redis.py), without a body. */
function message(queue: string, id: string): string {
  const delivery = { exchange: queue, routing_key: queue };
  return JSON.stringify({ body: '', headers: { id }, properties: { delivery_info: delivery } });
}

/** A message that a worker holds, beside its place in the index. */
function inFlight(queue: string, tag: string): readonly Command[] {
  const entry = `[${message(queue, tag)}, "${queue}", "${queue}"]`;
  return [
    ['HSET', 'unacked', tag, entry],
    ['ZADD', 'unacked_index', '1700000000', tag],
  ];
}

function foreignKeys(count: number): readonly Command[] {
  return [
    ...[QUEUE, FOREIGN_QUEUE].map(binding),
    ...times(count, (at): Command => ['SET', `other:${at}`, `value ${at}`]),
    ...times(100, (at): Command => {
      return ['RPUSH', FOREIGN_QUEUE, message(FOREIGN_QUEUE, `foreign-${at}`)];
    }),
    ...Array.from({ length: 100 }, (_, at) => inFlight(FOREIGN_QUEUE, `foreign-tag-${at}`)).flat(),
    ['SET', 'celery-task-meta-foreign', '{}'],
  ];
}

function binding(queue: string): Command {
  return ['SADD', `_kombu.binding.${queue}`, `${queue}\x06\x16\x06\x16${queue}`];
}

/** Jobs, one in ten with its result, and messages of priority 0 and 9 with theirs. */
function fill({ redis }: Scene, { jobs, queued, inFlight: held }: Contents, longer = ''): void {
  const list = (at: number): string => (at % 10 === 0 ? `${QUEUE}\x06\x169` : QUEUE);
  pipeCommands(redis.port, DB, [
    ...times(jobs, (at): Command => ['SET', `job:${longer}${at}`, `{"number": ${at}}`]),
    ...times(jobs / 10, (at): Command => ['SET', `celery-task-meta-${longer}${at}`, '{}']),
    ...times(queued, (at): Command => ['RPUSH', list(at), message(QUEUE, `queued-${at}`)]),
    ...times(queued, (at): Command => ['SET', `celery-task-meta-queued-${at}`, '{}']),
    ...Array.from({ length: held }, (_, at) => inFlight(QUEUE, `tag-${at}`)).flat(),
  ]);
}

function expectAllGone(
  { redis, others }: Scene,
  { code, stderr, report }: JsonResult,
  { jobs, queued, inFlight: held }: Contents,
  where = '',
): void {
  expect(report.errors, `${where}\n${stderr}`).toEqual([]);
  expect(report.services['service'], where).toMatchObject({
    jobs_removed: jobs,
    tasks_purged: { queued, in_flight: held },
    remaining: { jobs: 0, tasks: 0 },
    verified: true,
  });
  expect([code, report.status], where).toEqual([0, 'completed']);
  expect(redis.cli('-n', String(DB), '--scan', '--pattern', 'job:*'), where).toBe('');
  expect(redis.dump(DB), where).toBe(others);
}

const CUTS_A_WIPE = 5;
const KINDS: readonly CutKind[] = ['unanswered', 'server', 'client'];

/** Moments in the first nine tenths of what a wipe in peace says, and how long nobody listens then. */
function randomCuts(random: () => number, kind: CutKind, inPeace: Traffic): readonly Cut[] {
  const bytes = kind === 'server' ? inPeace.server : inPeace.client;
  return Array.from({ length: CUTS_A_WIPE }, () => ({
    kind,
    bytes: Math.floor(random() * 0.9 * bytes),
    refuseMs: random() < 0.5 ? 0 : Math.ceil(random() * 300),
  }));
}

describe.skipIf(!requireOrSkip('redis'))('a Redis behind a bad network', () => {
  test('50 cuts in 10 wipes: nothing stays, each job and message counts once', async () => {
    const scene = await behindProxy();
    const { proxy, config, folder } = scene;
    const all = { jobs: 20_000, queued: 3000, inFlight: 600 };
    fill(scene, all);
    proxy.cutAt([]);
    expectAllGone(scene, await wipeJson(config, { folder }), all, 'in peace');
    const inPeace = proxy.traffic();
    const random = dice(SEED);
    for (let wipe = 0; wipe < 10; wipe += 1) {
      const kind = KINDS[wipe % KINDS.length] ?? 'server';
      const cuts = randomCuts(random, kind, inPeace);
      const where = `seed ${SEED}, wipe ${wipe}: ${JSON.stringify(cuts)} of ${JSON.stringify(inPeace)}`;
      fill(scene, all);
      proxy.cutAt(cuts);
      expectAllGone(scene, await wipeJson(config, { folder, timeout: 60_000 }), all, where);
      expect(proxy.pendingCuts(), where).toBe(0);
    }
  }, 300_000);

  test('a round trip of 200 ms', async () => {
    const scene = await behindProxy({ delayMs: 100 });
    const all = { jobs: 10_000, queued: 1000, inFlight: 200 };
    fill(scene, all);
    const result = await wipeJson(scene.config, { folder: scene.folder, timeout: 60_000 });
    expectAllGone(scene, result, all);
    expect(result.durationMs).toBeLessThan(30_000);
  }, 300_000);

  test('a reply that takes longer than 5 s, while its bytes keep coming', async () => {
    const scene = await behindProxy({ trickle: { bytes: 1000, everyMs: 100 } }, 50);
    const all = { jobs: 1000, queued: 10, inFlight: 10 };
    // Of the 500 keys of a SCAN nearly all are jobs: 70 KB.
    fill(scene, all, 'x'.repeat(140));
    const result = await wipeJson(scene.config, { folder: scene.folder, timeout: 60_000 });
    expectAllGone(scene, result, all);
  }, 300_000);

  test('gone for good in the middle: one error, the files and the other services go', async () => {
    const scene = await behindProxy();
    const { folder, redis, proxy } = scene;
    const other = await startRedis(join(folder, 'other-redis'));
    onTestFinished(async () => await other.stop());
    other.cli('SET', 'job:1', 'x');
    const names = ['uploads', 'other', 'files'];
    for (const name of names) makeFiles(join(folder, name), 5);
    const config = writeConfig(folder, {
      service: { ...serviceAt(proxy), directories: [join(folder, 'uploads')] },
      other: { redis: other.url(), keyPrefix: 'job:', directories: [join(folder, 'other')] },
      files: { directories: [join(folder, 'files')] },
    });
    const jobs = 30_000;
    fill(scene, { jobs, queued: 100, inFlight: 100 });
    const size = (): number => Number(redis.cli('-n', String(DB), 'DBSIZE'));
    const gone = size() - 0.3 * jobs;
    const run = startWipe(config, { folder }, '--rate', '10000');
    await run.reaches('three tenths are gone', () => size() < gone);
    const cut = performance.now();
    proxy.cut(Infinity);
    const { code, stderr, report } = await run.result;
    expect(performance.now() - cut).toBeLessThan(60_000);
    expect(code, stderr).toBe(1);
    expect(report.errors).toEqual([
      expect.stringMatching(`^Redis/127\\.0\\.0\\.1:${proxy.port}/${DB} \\(jobs\\): .`) as string,
    ]);
    expect(stderr.match(/ - ERROR - /g)).toHaveLength(1);
    expect(report.services['service']?.failures[0]?.hint).not.toBe('');
    const left = redis.cli('-n', String(DB), '--scan', '--pattern', 'job:*').split('\n').length;
    const removed = report.services['service']?.jobs_removed ?? 0;
    expect(removed).toBeGreaterThan(0);
    expect(removed).toBeLessThanOrEqual(jobs - left);
    expect(report).toMatchObject({ status: 'completed_with_errors', verified: false });
    expect(names.map((name) => fileList(join(folder, name)))).toEqual([[], [], []]);
    expect(report.services['other']).toMatchObject({
      jobs_removed: 1,
      verified: true,
      errors: [],
    });
    expect(report.services['files']).toMatchObject({ files_deleted: 5, verified: true });
    expect(other.cli('DBSIZE')).toBe('0');
  }, 300_000);
});
