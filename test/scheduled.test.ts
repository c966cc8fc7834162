/**
 * Revoked scheduled tasks stay in the memory of a worker and write when they are due: never called
 * clean, and gone with --restart-workers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { enqueue, release, type Worker } from './support/celery.ts';
import { testFolder } from './support/folder.ts';
import { requireOrSkip } from './support/requirements.ts';
import { mutantTool } from './support/tool.ts';
import {
  NOTHING_LEFT,
  readyWorker,
  startWipeVideo,
  until,
  VIDEO,
  VIDEO_QUEUE,
  videoStack,
  wipeVideo,
  type VideoStack,
} from './support/video-workers.ts';

const possible = requireOrSkip('redis', 'celery');
const FOREIGN = 'foreign_queue';
const TIME = String.raw`20\d\d-\d\d-\d\d \d\d:\d\d:\d\d`;

/** How often the worker has become ready. */
function starts(worker: Worker): number {
  return worker.log().split(' ready.').length - 1;
}

/** Seconds that are enough for so many wipes, on the machine as it is. */
async function roomFor(stack: VideoStack, wipes: number): Promise<number> {
  const { durationMs } = await wipeVideo(stack);
  return Math.ceil((wipes * 2 * durationMs) / 1000) + 4;
}

describe.skipIf(!possible)('revoked scheduled tasks', () => {
  test.each(['prefork', 'solo'] as const)(
    'write when they are due, so that nothing is verified before: %s',
    async (pool) => {
      const stack = await videoStack({ savesRevoked: true });
      const worker = await stack.worker({ pool });
      const countdown = await roomFor(stack, 2);
      enqueue(stack.app, [
        { id: 'soon', countdown },
        { id: 'later', countdown: countdown + 2 },
      ]);
      await worker.waitForLog('[later] received');
      const { code, service, report } = await wipeVideo(stack);
      expect({ code, verified: report.verified }).toEqual({ code: 1, verified: false });
      expect(service).toMatchObject({ tasks_cancelled: 2, verified: false });
      expect(service.errors).toEqual([
        expect.stringMatching(
          new RegExp(
            `^Celery/worker worker@\\S+: Keeps 2 revoked scheduled tasks in memory, due from ${TIME} to ${TIME}: `,
          ),
        ),
      ]);
      expect(stack.left()).toEqual(NOTHING_LEFT);
      // What the error says does happen.
      await worker.waitForLog('Discarding revoked task: quick[later]');
      await until(
        'the job that the app writes',
        () => stack.cli('EXISTS', 'video_job:later') === '1',
      );
      expect(stack.cli('EXISTS', 'video_job:soon')).toBe('1');
      const second = await wipeVideo(stack);
      expect({ code: second.code, errors: second.service.errors }).toEqual({ code: 0, errors: [] });
      expect(stack.left()).toEqual(NOTHING_LEFT);
    },
  );

  test('of an earlier run are told by every command, and are not verified either', async () => {
    const stack = await videoStack();
    const worker = await stack.worker();
    enqueue(stack.app, [{ id: 'later', countdown: 3000 }]);
    await worker.waitForLog('[later] received');
    expect((await wipeVideo(stack)).code).toBe(1);
    const second = await wipeVideo(stack);
    expect({ code: second.code, verified: second.report.verified }).toEqual({
      ...{ code: 1, verified: false },
    });
    expect(second.service).toMatchObject({ tasks_cancelled: 0, jobs_removed: 0 });
    const kept = new RegExp(`Keeps 1 revoked scheduled task in memory, due ${TIME}: `);
    expect(second.service.errors).toEqual([expect.stringMatching(kept)]);
    const third = await wipeVideo(stack, ['--no-cancel-running']);
    expect({ code: third.code, errors: third.service.errors }).toEqual({
      ...{ code: 1, errors: [expect.stringMatching(kept)] },
    });
    for (const args of [
      [VIDEO, '-n'],
      ['stats', VIDEO],
      ['doctor', VIDEO],
    ]) {
      const { code, stdout } = await stack.run(args);
      const text = stdout.replaceAll(/\s+/g, ' ');
      expect(code).toBe(0);
      expect(text).toMatch(/worker@\S+ keeps 1 revoked scheduled task in memory, due/);
      expect(text).toContain('--restart-workers');
    }
  });

  test('that come due while the wipe looks on leave nothing, and it is verified', async () => {
    const stack = await videoStack({ savesRevoked: true });
    const worker = await stack.worker();
    const countdown = await roomFor(stack, 1);
    enqueue(stack.app, [{ id: 'soon', countdown }]);
    await worker.waitForLog('[soon] received');
    const { code, service } = await wipeVideo(stack, ['--verify-for', `${countdown + 4}s`]);
    expect({ code, errors: service.errors }).toEqual({ code: 0, errors: [] });
    expect(worker.log()).toContain('Discarding revoked task: quick[soon]');
    expect(stack.left()).toEqual(NOTHING_LEFT);
  });

  test('of another queue are none of our business, also with --restart-workers', async () => {
    const stack = await videoStack();
    const both = { ...stack.app, queues: [VIDEO_QUEUE, FOREIGN] as const };
    const worker = await readyWorker(both, { supervised: true });
    const theirs = { id: 'theirs', queue: FOREIGN, args: ['other:'], save: false };
    enqueue(both, [{ ...theirs, countdown: 3000 }]);
    await worker.waitForLog('[theirs] received');
    const tags = stack.cli('HKEYS', 'unacked');
    const { code, service } = await wipeVideo(stack, ['--restart-workers']);
    expect({ code, errors: service.errors }).toEqual({ code: 0, errors: [] });
    expect(worker.log()).not.toContain('Got shutdown from remote');
    expect(stack.cli('HKEYS', 'unacked')).toBe(tags);
  });
});

