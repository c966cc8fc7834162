/** Workers that run tasks in threads: what they name as active need not run, and what runs is not killed. */
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { enqueue, release } from './support/celery.ts';
import { startRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startTool } from './support/tool.ts';
import {
  NOTHING_LEFT,
  readyWorker,
  VIDEO,
  videoStack,
  wipeVideo,
} from './support/video-workers.ts';

const possible = requireOrSkip('redis', 'celery');
const RUNNING = ['running0', 'running1'];
const WAITING = ['waiting0', 'waiting1', 'waiting2', 'waiting3', 'waiting4', 'waiting5'];

const goesOn = (count: number): unknown =>
  expect.stringMatching(new RegExp(`Goes on with ${count} tasks? that its pool cannot kill`));

describe.skipIf(!possible)('a worker with threads', () => {
  test('what was revoked before it began is not taken for running, what runs is', async () => {
    const stack = await videoStack({ acksLate: true });
    const worker = await stack.worker({ pool: 'threads', concurrency: 2 });
    enqueue(stack.app, [
      ...RUNNING.map((id) => ({ id, task: 'wait' as const })),
      ...WAITING.map((id) => ({ id, task: 'sleep' as const, args: [9] })),
    ]);
    for (const id of [...RUNNING, ...WAITING]) await worker.waitForLog(`[${id}] received`);
    const state = (name: string): string => join(stack.folder, 'home', name);

    const first = await wipeVideo(stack);
    expect(first).toMatchObject({ code: 1, service: { errors: [goesOn(2)], verified: false } });
    expect(first.service.tasks_cancelled).toBe(WAITING.length);
    // Another process, and nothing that the first one kept on disk.
    const second = await wipeVideo(stack, ['--state-dir', state('second')]);
    expect(second).toMatchObject({ code: 1, service: { errors: [goesOn(2)] } });
    expect(second.service.tasks_cancelled).toBe(0);

    for (const id of RUNNING) release(stack.app, id);
    for (const id of RUNNING) await worker.waitForLog(`[${id}] succeeded`);
    const third = await wipeVideo(stack, ['--state-dir', state('third')]);
    expect(third).toMatchObject({ code: 0, service: { errors: [], verified: true } });
    expect(third.service.tasks_cancelled).toBe(0);
    expect(stack.left()).toEqual(NOTHING_LEFT);
    const left = await wipeVideo(stack, ['--no-cancel-running', '--state-dir', state('left')]);
    expect(left).toMatchObject({ code: 0, service: { errors: [], verified: true } });
    for (const command of ['stats', 'doctor']) {
      const { stdout } = await stack.run([command, VIDEO]);
      expect(stdout).not.toMatch(/waiting\d|task running/);
    }
    for (const id of WAITING) expect(worker.log()).not.toContain(`[${id}] succeeded`);

    enqueue(stack.app, [{ id: 'afterwards' }, { id: 'long', task: 'wait' }]);
    await worker.waitForLog('quick afterwards');
    await worker.waitForLog('[long] received');
    const busy = await wipeVideo(stack, ['--no-cancel-running']);
    expect(busy).toMatchObject({
      code: 1,
      service: { errors: [expect.stringContaining('Goes on with 1 task (1 running: long)')] },
    });
  });

  test('is waited for, and the results of what ended meanwhile go', async () => {
    const stack = await videoStack();
    const elsewhere = await startRedis(stack.folder);
    onTestFinished(async () => await elsewhere.stop());
    const app = { ...stack.app, jobs: elsewhere.url(0) };
    const worker = await readyWorker(app, { pool: 'threads', concurrency: 2 });
    // Without a job only the id of the task says whose the result is.
    enqueue(
      app,
      [...RUNNING, ...WAITING].map((id) => ({ id, task: 'wait', save: false })),
    );
    for (const id of [...RUNNING, ...WAITING]) await worker.waitForLog(`[${id}] received`);
    const { folder, env } = stack;
    const run = startTool([VIDEO, '--yes', '--wait-idle', '60s'], { folder, env });
    await stack.until('the wait', () => run.stderr().includes('waiting up to 60 s for worker@'));
    for (const id of RUNNING) release(app, id);
    const { code, stderr } = await run.result;
    expect({ code, stderr }).toMatchObject({ code: 0 });
    for (const id of RUNNING) await worker.waitForLog(`[${id}] succeeded`);
    expect(stack.cli('--scan', '--pattern', 'celery-task-meta-*')).toBe('');
    enqueue(app, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
  });
});
