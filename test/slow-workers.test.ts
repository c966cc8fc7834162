/** Workers that answer late are asked again before they are called silent. */
import { describe, expect, test } from 'vitest';
import { enqueue } from './support/celery.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startTool } from './support/tool.ts';
import {
  NOTHING_LEFT,
  VIDEO,
  videoStack,
  type VideoStack,
  type WorkerReport,
} from './support/video-workers.ts';

const possible = requireOrSkip('redis', 'celery');

function startWipe(stack: VideoStack, args: readonly string[] = []) {
  const { folder, env } = stack;
  return startTool([VIDEO, '--yes', '--json', ...args], { folder, env });
}

describe.skipIf(!possible)('a worker that is stopped', () => {
  test('for as long as its answer is waited for, loses its tasks all the same', async () => {
    const stack = await videoStack({ acksLate: true });
    const worker = await stack.worker({ concurrency: 1 });
    enqueue(stack.app, [{ id: 'long', task: 'wait' }, { id: 'next' }]);
    await worker.waitForLog('[next] received');
    process.kill(worker.pid, 'SIGSTOP');
    const run = startWipe(stack);
    await stack.until('the wait', () =>
      /waiting up to \d+ s for an answer of worker@/.test(run.stderr()),
    );
    process.kill(worker.pid, 'SIGCONT');
    const { code, stdout } = await run.result;
    const report = JSON.parse(stdout) as WorkerReport;
    expect({ code, errors: report.services[VIDEO].errors }).toEqual({ code: 0, errors: [] });
    expect(report).toMatchObject({ verified: true, tasks_cancelled: 2 });
    expect(stack.left()).toEqual(NOTHING_LEFT);
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
    for (const id of ['long', 'next']) expect(worker.log()).not.toContain(`[${id}] succeeded`);

    // It does not keep the consumers held either, where it stops when they are to go on.
    const again = startWipe(stack, ['--verify-for', '2s']);
    await stack.until('the hold', () => again.stderr().includes('told to stop consuming'));
    process.kill(worker.pid, 'SIGSTOP');
    // By the time that it stops, it may have told all that it is asked for before it is to go on.
    await stack.until('the wait', () =>
      /for an answer of worker@|Verified: video/.test(again.stderr()),
    );
    process.kill(worker.pid, 'SIGCONT');
    const last = await again.result;
    expect({ code: last.code, stderr: last.stderr }).toMatchObject({ code: 0 });
    enqueue(stack.app, [{ id: 'later' }]);
    await worker.waitForLog('quick later');
  });

  test('is not waited for with --wait-idle 0s, nor by a run that is interrupted', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ concurrency: 1 });
    enqueue(stack.app, [{ id: 'long', task: 'wait' }]);
    await worker.waitForLog('[long] received');
    process.kill(worker.pid, 'SIGSTOP');
    const { code, stderr } = await startWipe(stack, ['--wait-idle', '0s']).result;
    expect(code).toBe(1);
    expect(stderr).not.toContain('for an answer');
    expect(stderr).toContain('Listens but does not answer');
    const run = startWipe(stack);
    await stack.until('the wait', () => run.stderr().includes('for an answer of worker@'));
    run.kill('SIGINT');
    expect((await run.result).code).toBe(130);
  });
});
