/**
 * Nothing of the old comes back: after a wipe the workers are restarted in every way, and the
 * visibility timeout, after which kombu gives back what nobody acknowledged, is waited for. And the
 * same with the steps taken out that prevent it, which must bring the ghosts back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { enqueue, release, startWorker, type CeleryApp, type Worker } from './support/celery.ts';
import { createFolder } from './support/folder.ts';
import { startLiveStack } from './support/live-stack.ts';
import { requireOrSkip } from './support/requirements.ts';
import { celeryApp, directoryOf } from './support/stack.ts';
import { mutantTool } from './support/tool.ts';
import { leftOf, NOTHING_LEFT, until, VIDEO, wipeVideo } from './support/video-workers.ts';

const VISIBILITY_S = 5;
/** Long enough for what was given back to be done. */
const SETTLE_MS = 4_000;
const WAYS = ['warm', 'cold', 'kill'] as const;
const ACKS = [
  { acks: 'early', acksLate: false },
  { acks: 'late, rejected when the worker is lost', acksLate: true, rejectOnWorkerLost: true },
] as const;

/** Everything that a purge of the queue alone leaves. */
const JOBS = [
  { id: 'running-1', task: 'wait' as const },
  { id: 'running-2', task: 'wait' as const },
  { id: 'later-1', countdown: 6 },
  { id: 'later-2', countdown: 6 },
  ...Array.from({ length: 30 }, (_, index) => ({ id: `queued-${index}` })),
];

interface Outcome {
  readonly code: number | null;
  /** Ids of old tasks that a worker ended after the wipe. */
  readonly ghosts: readonly string[];
  readonly left: object;
}

async function afterWipe(
  how: Partial<CeleryApp>,
  restart: (typeof WAYS)[number],
  tool?: string,
): Promise<Outcome> {
  const { stack, end } = await startLiveStack();
  const workers: Worker[] = [];
  onTestFinishedLater(async () => {
    await Promise.all(workers.map(async (worker) => worker.stop('kill')));
    await end();
  });
  const app: CeleryApp = {
    ...celeryApp(stack.folder, stack.redis, VIDEO),
    outputDirectory: directoryOf(stack.folder, VIDEO, 'downloads'),
    visibilityTimeout: VISIBILITY_S,
    ...how,
  };
  const start = async (): Promise<Worker> => {
    const worker = startWorker(app, { concurrency: 2 });
    workers.push(worker);
    await worker.waitUntilReady();
    return worker;
  };
  const first = await start();
  enqueue(app, JOBS);
  await until('the tasks', () =>
    JOBS.slice(0, 4).every(({ id }) => first.log().includes(`[${id}] received`)),
  );
  await sleep(300);
  const wiped = first.log().length;
  const { code } = await wipeVideo(stack, [], tool === undefined ? {} : { tool });
  const releaseAll = (): void => JOBS.slice(0, 2).forEach(({ id }) => release(app, id));
  // A warm shutdown waits for what runs.
  if (restart === 'warm') releaseAll();
  await first.stop(restart);
  releaseAll();
  const second = await start();
  await sleep(VISIBILITY_S * 1000 + 500);
  // kombu looks for what to give back when a worker starts.
  await second.stop(restart);
  const third = await start();
  const ghosts = (): readonly string[] => {
    const log = first.log().slice(wiped) + second.log() + third.log();
    return JOBS.map(({ id }) => id).filter((id) => log.includes(`[${id}] succeeded`));
  };
  await sleep(SETTLE_MS);
  if (tool !== undefined) await until('ghosts', () => ghosts().length > 0);
  const left = leftOf(stack, VIDEO);
  // It works all the same.
  enqueue(app, [{ id: 'new' }]);
  await third.waitForLog('[new] succeeded');
  return { code, ghosts: ghosts(), left };
}

const endings: (() => Promise<void>)[] = [];

/** Several stacks in one test, begun at different times. */
function onTestFinishedLater(end: () => Promise<void>): void {
  endings.push(end);
}

function endAll(): void {
  onTestFinished(async () => {
    await Promise.all(endings.splice(0).map(async (end) => end()));
  });
}

describe.skipIf(!requireOrSkip('redis', 'celery'))('no ghosts', () => {
  test.each(ACKS)('acknowledged $acks', { timeout: 180_000 }, async (how) => {
    endAll();
    const outcomes = await Promise.all(WAYS.map(async (way) => afterWipe(how, way)));
    // 1 while the worker keeps revoked scheduled tasks in memory; on a slow machine they are due.
    const code = expect.toBeOneOf([0, 1]) as number;
    const clean = { code, ghosts: [], left: NOTHING_LEFT };
    expect(Object.fromEntries(WAYS.map((way, index) => [way, outcomes[index]]))).toEqual({
      warm: clean,
      cold: clean,
      kill: clean,
    });
  });
});

describe.skipIf(!requireOrSkip('redis', 'celery'))('the test of the test', () => {
  test.each(ACKS)(
    'without holding, cancelling and in-flight messages they come back: $acks',
    { timeout: 180_000 },
    async (how) => {
      endAll();
      const folder = createFolder();
      onTestFinished(() => folder.remove());
      const tool = mutantTool(folder.path, [
        ['[crew, holdConsumers(crew, waitIdle)]', '[crew, Promise.resolve()]'],
        ['async function wipeInFlight(step) {', 'async function wipeInFlight(step) { return [];'],
      ]);
      const outcomes = await Promise.all(WAYS.map(async (way) => afterWipe(how, way, tool)));
      for (const [index, { ghosts, left }] of outcomes.entries()) {
        expect(ghosts.length, `${WAYS[index]}: ${JSON.stringify(left)}`).toBeGreaterThan(0);
        expect(left).not.toEqual(NOTHING_LEFT);
      }
    },
  );
});
