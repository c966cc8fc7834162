/** One scene: a server, a worker, tasks in its hands, a wipe; and what happens afterwards. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  release,
  startPython,
  startWorker,
  type CeleryApp,
  type Worker,
} from '../support/celery.ts';
import { createFolder } from '../support/folder.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { runTool } from '../support/tool.ts';
import { until } from '../support/until.ts';
import { PRELUDE, WAITING, type Feature, type Pool } from './features.ts';
import { sendMarker } from './marker.ts';
import type { CeleryVersion, ServerVersion } from './packages.ts';
import { readRuns, type Runs } from './runs.ts';

export interface Scene {
  readonly celery: CeleryVersion;
  readonly server: ServerVersion;
  readonly pool: Pool;
  readonly feature: Feature;
}

export interface Outcome {
  readonly exit: number | null;
  readonly verified: boolean;
  readonly cancelled: number;
  /** Queued and in-flight messages. */
  readonly removed: number;
  readonly milliseconds: number;
  /** Ids of tasks that ran when the wipe ended and came to their end. */
  readonly ranOn: readonly string[];
  /** Ids of tasks that began after the wipe, with the worker still there. */
  readonly began: readonly string[];
  readonly backAfterRestart: readonly string[];
  readonly backAfterTimeout: readonly string[];
  /** Keys that were there when the wipe had ended. */
  readonly left: readonly string[];
  /** Keys that tasks of before the wipe wrote afterwards. */
  readonly late: readonly string[];
  readonly errors: readonly string[];
}

const QUEUE = 'q1';
const SLOTS: Readonly<Record<Pool, number>> = { prefork: 2, solo: 1, threads: 2, gevent: 2 };
/** Longer than a scene, so that nothing is delivered twice before the wipe. */
const VISIBILITY_TIMEOUT = 600;
const START_TIMEOUT = 60_000;
/** Milliseconds: the wipe waits for tasks by then. */
const RELEASE_AFTER = 5000;
const SEND_TIMEOUT = 300_000;

/** @throws Error when the scene could not be set, or the worker runs no new task afterwards. */
export async function play(scene: Scene): Promise<Outcome> {
  const folder = createFolder();
  const workers: Worker[] = [];
  try {
    const redis = await startRedis(folder.path, { program: scene.server.program });
    try {
      return await playOn(scene, folder.path, redis, workers);
    } catch (error) {
      const logs = workers.map((worker) => worker.log().split('\n').slice(-15).join('\n'));
      throw new Error([String(error), ...logs].join('\n'), { cause: error });
    } finally {
      await Promise.all(workers.map(async (worker) => await worker.stop('kill')));
      await redis.stop();
    }
  } finally {
    folder.remove();
  }
}

async function playOn(
  scene: Scene,
  folder: string,
  redis: TestRedis,
  workers: Worker[],
): Promise<Outcome> {
  const { feature } = scene;
  const app = appOf(scene, folder, redis);
  const stage: Stage = { redis, app, runs: () => readRuns(app.runsFile) };
  const start = async (): Promise<void> => {
    const names = Array.from({ length: 1 + (feature.moreWorkers ?? 0) }, (_, at) => `w${at}`);
    const started = names.map((name) => startSceneWorker(scene, app, name));
    workers.push(...started);
    await Promise.all(
      started.map(async (worker) => await worker.waitForLog(' ready.', START_TIMEOUT)),
    );
  };
  await start();
  await python(app, PRELUDE + feature.script);
  const sent = Date.now();
  await until('the tasks began', () => started(stage) >= feature.begun(SLOTS[scene.pool]), {
    within: START_TIMEOUT,
  });
  const fetched = (): number => Number(redis.cli('HLEN', `${app.globalKeyPrefix ?? ''}unacked`));
  await until('the worker fetched the messages', () => fetched() >= (feature.fetched ?? 0), {
    within: SEND_TIMEOUT,
    every: 100,
  });
  await unchanged(() => inRedis(redis, app));

  const releaseAll = (): void => WAITING.forEach((id) => release(app, id));
  const releasing =
    feature.endsDuringWipe === true ? setTimeout(releaseAll, RELEASE_AFTER) : undefined;
  const wipe = await wipeScene(scene, folder, redis);
  clearTimeout(releasing);
  stage.said = `exit ${String(wipe.exit)}, ${wipe.errors.join('; ') || 'no errors'}`;
  const before = stage.runs();
  const left = keysLeft(redis);
  releaseAll();
  const due = feature.dueSeconds === undefined ? 0 : sent + (feature.dueSeconds + 1) * 1000;
  await sleep(Math.max(0, due - Date.now()));
  await unchanged(() => JSON.stringify(stage.runs()));
  await runMarker(stage, 'marker-alive');
  const settled = stage.runs();
  const late = keysLeft(redis).filter((key) => !left.includes(key));

  const how = feature.worker?.supervised === true ? 'kill' : 'warm';
  await Promise.all(workers.map(async (worker) => await worker.stop(how)));
  await start();
  await runMarker(stage, 'marker-restart');
  const restarted = stage.runs();

  await python({ ...app, visibilityTimeout: 0 }, RESTORE);
  await runMarker(stage, 'marker-timeout');
  const ended = stage.runs();
  const begun = (from: Runs, to: Runs): readonly string[] => to.begun.slice(from.begun.length);
  return {
    ...wipe,
    left,
    late,
    ranOn: settled.ended.slice(before.ended.length).filter((id) => before.begun.includes(id)),
    began: begun(before, settled),
    backAfterRestart: begun(settled, restarted),
    backAfterTimeout: begun(restarted, ended),
  };
}

