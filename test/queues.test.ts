/** Which lists, messages and results are a service's, however Celery was set up. */
import { describe, expect, test } from 'vitest';
import { enqueue, startWorker, type CeleryApp } from './support/celery.ts';
import { ownStack, redisFor, type OwnStack } from './support/own-config.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';

const QUEUE = 'media_queue';
const PREFIX = 'job:';

function keys(redis: TestRedis, db: number): string[] {
  return redis.entries(db).map(({ type, key }) => `${type} ${key}`);
}

function app(stack: OwnStack, redis: TestRedis): CeleryApp {
  return { folder: stack.folder, broker: redis.url(1), queues: [QUEUE], keyPrefix: PREFIX };
}

/** Lets a real worker do everything that is queued. */
async function work(celery: CeleryApp, last: string): Promise<void> {
  const worker = startWorker(celery);
  try {
    await worker.waitForLog(`quick ${last}`);
  } finally {
    await worker.stop('warm');
  }
}

describe.skipIf(!requireOrSkip('redis', 'celery'))('results', () => {
  test.each([
    { results: 'none', stay: ['done', 'other'] },
    { results: 'own', stay: ['other'] },
    { results: undefined, stay: ['other'] },
    { results: 'all', stay: [] },
  ])('$results', async ({ results, stay }) => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    const celery = app(stack, redis);
    const how = results === undefined ? {} : { results };
    stack.config({
      redis: redis.url(1),
      keyPrefix: PREFIX,
      celery: { queues: [QUEUE], ...how },
    });
    enqueue(celery, [{ id: 'done' }]);
    await work(celery, 'done');
    redis.cli('-n', '1', 'SET', 'celery-task-meta-other', '{}');
    expect(await stack.plan()).toMatchObject({ results_removed: 2 - stay.length });
    const { code, service } = await stack.wipe();
    expect(code).toBe(0);
    expect(service).toMatchObject({ jobs_removed: 1, results_removed: 2 - stay.length });
    expect(keys(redis, 1).filter((key) => key.startsWith('string'))).toEqual(
      stay.map((id) => `string celery-task-meta-${id}`),
    );
  });
});

describe.skipIf(!requireOrSkip('redis'))("another app's queue with a name alike", () => {
  test('stays, though its exchange is called like our queue', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    stack.config({ redis: redis.url(1), keyPrefix: PREFIX, celery: { queues: [QUEUE] } });
    const message = (routingKey: string): string =>
      JSON.stringify({
        body: '',
        headers: { id: 'x' },
        properties: { delivery_info: { exchange: QUEUE, routing_key: routingKey } },
      });
    redis.cli('-n', '1', 'LPUSH', `${QUEUE}_2`, message(`${QUEUE}_2`));
    redis.cli('-n', '1', 'LPUSH', `${QUEUE}:3`, message(QUEUE));
    const { code, service } = await stack.wipe();
    expect(code).toBe(0);
    expect(service['tasks_purged']).toEqual({ queued: 1, in_flight: 0 });
    expect(keys(redis, 1)).toEqual([`list ${QUEUE}_2`]);
  });
});

