/** Workers that store a result for each id that they are told to revoke: Celery 5.6 and later. */
import { describe, expect, test } from 'vitest';
import { enqueue } from './support/celery.ts';
import { fakeWorker, honest } from './support/fake-worker.ts';
import { requireOrSkip } from './support/requirements.ts';
import { SERVICES } from './support/stack.ts';
import {
  NOTHING_LEFT,
  readyWorker,
  VIDEO,
  VIDEO_QUEUE,
  videoStack,
  wipeVideo,
} from './support/video-workers.ts';

const possible = requireOrSkip('redis', 'celery');
const NEIGHBOURS_RESULTS = 7;
const range = (count: number, name: string): string[] =>
  Array.from({ length: count }, (_, index) => `${name}${index}`);

describe.skipIf(!possible)('a wipe makes no results', () => {
  test('of tasks that a worker has, of tasks that a killed one had, and at a neighbour', async () => {
    const stack = await videoStack({ storesRevoked: true, acksLate: true });
    const foreign = {
      ...stack.app,
      ...({ queues: ['foreign_queue'], keyPrefix: 'foreign:' } as const),
      results: stack.redis.url(NEIGHBOURS_RESULTS),
    };
    const neighbour = await readyWorker(foreign, { name: 'neighbour' });
    const killed = await stack.worker({ name: 'killed', concurrency: 2 });
    const ids = range(8, 'killed');
    enqueue(
      stack.app,
      ids.map((id) => ({ id, task: 'wait' })),
    );
    for (const id of ids) await killed.waitForLog(`[${id}] received`);
    await killed.stop('kill');
    const worker = await stack.worker({ concurrency: 2 });
    const own = [...range(4, 'own'), ...range(2, 'later')];
    enqueue(stack.app, [
      ...range(4, 'own').map((id) => ({ id, task: 'wait' as const })),
      ...range(2, 'later').map((id) => ({ id, countdown: 3000 })),
      ...range(20, 'queued').map((id) => ({ id })),
    ]);
    for (const id of own) await worker.waitForLog(`[${id}] received`);

    const { code, service } = await wipeVideo(stack);
    expect({ code, errors: service.errors }).toEqual({
      ...{ code: 1, errors: [expect.stringContaining('Keeps 2 revoked scheduled tasks')] },
    });
    expect(stack.left()).toEqual(NOTHING_LEFT);
    expect(stack.redis.cli('-n', String(NEIGHBOURS_RESULTS), 'DBSIZE')).toBe('0');
    expect(worker.log()).toContain('Terminating own0');
    expect(neighbour.log()).not.toMatch(/Terminating|revoked|unknown/);
    // What was revoked is not run, and what is new is.
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
    for (const id of own) expect(worker.log()).not.toContain(`[${id}] succeeded`);
  });

  test('who has not said what it has is told alone', async () => {
    const stack = await videoStack();
    const { port } = stack.redis;
    const { db } = SERVICES[VIDEO];
    const answer = honest('foreign_queue');
    const talks = await fakeWorker({ port, db }, (control) => [
      ['talks@x', answer(control)] as const,
    ]);
    const silent = await fakeWorker({ port, db }, () => []);
    for (const name of ['talks@x', 'silent@x'])
      stack.cli(
        ...['SADD', '_kombu.binding.celery.pidbox'],
        `\u0006\u0016\u0006\u0016${name}.celery.pidbox`,
      );
    const message = {
      ...{ body: '', 'content-type': 'application/json', 'content-encoding': 'utf-8' },
      headers: { id: 'taken', task: 'sleep' },
      properties: { delivery_info: { exchange: '', routing_key: VIDEO_QUEUE }, delivery_tag: 't' },
    };
    stack.cli('HSET', 'unacked', 't', JSON.stringify([message, '', VIDEO_QUEUE]));
    stack.cli('ZADD', 'unacked_index', '1700000000', 't');
    const { code } = await wipeVideo(stack);
    expect(code).toBe(1);
    const told = silent.heard.filter(({ method }) => method === 'revoke');
    expect(told.map((control) => [control.arguments['task_id'], control.destination])).toEqual([
      [['taken'], ['silent@x']],
    ]);
    expect(talks.heard).toEqual(silent.heard);
  });
});
