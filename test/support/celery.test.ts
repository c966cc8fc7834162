import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { enqueue, startWorker, type CeleryApp, type Worker, type WorkerOptions } from './celery.ts';
import { testFolder } from './folder.ts';
import { startRedis, type TestRedis } from './redis.ts';
import { requireOrSkip } from './requirements.ts';

async function stack(
  options: Partial<CeleryApp> = {},
): Promise<{ redis: TestRedis; app: CeleryApp }> {
  const folder = testFolder();
  const redis = await startRedis(folder);
  onTestFinished(async () => await redis.stop());
  const app: CeleryApp = {
    folder,
    broker: redis.url(1),
    queues: ['video_downloader_queue'],
    keyPrefix: 'video_job:',
    ...options,
  };
  return { redis, app };
}

async function workerForTest(app: CeleryApp, options?: WorkerOptions): Promise<Worker> {
  const worker = startWorker(app, options);
  onTestFinished(async () => await worker.stop('kill'));
  await worker.waitUntilReady();
  return worker;
}

function keys(redis: TestRedis): string[] {
  return redis.entries(1).map(({ key, type }) => `${type} ${key}`);
}

describe.skipIf(!requireOrSkip('redis', 'celery'))('celery', () => {
  test('jobs and messages as the services leave them, with priorities', async () => {
    const { redis, app } = await stack();
    enqueue(app, [{ id: 'one' }, { id: 'two', priority: 9 }, { id: 'three', priority: 4 }]);
    expect(keys(redis)).toEqual([
      'set _kombu.binding.video_downloader_queue',
      'list video_downloader_queue',
      'list video_downloader_queue\x06\x163',
      'list video_downloader_queue\x06\x169',
      'string video_job:one',
      'string video_job:three',
      'string video_job:two',
    ]);
    expect(JSON.parse(redis.cli('-n', '1', 'GET', 'video_job:one'))).toEqual({
      id: 'one',
      status: 'queued',
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
    });
    const message = JSON.parse(redis.cli('-n', '1', 'LINDEX', 'video_downloader_queue', '0')) as {
      headers: { id: string };
    };
    expect(message.headers.id).toBe('one');
  });

  test.each(['prefork', 'solo'] as const)('a %s worker runs them', async (pool) => {
    const { redis, app } = await stack();
    enqueue(app, [{ id: 'one' }, { id: 'later', countdown: 1000 }]);
    const worker = await workerForTest(app, { pool });
    await expect
      .poll(() => keys(redis), { timeout: 20_000 })
      .toEqual(
        expect.arrayContaining([
          'string celery-task-meta-one',
          'hash unacked',
          'zset unacked_index',
        ]),
      );
    expect(redis.cli('-n', '1', 'GET', 'video_job:one')).toContain('completed');
    expect(redis.cli('-n', '1', 'HLEN', 'unacked')).toBe('1');
    await worker.stop('warm');
    // A warm shutdown gives back what was in flight.
    expect(redis.cli('-n', '1', 'LLEN', 'video_downloader_queue')).toBe('1');
  });

  test('a task that ends late writes job, result and file again', async () => {
    const { redis, app } = await stack({ acksLate: true, rejectOnWorkerLost: true });
    const withOutput = { ...app, outputDirectory: join(app.folder, 'downloads') };
    const worker = await workerForTest(withOutput);
    enqueue(withOutput, [{ id: 'slow', task: 'sleep', args: [1] }]);
    await worker.waitForLog('received');
    redis.cli('-n', '1', 'DEL', 'video_job:slow');
    await worker.waitForLog('succeeded');
    expect(keys(redis)).toEqual(
      expect.arrayContaining(['string video_job:slow', 'string celery-task-meta-slow']),
    );
    expect(existsSync(join(app.folder, 'downloads/slow.out'))).toBe(true);
  });

  test('a global key prefix and other priority steps', async () => {
    const { redis, app } = await stack({ globalKeyPrefix: 'media:', prioritySteps: [0, 5] });
    enqueue(app, [{ id: 'one', priority: 9 }]);
    expect(keys(redis)).toEqual([
      'set media:_kombu.binding.video_downloader_queue',
      'list media:video_downloader_queue\x06\x165',
      'string video_job:one',
    ]);
  });

  test('a worker that cannot start says why', async () => {
    const { app } = await stack();
    const worker = startWorker(app, { args: ['--no-such-option'] });
    await expect(worker.waitUntilReady()).rejects.toThrow('no-such-option');
    await worker.stop();
  });
});
