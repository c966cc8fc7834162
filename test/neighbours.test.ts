/**
 * Workers of other services on the same database: not waited for and not reported once they have told
 * everything and have nothing of this service. And holds are called standing only while they are.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { enqueue, release, type Worker } from './support/celery.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startTool } from './support/tool.ts';
import {
  NOTHING_LEFT,
  readyWorker,
  until,
  VIDEO,
  VIDEO_QUEUE,
  videoStack,
  wipeVideo,
  type VideoStack,
} from './support/video-workers.ts';

const possible = requireOrSkip('redis', 'celery');
const FOREIGN = 'foreign_queue';
/** Said of a worker; doctor names the key as well. */
const IS_HELD = /held from|does not consume/;
const HELD = 'media-cleanup:held-consumers';

/** A solo worker of another service, idle. */
async function neighbourOf(stack: VideoStack): Promise<{
  readonly worker: Worker;
  readonly getBusy: () => Promise<void>;
}> {
  const app = { ...stack.app, queues: [FOREIGN] as const };
  const worker = await readyWorker(app, { pool: 'solo', name: 'neighbour' });
  const getBusy = async (): Promise<void> => {
    enqueue(app, [{ id: 'theirs', task: 'sleep', args: [600, 'other:'], save: false }]);
    await worker.waitForLog('[theirs] received');
  };
  return { worker, getBusy };
}

function startWipe(stack: VideoStack, ...args: readonly string[]) {
  const words = [VIDEO, '--yes', '--json', ...args];
  return startTool(words, { folder: stack.folder, env: stack.env, timeout: 90_000 });
}

describe.skipIf(!possible)('a neighbour that has answered and then gets busy', () => {
  test('is not waited for beside a worker that has a task of this service', async () => {
    const stack = await videoStack();
    const own = await stack.worker({ pool: 'solo', name: 'own' });
    const neighbour = await neighbourOf(stack);
    enqueue(stack.app, [{ id: 'long', task: 'wait' }]);
    await own.waitForLog('[long] received');
    const run = startWipe(stack, '--wait-idle', '10m');
    await until('the wait', () => run.stderr().includes('waiting up to'));
    await neighbour.getBusy();
    // Somebody else begins to listen: everybody is asked anew, and the neighbour does not answer.
    const late = await readyWorker({ ...stack.app, queues: ['third'] }, { name: 'late' });
    await sleep(2_500);
    release(stack.app, 'long');
    // The neighbour is busy for longer than the run may take here.
    const { code, stderr, stdout } = await run.result;
    expect(code, stderr + stdout).toBe(0);
    expect(stderr).toMatch(/waiting up to \d+ s for own@\S+ to finish/);
    expect(stderr + stdout).not.toMatch(/waiting up to \d+ s for .*neighbour@|does not answer/);
    expect(stack.left()).toEqual({ ...NOTHING_LEFT });
    for (const { log } of [neighbour.worker, late]) expect(log()).not.toContain('Canceling queue');
  });

  test('is not waited for either when the worker that was waited for is killed', async () => {
    const stack = await videoStack();
    const own = await stack.worker({ pool: 'solo', name: 'own' });
    const neighbour = await neighbourOf(stack);
    enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [600] }]);
    await own.waitForLog('[long] received');
    const run = startWipe(stack, '--wait-idle', '10m');
    await until('the wait', () => run.stderr().includes('waiting up to'));
    await neighbour.getBusy();
    await sleep(1_500);
    await own.stop('kill');
    await stack.worker({ pool: 'solo', name: 'own' });
    // The neighbour is busy for longer than the run may take here.
    const { code, stderr, stdout } = await run.result;
    expect(code, stderr + stdout).toBe(0);
    // Until it is back nobody can tell which of the two is silent.
    expect(stderr).not.toMatch(/for neighbour@\S+ to finish|does not answer/);
    expect(stdout).not.toContain('neighbour@');
  });

  test('does not hide a worker of this service that takes its place and does not answer', async () => {
    const stack = await videoStack();
    await stack.worker({ name: 'idle' });
    const neighbour = await neighbourOf(stack);
    const run = startWipe(stack, '--verify-for', '14s');
    await until('the wipe', () => run.stderr().includes('told to stop consuming'));
    await sleep(1_000);
    await neighbour.worker.stop('kill');
    enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [60] }]);
    const solo = await stack.worker({ pool: 'solo', name: 'solo' });
    enqueue(stack.app, [{ id: 'longer', task: 'sleep', args: [60] }]);
    const { code, stdout } = await run.result;
    // It took one of the two before it could be held.
    if (!/\[long(er)?\] received/.test(solo.log())) return;
    expect(code).toBe(1);
    expect(stdout).toMatch(/solo@/);
  });

  test('of which nothing is known, since it was busy from the start, is named', async () => {
    const stack = await videoStack();
    await stack.worker({ name: 'own' });
    const neighbour = await neighbourOf(stack);
    await neighbour.getBusy();
    const { code, service } = await wipeVideo(stack);
    expect({ code, errors: service.errors }).toEqual({
      code: 1,
      errors: [expect.stringMatching(/worker neighbour@\S+: Listens but does not answer/)],
    });
  });
});

/** A wipe that is killed while it holds the workers. */
async function leaveHeld(stack: VideoStack, worker: Worker): Promise<void> {
  const run = startWipe(stack, '--verify-for', '30s');
  await until('a hold', () => stack.cli('EXISTS', HELD) === '1');
  await worker.waitForLog('Canceling queue');
  run.kill('SIGKILL');
  await run.result;
}

describe.skipIf(!possible)('a hold of a run that was killed', () => {
  test('is only called possible while the worker does not answer', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ name: 'own' });
    await leaveHeld(stack, worker);
    process.kill(worker.pid, 'SIGSTOP');
    for (const args of [
      ['doctor', VIDEO],
      ['stats', VIDEO],
      [VIDEO, '-n'],
    ]) {
      const text = (await stack.run(args)).stdout.replaceAll(/\s+/g, ' ');
      expect(text).toMatch(/may still be held from/);
      expect(text).not.toMatch(/does not consume/);
    }
    const { stderr } = await wipeVideo(stack);
    expect(stderr).toMatch(
      /own@\S+ may still be held from video_downloader_queue by an earlier run/,
    );
    expect(stderr).not.toMatch(/is held from/);
    process.kill(worker.pid, 'SIGCONT');
    await worker.waitForLog('Started consuming from');
    const doctor = await stack.run(['doctor', VIDEO]);
    expect(doctor.code).toBe(0);
    expect(doctor.stdout).not.toMatch(IS_HELD);
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
  });

  test('is over when its worker is gone, and another one is busy', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ name: 'own' });
    await leaveHeld(stack, worker);
    await worker.stop('kill');
    const second = await stack.worker({ name: 'second', pool: 'solo' });
    for (const args of [
      ['doctor', VIDEO],
      ['stats', VIDEO],
      [VIDEO, '-n'],
    ]) {
      expect((await stack.run(args)).stdout).not.toMatch(IS_HELD);
    }
    const { code, stderr } = await wipeVideo(stack);
    expect(code, stderr).toBe(0);
    expect(stderr).not.toMatch(/is held from|may still be held/);
    expect(second.log()).toContain(`Started consuming from ${VIDEO_QUEUE}`);
  });
});
