/** More than one worker, more than one service, and a Redis that is far away. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { enqueue, runPython, type CeleryApp, type Job } from './support/celery.ts';
import { ownStack, redisFor } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
import {
  NOTHING_LEFT,
  readyWorker,
  until,
  VIDEO,
  videoStack,
  wipeVideo,
} from './support/video-workers.ts';

const possible = requireOrSkip('redis', 'celery');

function longTasks(count: number, queueOf: (index: number) => object = () => ({})): Job[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `task-${index}`,
    task: 'sleep',
    args: [60],
    ...queueOf(index),
  }));
}

/** Of so many workers, by Celery's own command, a worker a process. */
function running(app: CeleryApp, workers: number): number {
  const script = `print(sum(len(t) for r in app.control.broadcast("active", reply=True, timeout=20, limit=${workers}) for t in r.values()))`;
  return Number(runPython(app, script));
}

/** A TCP proxy that lets everything wait. */
async function delayed(port: number, milliseconds: number): Promise<number> {
  const server = createServer((client) => {
    const redis = connect(port, '127.0.0.1');
    client.on('data', (data) => setTimeout(() => redis.write(data), milliseconds));
    redis.on('data', (data) => setTimeout(() => client.write(data), milliseconds));
    for (const [one, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      one.on('close', () => other.destroy());
      one.on('error', () => undefined);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

describe.skipIf(!possible)('several workers', () => {
  test('two of them by one name, are all held, emptied and resumed', async () => {
    const stack = await videoStack();
    const workers = [
      await stack.worker({ name: 'a', concurrency: 1 }),
      await stack.worker({ name: 'b', concurrency: 1 }),
      await stack.worker({ name: 'b', concurrency: 1 }),
    ];
    enqueue(stack.app, longTasks(20));
    await until('three that run', () => running(stack.app, 3) === 3);
    expect((await stack.run(['stats', VIDEO])).stdout).toContain('2 workers go by the name b@');
    const { code, service } = await wipeVideo(stack);
    expect({ code, errors: service.errors }).toEqual({ code: 0, errors: [] });
    const { queued } = service.tasks_purged;
    expect(service.tasks_cancelled).toBe(20 - queued);
    expect(stack.left()).toEqual(NOTHING_LEFT);
    expect(running(stack.app, 3)).toBe(0);
    for (const worker of workers) {
      expect(worker.log()).toMatch(/Canceling queue[^]*Started consuming/);
      expect(worker.log()).toMatch(/Terminating task-\d+/);
    }
  });

  test('and a Redis that is 200 ms away: nobody is taken for silent', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ concurrency: 2 });
    enqueue(stack.app, longTasks(12));
    await worker.waitForLog('received');
    const port = await delayed(stack.redis.port, 100);
    const env = { ...stack.env, VIDEO_DOWNLOADER_REDIS_URL: `redis://127.0.0.1:${port}/1` };
    const { code, service, durationMs } = await wipeVideo(stack, [], { env });
    expect({ code, errors: service.errors, warnings: service.warnings }).toEqual({
      ...{ code: 0, errors: [], warnings: [] },
    });
    expect(durationMs).toBeLessThan(40_000);
    expect(stack.left()).toEqual(NOTHING_LEFT);
    expect(worker.log()).toMatch(/Canceling queue[^]*Started consuming/);
  });
});

describe.skipIf(!possible)('one worker for the queues of two services', () => {
  test('wiped together it consumes both again', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    const url = redis.url(5);
    stack.configAll({
      one: { redis: url, keyPrefix: 'one:', celery: { queues: ['one_queue'] } },
      two: { redis: url, keyPrefix: 'two:', celery: { queues: ['two_queue'] } },
    });
    const app: CeleryApp = {
      ...{ folder: stack.folder, broker: url, keyPrefix: 'one:' },
      queues: ['one_queue', 'two_queue'],
    };
    const worker = await readyWorker(app, { concurrency: 2 });
    enqueue(
      app,
      longTasks(20, (index) => ({ queue: index % 2 === 0 ? 'one_queue' : 'two_queue' })),
    );
    await until('two that run', () => running(app, 1) === 2);
    const { code, stdout } = await stack.run(['all', '--yes', '--json']);
    const report = JSON.parse(stdout) as { tasks_purged: number; tasks_cancelled: number };
    expect(code).toBe(0);
    // Running tasks are acknowledged, and neither queued nor in flight.
    expect(report.tasks_purged).toBe(18);
    expect(running(app, 1)).toBe(0);
    for (const queue of ['one_queue', 'two_queue']) {
      expect(worker.log()).toMatch(
        new RegExp(`Canceling queue ${queue}[^]*Started consuming from ${queue}`),
      );
      enqueue(app, [{ id: `new-${queue}`, queue }]);
      await worker.waitForLog(`quick new-${queue}`);
    }
  });
});