/** What each worker does every ten seconds, with all in-flight messages being old enough. */
const RESTORE = `
with app.connection_for_read() as connection:
    connection.default_channel.qos.restore_visible(num=100000)
`;

/** While other scenes go on. @throws Error with what Python printed. */
async function python(app: CeleryApp, script: string): Promise<void> {
  const process = startPython(app, `${script}\nprint("done" + ".")`);
  await process.waitForLog('done.', SEND_TIMEOUT);
  await process.stop();
}

function appOf({ celery, feature }: Scene, folder: string, redis: TestRedis): Stage['app'] {
  return {
    folder,
    broker: redis.url(0),
    queues: [QUEUE],
    keyPrefix: 'job:',
    visibilityTimeout: VISIBILITY_TIMEOUT,
    packages: celery.packages,
    ...(celery.libraries.length === 0 ? {} : { libraries: celery.libraries }),
    ...feature.app,
    runsFile: join(folder, 'runs'),
  };
}

function startSceneWorker({ pool, feature }: Scene, app: CeleryApp, name: string): Worker {
  return startWorker(app, { pool, concurrency: SLOTS[pool], name, ...feature.worker });
}

type WipeOutcome = Pick<
  Outcome,
  'exit' | 'verified' | 'cancelled' | 'removed' | 'milliseconds' | 'errors'
>;

async function wipeScene(
  { feature }: Scene,
  folder: string,
  redis: TestRedis,
): Promise<WipeOutcome> {
  const celery = { queues: [QUEUE], ...feature.config };
  const config = { services: { s: { redis: redis.url(0), keyPrefix: 'job:', celery } } };
  writeFileSync(join(folder, 'cleanup.config.json'), JSON.stringify(config));
  const args = ['s', '--yes', '--json', ...(feature.flags ?? [])];
  const result = await runTool(args, { folder, timeout: 120_000 });
  const report = parseReport(result.stdout, result.stderr);
  const service = report.services['s'];
  const purged = service?.tasks_purged ?? { queued: 0, in_flight: 0 };
  return {
    exit: result.code,
    verified: report.verified,
    cancelled: report.tasks_cancelled,
    removed: (purged.queued ?? 0) + (purged.in_flight ?? 0),
    milliseconds: Math.round(result.durationMs),
    errors: report.errors,
  };
}

interface Report {
  readonly verified: boolean;
  readonly tasks_cancelled: number;
  readonly errors: readonly string[];
  readonly services: Readonly<
    Record<
      string,
      { readonly tasks_purged?: { readonly queued?: number; readonly in_flight?: number } }
    >
  >;
}

function parseReport(stdout: string, stderr: string): Report {
  try {
    return JSON.parse(stdout) as Report;
  } catch {
    throw new Error(`the wipe printed no report:\n${stdout}${stderr}`);
  }
}

interface Stage {
  readonly redis: TestRedis;
  readonly app: CeleryApp & { readonly runsFile: string };
  readonly runs: () => Runs;
  /** By the wipe. */
  said?: string;
}

function started({ runs }: Stage): number {
  return runs().begun.length;
}

/** A new task runs: what was in the queue before it has begun, and the worker works. */
async function runMarker({ redis, app, runs, said = '' }: Stage, id: string): Promise<void> {
  sendMarker(redis, `${app.globalKeyPrefix ?? ''}${QUEUE}`, id);
  await until(`the worker runs the new task ${id} (${said})`, () => runs().markers.includes(id), {
    within: START_TIMEOUT,
    every: 50,
  });
  // Its result and job key are written after its last line.
  await unchanged(() => inRedis(redis, app));
}

/** A fingerprint of what moves while a worker fetches messages. */
function inRedis(redis: TestRedis, app: CeleryApp): string {
  const prefix = app.globalKeyPrefix ?? '';
  const script =
    "return redis.call('HLEN', KEYS[1]) .. ' ' .. redis.call('LLEN', KEYS[2]) .. ' ' .. redis.call('DBSIZE')";
  return redis.cli('EVAL', script, '2', `${prefix}unacked`, `${prefix}${QUEUE}`);
}

async function unchanged(look: () => string): Promise<void> {
  for (let last = '', same = 0; same < 4;) {
    const now = look();
    same = now === last ? same + 1 : 0;
    last = now;
    await sleep(100);
  }
}

/**
 * All that a wipe of the database's only service should not leave. Markers are new tasks; the tool's
 * own notes of tasks that a pool of threads dropped stay as long as the worker names those.
 */
function keysLeft(redis: TestRedis): readonly string[] {
  const stays = /_kombu\.binding\.|unacked_mutex$|marker-|media-cleanup:held-consumers$/;
  return lines(redis.cli('--scan')).filter((key) => {
    if (stays.test(key)) return false;
    // gevent's workers confirm a task that has ended only with the next one.
    if (key.endsWith('unacked')) return lines(redis.cli('HVALS', key)).some(isOfBefore);
    if (!key.endsWith('unacked_index')) return true;
    const hash = key.slice(0, -'_index'.length);
    return lines(redis.cli('ZRANGE', key, '0', '-1')).some((tag) =>
      isOfBefore(redis.cli('HGET', hash, tag)),
    );
  });
}

function isOfBefore(message: string): boolean {
  return !message.includes('"marker-');
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}