describe.skipIf(!possible)('--restart-workers', () => {
  test.each([
    { pool: 'prefork', acksLate: false },
    { pool: 'prefork', acksLate: true },
    { pool: 'solo', acksLate: false },
  ] as const)('leaves nothing that may write: %j', async ({ pool, acksLate }) => {
    const stack = await videoStack({ savesRevoked: true, acksLate, rejectOnWorkerLost: acksLate });
    const worker = await stack.worker({ pool, supervised: true });
    const countdown = await roomFor(stack, 4);
    const due = Date.now() + countdown * 1000;
    enqueue(stack.app, [
      { id: 'soon', countdown },
      { id: 'later', countdown: 3000 },
    ]);
    await worker.waitForLog('[later] received');
    const first = await wipeVideo(stack);
    expect(first.code).toBe(1);
    expect(worker.log()).not.toContain('Got shutdown from remote');
    enqueue(stack.app, [{ id: 'new', countdown: 3000 }]);
    await worker.waitForLog('[new] received');

    const { code, service, report, stderr } = await wipeVideo(stack, ['--restart-workers']);
    expect({ code, errors: service.errors, verified: report.verified }, stderr).toEqual({
      ...{ code: 0, errors: [], verified: true },
    });
    expect(stderr).toMatch(/Celery: worker@\S+ told to shut down warmly\n/);
    expect(stderr).toMatch(/Celery: worker@\S+ has come back/);
    expect(starts(worker)).toBe(2);
    expect(stack.left()).toEqual(NOTHING_LEFT);
    expect(stack.cli('EXISTS', 'unacked', 'unacked_index', VIDEO_QUEUE)).toBe('0');
    expect(stack.cli('EXISTS', 'media-cleanup:held-consumers')).toBe('0');
    expect(stack.cli('--scan', '--pattern', '*pidbox*')).toBe('_kombu.binding.celery.pidbox');
    // Past the time that the first was due.
    await sleep(Math.max(0, due + 2_000 - Date.now()));
    expect(stack.left()).toEqual(NOTHING_LEFT);
    expect(worker.log()).not.toMatch(/Discarding revoked task|succeeded/);
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
  });

  test('restarts only the worker that keeps such tasks, and gives back what it had of others', async () => {
    const stack = await videoStack();
    const both = { ...stack.app, queues: [VIDEO_QUEUE, FOREIGN] as const };
    const worker = await readyWorker(both, { supervised: true, concurrency: 1, name: 'both' });
    const theirs = { queue: FOREIGN, args: ['other:'], save: false };
    const countdown = await roomFor(stack, 4);
    enqueue(both, [
      { id: 'own', countdown: 3000 },
      { id: 'their-later', countdown, ...theirs },
      { id: 'their-running', task: 'wait', ...theirs },
      { id: 'their-next', ...theirs },
    ]);
    await worker.waitForLog('[their-next] received');
    const neighbour = await stack.worker({ name: 'neighbour' });
    const wiping = startWipeVideo(stack, ['--restart-workers']);
    const told = 'told to shut down warmly, which waits for 1 running task';
    await until('the warm shutdown', () => wiping.stderr().includes(told));
    release(both, 'their-running');
    const { code, service, stderr } = await wiping.result;
    expect({ code, errors: service.errors }, stderr).toEqual({ code: 0, errors: [] });
    expect(starts(worker)).toBe(2);
    expect(neighbour.log()).not.toContain('Got shutdown from remote');
    for (const id of ['their-running', 'their-next', 'their-later']) {
      await worker.waitForLog(`[${id}] succeeded`);
    }
    // Results are those of the other queue.
    expect(stack.left()).toEqual({ ...NOTHING_LEFT, results: 3 });
    for (const each of [worker, neighbour]) expect(each.log()).toContain('Started consuming from');
  });

  test('names a worker that nobody starts again', async () => {
    const stack = await videoStack();
    const worker = await stack.worker();
    enqueue(stack.app, [{ id: 'later', countdown: 3000 }]);
    await worker.waitForLog('[later] received');
    const tool = mutantTool(testFolder(), [['RESTART_MS = 6e4', 'RESTART_MS = 4e3']]);
    const { code, service, report } = await wipeVideo(stack, ['--restart-workers'], { tool });
    expect({ code, verified: report.verified }).toEqual({ code: 1, verified: false });
    expect(service.errors).toEqual([
      expect.stringMatching(
        /^Celery\/worker worker@\S+: Was told to shut down and has not come back within \d s$/,
      ),
    ]);
    expect(service.warnings).toEqual([]);
    expect(worker.log()).toContain('Got shutdown from remote');
    expect(stack.left()).toEqual(NOTHING_LEFT);
    const second = await stack.worker();
    expect((await wipeVideo(stack)).code).toBe(0);
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await second.waitForLog('quick afterwards');
  });

  test('Ctrl-C ends the wait, and consumers go on', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ supervised: true, concurrency: 1 });
    enqueue(stack.app, [{ id: 'later', countdown: 3000 }]);
    await worker.waitForLog('[later] received');
    const wiping = startWipeVideo(stack, ['--restart-workers']);
    await until('the shutdown', () => wiping.stderr().includes('told to shut down warmly'));
    const signalled = performance.now();
    wiping.kill('SIGINT');
    expect((await wiping.result).code).toBe(130);
    // A worker is waited for 60 s.
    expect(performance.now() - signalled).toBeLessThan(20_000);
    await until('the second start', () => starts(worker) === 2);
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
  });
});
