/**
 * A Redis that is full (`maxmemory`, noeviction): removing needs no memory, so that all is wiped; workers
 * are asked and held once something has gone, and the lock is not a reason to refuse.
 */
import { describe, expect, test } from 'vitest';
import { enqueue } from './support/celery.ts';
import { ownStack, redisFor } from './support/own-config.ts';
import { pipeCommands, times, type Command } from './support/redis-fill.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import {
  NOTHING_LEFT,
  VIDEO_QUEUE,
  videoStack,
  wipeVideo,
  type VideoStack,
} from './support/video-workers.ts';

const KB = 'x'.repeat(1000);
const LOCK_WARNING = /lock media-cleanup:lock:\S+ could not be set \(Redis is full/;

/** As a database is that was filled to its limit, and a little over. */
function makeFull(redis: TestRedis): void {
  redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  const used = Number(/used_memory:(\d+)/.exec(redis.cli('INFO', 'memory'))?.[1]);
  redis.cli('CONFIG', 'SET', 'maxmemory', String(used - 100_000));
  expect(() => redis.cli('SET', 'probe', 'x')).toThrow(/OOM/);
}

const message = (id: string): string =>
  JSON.stringify({ body: KB, headers: { id, task: 't' }, properties: {} });

const FILLS: readonly [what: string, commands: readonly Command[], wiped: object][] = [
  [
    'messages of the queue',
    times(3000, (at): Command => ['LPUSH', 'media_queue', message(`${at}`)]),
    { jobs_removed: 0, tasks_purged: { queued: 3000, in_flight: 0 } },
  ],
  [
    'messages in flight',
    times(3000, (at): Command => {
      const entry = [JSON.parse(message(`${at}`)) as object, '', 'media_queue'];
      return ['HSET', 'unacked', `tag-${at}`, JSON.stringify(entry)];
    }),
    { jobs_removed: 0, tasks_purged: { queued: 0, in_flight: 3000 } },
  ],
  [
    'jobs',
    times(3000, (at): Command => ['SET', `job:${at}`, KB]),
    { jobs_removed: 3000, tasks_purged: { queued: 0, in_flight: 0 } },
  ],
];

describe.skipIf(!requireOrSkip('redis'))('a Redis that is full of', () => {
  test.each(FILLS)('%s: they go, and the lock is told of', async (_, commands, wiped) => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    stack.config({
      redis: redis.url(0),
      keyPrefix: 'job:',
      celery: { queues: ['media_queue'] },
      foreignKeyPrefixes: ['another:'],
    });
    pipeCommands(redis.port, 0, [...commands, ['SET', 'another:1', 'x']]);
    makeFull(redis);
    const doctor = await stack.run(['doctor']);
    expect([doctor.code, doctor.stdout]).toEqual([
      1,
      expect.stringMatching(/x memory .*Redis is full .* MB of .*raise `maxmemory`/),
    ]);
    const { code, service } = await stack.wipe();
    expect(service).toMatchObject({ ...wiped, verified: true, errors: [] });
    expect(service['came_back']).toEqual({ jobs: 0, tasks: 0, files: 0, models: 0 });
    expect(service['warnings']).toContainEqual(expect.stringMatching(LOCK_WARNING));
    expect(code).toBe(0);
    expect(redis.cli('--scan')).toBe('another:1');
  });

  test('what is not of the service: nothing goes, and that it is still full is told', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    pipeCommands(redis.port, 0, [
      ...times(3000, (at): Command => ['SET', `another:${at}`, KB]),
      ['SET', 'job:1', '{}'],
    ]);
    makeFull(redis);
    const celery = { queues: ['media_queue'] };
    stack.config({
      ...{ redis: redis.url(0), keyPrefix: 'job:', celery },
      foreignKeyPrefixes: ['another:'],
    });
    const { code, service } = await stack.wipe();
    expect([code, service['jobs_removed'], service['verified']]).toEqual([0, 1, true]);
    expect(service['warnings']).toContainEqual(expect.stringMatching(/still full \(.* MB of/));
    expect(redis.cli('DBSIZE')).toBe('3000');
  });

  test('another run has the lock: it is found all the same', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    redis.cli('SET', 'media-cleanup:lock:media', '{"host":"elsewhere","pid":1}', 'PX', '30000');
    pipeCommands(redis.port, 0, [...times(300, (at): Command => ['SET', `job:${at}`, KB])]);
    makeFull(redis);
    stack.config({ redis: redis.url(0), keyPrefix: 'job:' });
    expect((await stack.run(['media', '--yes', '--json'])).code).toBe(75);
    expect(redis.cli('EXISTS', 'job:1')).toBe('1');
  });
});

/** So many of a worker's own messages as make a Redis full. */
function fillQueue(stack: VideoStack): void {
  enqueue(stack.app, [{ id: 'many' }]);
  const copy = `
    local message = redis.call('LINDEX', KEYS[1], 0)
    for _ = 1, 2000 do redis.call('LPUSH', KEYS[1], message) end`;
  stack.cli('EVAL', copy, '1', VIDEO_QUEUE);
}

function fillJobs(stack: VideoStack): void {
  pipeCommands(
    stack.redis.port,
    1,
    times(3000, (at): Command => ['SET', `video_job:${at}`, KB]),
  );
}

describe.skipIf(!requireOrSkip('redis', 'celery'))('a worker on a Redis that is full of', () => {
  test.each([
    ['messages', fillQueue],
    ['jobs', fillJobs],
  ])('%s is held once something has gone, and works on afterwards', async (_, fill) => {
    const stack = await videoStack();
    const worker = await stack.worker();
    // Its one process has a task, and its prefetch is used up.
    const sleepers = Array.from({ length: 6 }, (_, at) => ({
      id: `${at}`,
      task: 'sleep' as const,
      args: [600],
    }));
    enqueue(stack.app, sleepers);
    await worker.waitForLog('Task sleep[3] received');
    fill(stack);
    makeFull(stack.redis);
    const { code, service, stderr } = await wipeVideo(stack);
    expect(stderr).toMatch(/told to stop consuming/);
    expect(service).toMatchObject({ verified: true, errors: [] });
    expect(service.tasks_cancelled).toBeGreaterThan(0);
    expect(service.came_back).toEqual({ jobs: 0, tasks: 0, files: 0, models: 0 });
    expect(code).toBe(0);
    expect(stack.left()).toEqual(NOTHING_LEFT);
    stack.redis.cli('CONFIG', 'SET', 'maxmemory', '0');
    enqueue(stack.app, [{ id: 'next' }]);
    await worker.waitForLog('quick next');
  });
});
