/** Exchanges that go to several queues, and the lists of priorities behind other separators. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { runPython, startPython, type CeleryApp, type Worker } from './support/celery.ts';
import { ownStack, redisFor, type OwnStack } from './support/own-config.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { until } from './support/video-workers.ts';

/** Two services on one broker, each with a queue of its own at the same exchanges. */
const TWO_SERVICES = `
from kombu import Exchange, Queue
media, bcast = Exchange('media', type='topic'), Exchange('bcast', type='fanout')
def queues(name, key):
    return [Queue(name, media, routing_key=key), Queue(name + '_all', bcast, routing_key='all')]
ONE, TWO = queues('one', 'media.#'), queues('two', 'media.video.*')
app.conf.task_default_exchange = 'media'
`;

function appOf(stack: OwnStack, redis: TestRedis, more: Partial<CeleryApp> = {}): CeleryApp {
  return {
    folder: stack.folder,
    broker: redis.url(1),
    queues: ['one'],
    keyPrefix: 'one:',
    acksLate: true,
    ...more,
  };
}

async function worker(app: CeleryApp, name: string, setUp: string): Promise<Worker> {
  const args = ['--without-mingle', '--without-gossip', '--loglevel=INFO', '--concurrency=4'];
  const started = startPython(
    app,
    `${setUp}\napp.worker_main(['worker', '--hostname=${name}@%h', ${args.map((arg) => `'${arg}'`).join(', ')}])`,
  );
  onTestFinished(async () => await started.stop('kill'));
  await started.waitUntilReady();
  return started;
}

function send(app: CeleryApp, setUp: string, id: string, where: string): void {
  runPython(
    app,
    `${setUp}\nsave_job('${id}', 'one:', 'queued')\nsleep.apply_async([60], task_id='${id}', ${where})`,
  );
}

describe.skipIf(!requireOrSkip('redis', 'celery'))(
  'tasks of an exchange with several queues',
  () => {
    test('stay and are named beside a queue outside the run; wiped together they go', async () => {
      const stack = ownStack();
      const redis = await redisFor(stack);
      const service = (name: string): object => ({
        redis: redis.url(1),
        keyPrefix: `${name}:`,
        celery: { queues: [name, `${name}_all`] },
      });
      stack.configAll({ one: service('one'), two: service('two') });
      const app = appOf(stack, redis);
      const one = await worker(app, 'one', `${TWO_SERVICES}\napp.conf.task_queues = ONE`);
      const two = await worker(app, 'two', `${TWO_SERVICES}\napp.conf.task_queues = TWO`);
      const setUp = `${TWO_SERVICES}\napp.conf.task_queues = ONE + TWO`;
      send(app, setUp, 'alone', "exchange='media', routing_key='media.audio'");
      send(app, setUp, 'topic', "exchange='media', routing_key='media.video.new'");
      send(app, setUp, 'fanout', "exchange=bcast, declare=[bcast], routing_key='all'");
      for (const id of ['alone', 'topic', 'fanout']) await one.waitForLog(`[${id}] received`);
      for (const id of ['topic', 'fanout']) await two.waitForLog(`[${id}] received`);
      // The copies of a message have one delivery tag, and so one entry.
      await until('their messages', () => redis.cli('-n', '1', 'HLEN', 'unacked') === '3');

      const plan = JSON.parse((await stack.run(['one', '-n', '--json'])).stdout) as Report;
      expect(plan.warnings.join()).toContain('the queue two of two');
      const single = await stack.run(['one', '--yes', '--json']);
      const report = JSON.parse(single.stdout) as Report;
      expect({ code: single.code, verified: report.verified }).toEqual({
        code: 1,
        verified: false,
      });
      expect(report.services['one']).toMatchObject({
        tasks_cancelled: 1,
        tasks_purged: { queued: 0, in_flight: 1 },
        remaining: { tasks: 2 },
      });
      expect(report.services['one']?.failures).toEqual(
        expect.arrayContaining([
          shared(
            '1 (exchange media)',
            '1 in-flight message of it goes back to the queue two of two as',
          ),
          shared(
            '1 (exchange bcast)',
            '1 in-flight message of it goes back to the queue two_all of two',
          ),
          shared(
            'worker one@',
            'Has 1 task (topic) of that exchange, which goes to the queue two of',
          ),
          shared(
            'worker one@',
            'Has 1 task (fanout) of that exchange, which goes to the queue two_all',
          ),
        ]),
      );
      expect(
        redis
          .cli('-n', '1', 'HVALS', 'unacked')
          .match(/"id": "\w+"/g)
          ?.toSorted(),
      ).toEqual(['fanout', 'topic'].map((id) => `"id": "${id}"`));
      for (const { log } of [one, two]) expect(log()).not.toMatch(/Terminating.*(topic|fanout)/);

      const both = await stack.run(['all', '--yes', '--json']);
      expect({ code: both.code, ...(JSON.parse(both.stdout) as Report) }).toMatchObject({
        ...{ code: 0, verified: true, tasks_cancelled: 2, tasks_purged: 2, errors: [] },
      });
      expect(redis.cli('-n', '1', 'EXISTS', 'unacked', 'unacked_index', 'one', 'two')).toBe('0');
      for (const { log } of [one, two]) expect(log()).not.toContain('succeeded');
    }, 300_000);
  },
);