describe.skipIf(!requireOrSkip('redis', 'celery'))('queues', () => {
  test('a broker in another database than the jobs', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    const celery = { ...app(stack, redis), broker: redis.url(4), jobs: redis.url(1) };
    stack.config({
      redis: redis.url(1),
      keyPrefix: PREFIX,
      celery: { queues: [QUEUE], broker: redis.url(4) },
    });
    enqueue({ ...celery, results: redis.url(1) }, [{ id: 'one' }, { id: 'two', priority: 6 }]);
    redis.cli('-n', '1', 'SET', 'celery-task-meta-two', '{}');
    // The same names, each in the other database: not the service's.
    redis.cli('-n', '4', 'SET', 'job:of-another', 'x');
    redis.cli('-n', '1', 'RPUSH', QUEUE, 'x');
    const { code, service } = await stack.wipe();
    expect(code).toBe(0);
    expect(service).toMatchObject({
      jobs_removed: 2,
      results_removed: 1,
      tasks_purged: { queued: 2, in_flight: 0 },
    });
    expect(keys(redis, 1)).toEqual([`list ${QUEUE}`]);
    expect(keys(redis, 4)).toEqual([`set _kombu.binding.${QUEUE}`, 'string job:of-another']);
  });

  // Celery 5.2 writes results without the prefix, 5.3 with it, and with "_" where nothing parts it.
  test.each([
    { prefix: 'app[1]:', ofCelery53: 'app[1]:celery-task-meta-' },
    { prefix: 'app', ofCelery53: 'app_celery-task-meta-' },
  ])('the global key prefix $prefix', async ({ prefix, ofCelery53 }) => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    const plain = app(stack, redis);
    const celery = { ...plain, globalKeyPrefix: prefix };
    stack.config({
      redis: redis.url(1),
      keyPrefix: PREFIX,
      celery: { queues: [QUEUE], globalKeyPrefix: prefix },
    });
    enqueue(celery, [{ id: 'done' }, { id: 'later', countdown: 3000 }]);
    const worker = startWorker(celery);
    await worker.waitForLog('quick done');
    await expect.poll(() => redis.cli('-n', '1', 'HLEN', `${prefix}unacked`)).toBe('1');
    await worker.stop('kill');
    enqueue(celery, [{ id: 'queued', priority: 3 }]);
    redis.cli('-n', '1', 'SET', `${ofCelery53}done`, '{}');
    redis.cli('-n', '1', 'SET', `${ofCelery53}later`, '{}');
    // Another app in the same database, without a prefix but with the same queue.
    enqueue(plain, [{ id: 'x', save: false }]);
    redis.cli('-n', '1', 'SET', 'celery-task-meta-x', 'of the other app');
    redis.cli('-n', '1', 'HSET', 'unacked', 'tag', `["", "", "${QUEUE}"]`);
    const counts = {
      jobs_removed: 3,
      results_removed: 3,
      tasks_purged: { queued: 1, in_flight: 1 },
    };
    expect(await stack.plan()).toMatchObject(counts);
    const { code, service } = await stack.wipe();
    expect(service).toMatchObject(counts);
    expect(keys(redis, 1).filter((key) => !key.includes('_kombu.binding'))).toEqual([
      'string celery-task-meta-x',
      `list ${QUEUE}`,
      'hash unacked',
    ]);
    expect(keys(redis, 1)).toContain(`set ${prefix}_kombu.binding.${QUEUE}`);
    expect(code).toBe(0);
  });

  test('its lists of priorities behind a separator of the app are nobody else’s for doctor', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    stack.config({ redis: redis.url(1), keyPrefix: PREFIX, celery: { queues: [QUEUE] } });
    const push = (key: string, queue: string): string => {
      const delivery_info = { exchange: '', routing_key: queue };
      const message = JSON.stringify({ body: '', properties: { delivery_info } });
      return redis.cli('-n', '1', 'RPUSH', key, message);
    };
    for (const priority of [2, 5]) push(`${QUEUE}:${priority}`, QUEUE);
    const own = await stack.run(['doctor', 'media']);
    expect(own.stdout).not.toContain('foreignKeyPrefixes');
    push(`${QUEUE}:3`, 'foreign');
    const mixed = await stack.run(['doctor', 'media']);
    expect(mixed.stdout).toContain(`"foreignKeyPrefixes": ["${QUEUE}:"`);
  });

  test('several queues, any separator; what only looks like one of them stays', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    const second = 'media[2]*';
    stack.config({
      redis: redis.url(1),
      keyPrefix: PREFIX,
      celery: { queues: [QUEUE, second] },
      // They have messages of the same jobs, and would be an error otherwise.
      foreignKeyPrefixes: ['foreign', 'media2'],
    });
    const both = { ...app(stack, redis), queues: [QUEUE, second, 'media2', 'foreign'] as const };
    enqueue(both, [
      ...[{ id: 'a' }, { id: 'b', priority: 9 }, { id: 'c', queue: second }],
      ...[
        { id: 'd', queue: second, priority: 3 },
        { id: 'e', queue: 'media2' },
      ],
      { id: 'f', queue: 'foreign' },
    ]);
    const copy = (from: string, to: string): string =>
      redis.cli('-n', '1', 'COPY', from, to, 'REPLACE');
    for (const own of [`${QUEUE}:3`, `${QUEUE}-6`, `${QUEUE}:::12`]) copy(QUEUE, own);
    for (const foreign of [`${QUEUE}:4`, `${QUEUE}2`, `${QUEUE}\x06\x16x`])
      copy('foreign', foreign);
    for (const name of [`${QUEUE}:5`, `${QUEUE}7`]) {
      redis.cli('-n', '1', 'RPUSH', name, 'no message');
    }
    redis.cli('-n', '1', 'SET', `${QUEUE}\x06\x166`, 'a string');
    const { code, service } = await stack.wipe();
    expect(code).toBe(0);
    expect(service).toMatchObject({
      tasks_purged: { queued: 7, in_flight: 0 },
      warnings: [expect.stringContaining('has the name of a queue but is a string') as string],
    });
    expect(keys(redis, 1).filter((key) => !key.includes('_kombu.binding'))).toEqual(
      [
        ...['list foreign', 'list media2', `list ${QUEUE}\x06\x16x`, `string ${QUEUE}\x06\x166`],
        ...[`list ${QUEUE}2`, `list ${QUEUE}7`, `list ${QUEUE}:4`, `list ${QUEUE}:5`],
      ].toSorted((a, b) => (a.slice(a.indexOf(' ')) < b.slice(b.indexOf(' ')) ? -1 : 1)),
    );
  });
});
