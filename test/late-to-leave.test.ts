/** Workers that answer at once, and do later what they were told: the last first, as gevent's do. */
import { describe, expect, test } from 'vitest';
import { fakeWorker, honest, type Control } from './support/fake-worker.ts';
import { requireOrSkip } from './support/requirements.ts';
import { SERVICES } from './support/stack.ts';
import {
  VIDEO,
  VIDEO_QUEUE,
  videoStack,
  wipeVideo,
  type VideoStack,
} from './support/video-workers.ts';

const possible = requireOrSkip('redis');
const HELD = 'media-cleanup:held-consumers';

/** @param after milliseconds from the first order to the deed; what is told later is done at once. */
async function worker(stack: VideoStack, after: number): Promise<{ consumes(): boolean }> {
  let consumes = true;
  let told: string[] = [];
  let wait = after;
  const obey = (): void => {
    // As `perform_pending_operations` of celery/worker/consumer/consumer.py.
    for (const order of told.toReversed()) consumes = order === 'add_consumer';
    told = [];
    wait = 0;
  };
  const { port } = stack.redis;
  const answer = honest(VIDEO_QUEUE);
  await fakeWorker({ port, db: SERVICES[VIDEO].db }, (control: Control) => {
    if (control.method.endsWith('_consumer')) {
      if (told.length === 0) setTimeout(obey, wait).unref();
      told.push(control.method);
    }
    const value = control.method === 'active_queues' && !consumes ? [] : answer(control);
    return [['late@x', value] as const];
  });
  stack.cli('SADD', '_kombu.binding.celery.pidbox', '\x06\x16\x06\x16late@x.celery.pidbox');
  return { consumes: () => consumes };
}

describe.skipIf(!possible)('a worker that leaves its queue late', () => {
  test('is told to consume again only when it has left, and does', async () => {
    const stack = await videoStack();
    const late = await worker(stack, 8_000);
    const { code, service } = await wipeVideo(stack);
    const { errors } = service;
    expect({ code, errors }).toEqual({ code: 0, errors: [] });
    await stack.until('it consumes', late.consumes);
    expect(stack.cli('EXISTS', HELD)).toBe('0');
  });

  test('is named, and stays noted for the next run, when it has not left at the end', async () => {
    const stack = await videoStack();
    await worker(stack, 3_600_000);
    const { code, service } = await wipeVideo(stack);
    const { errors } = service;
    expect(code).toBe(1);
    expect(errors).toMatchObject([expect.stringMatching(/late@x.*has not confirmed/i)]);
    expect(stack.cli('HKEYS', HELD)).toContain('late@x');
  });
});