interface Report {
  readonly verified: boolean;
  readonly warnings: readonly string[];
  readonly services: Readonly<Record<string, { readonly failures: readonly object[] }>>;
}

function shared(item: string, reason: string): unknown {
  return expect.objectContaining({
    code: 'ESHARED',
    item: expect.stringContaining(item) as string,
    reason: expect.stringContaining(reason) as string,
    hint: 'wipe both together: media-cleanup one two',
  });
}

describe.skipIf(!requireOrSkip('redis', 'celery'))('lists of priorities', () => {
  test.each([':', '-prio-'])(
    'behind an exchange, with the separator %s',
    async (separator) => {
      const stack = ownStack();
      const redis = await redisFor(stack);
      const cli = (...args: readonly string[]): string => redis.cli('-n', '1', ...args);
      const neighbour = `one${separator}5`;
      stack.configAll({
        media: { redis: redis.url(1), keyPrefix: 'job:', celery: { queues: ['one'] } },
        other: { redis: redis.url(1), keyPrefix: 'o:', celery: { queues: [neighbour] } },
      });
      const setUp = `
from kombu import Exchange, Queue
app.conf.task_queues = [Queue('one', Exchange('media', type='direct'), routing_key='video')]
app.conf.broker_transport_options = {'priority_steps': list(range(10)), 'sep': '${separator}'}
def put(count): [quick.apply_async(priority=n, exchange='media', routing_key='video') for n in range(count)]
`;
      const app = appOf(stack, redis, { keyPrefix: 'job:' });
      // Only the worker's mailbox and the binding tell of the separator.
      const held = await worker(app, 'one', setUp);
      runPython(app, `${setUp}\nsleep.apply_async([60], exchange='media', routing_key='video')`);
      await held.waitForLog('received');
      await until('its message', () => cli('HLEN', 'unacked') === '1');
      await held.stop('kill');
      runPython(app, `${setUp}\nput(10)`);
      expect(cli('LLEN', `one${separator}7`)).toBe('1');
      const message = (exchange: string, key: string): string =>
        JSON.stringify({ body: '', properties: { delivery_info: { exchange, routing_key: key } } });
      // A queue of another service, a queue of another program, no queue at all.
      cli('LPUSH', neighbour, message('media', 'video'));
      cli('LPUSH', 'one_3', message('', 'one_3'));
      cli('LPUSH', `one${separator}200`, 'no message');
      cli('RENAME', `one${separator}5`, neighbour);
      const theirs = (key: string): boolean =>
        [neighbour, 'one_3', `one${separator}200`].includes(key);
      const before = redis.dump(1, theirs);
      const { code, service } = await stack.wipe();
      expect({ code, ...service }).toMatchObject({
        ...{ code: 0, verified: true, errors: [], tasks_purged: { queued: 9, in_flight: 1 } },
      });
      expect(redis.dump(1, theirs)).toBe(before);
      expect(
        cli('--scan', '--pattern', 'one*')
          .split('\n')
          .filter((key) => !theirs(key)),
      ).toEqual([]);
    },
    60_000,
  );

  test('whose exchange nothing is bound to are named, and left', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    stack.config({ redis: redis.url(1), keyPrefix: 'job:', celery: { queues: ['one'] } });
    const message = {
      ...{ body: '', headers: { id: 'x' } },
      properties: { delivery_info: { exchange: 'gone', routing_key: 'video' } },
    };
    redis.cli('-n', '1', 'LPUSH', 'one:3', JSON.stringify(message));
    const { code, service } = await stack.wipe();
    expect({ code, ...service }).toMatchObject({
      ...{ code: 1, verified: false, remaining: { tasks: 1 } },
      failures: [{ code: 'EQUEUELIST', item: expect.stringContaining('(one:3)') as string }],
    });
    expect(redis.cli('-n', '1', 'LLEN', 'one:3')).toBe('1');
    stack.config({
      ...{ redis: redis.url(1), keyPrefix: 'job:', celery: { queues: ['one'] } },
      foreignKeyPrefixes: ['one:3'],
    });
    expect(await stack.wipe()).toMatchObject({ code: 0, service: { verified: true } });
  });
});
