/** What the config names wrongly, or not at all, beside Celery that goes on: found by what is in Redis. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fakeWorker, honest, taskInfo } from './support/fake-worker.ts';
import { ownStack, redisFor, type OwnStack } from './support/own-config.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';

const DB = 1;
const SEPARATOR = '\x06\x16';

interface Scene {
  readonly stack: OwnStack;
  readonly redis: TestRedis;
  readonly cli: (...args: readonly string[]) => string;
  readonly config: (celery?: object, more?: object) => void;
}

async function scene(): Promise<Scene> {
  const stack = ownStack();
  const redis = await redisFor(stack);
  return {
    stack,
    redis,
    cli: (...args) => redis.cli('-n', String(DB), ...args),
    config: (celery, more = {}) => {
      const service = { redis: redis.url(DB), keyPrefix: 'job:', ...more };
      stack.config(celery === undefined ? service : { ...service, celery });
    },
  };
}

/** As kombu notes it when it hands a message to a worker. */
function inFlight({ cli }: Scene, hash: string, index: string, id: string, queue: string): void {
  const properties = { delivery_info: { exchange: '', routing_key: queue } };
  const message = { body: '', headers: { id, task: 'job' }, properties };
  cli('HSET', hash, `tag-${id}`, JSON.stringify([message, '', queue]));
  cli('ZADD', index, '1700000000', `tag-${id}`);
}

/** A worker that consumes a queue, as far as Redis and remote control show it. */
async function workerOn(
  { cli, redis }: Scene,
  queue: string,
  tasks: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const name = 'w@h';
  cli('SADD', '_kombu.binding.celery.pidbox', `${SEPARATOR}${SEPARATOR}${name}.celery.pidbox`);
  cli('SADD', `_kombu.binding.${queue}`, `${queue}${SEPARATOR}${SEPARATOR}${queue}`);
  const says = honest(queue, tasks);
  await fakeWorker({ port: redis.port, db: DB }, (control) => [[name, says(control)]]);
}

/** Of doctor and wipe together: exit codes, and what they say on one line. */
async function told({
  stack,
}: Scene): Promise<{ readonly codes: readonly unknown[]; readonly text: string }> {
  const doctor = await stack.run(['doctor']);
  const wipe = await stack.wipe();
  const text = [doctor.stdout, doctor.stderr, wipe.stdout, wipe.stderr].join(' ');
  return {
    codes: [doctor.code, wipe.code, wipe.service['verified']],
    text: text.replaceAll(/\\"/g, '"').replaceAll(/\s+/g, ' '),
  };
}

describe.skipIf(!requireOrSkip('redis'))('in-flight messages', () => {
  test('under another name are an error with the config line, and go when the config has it', async () => {
    const here = await scene();
    inFlight(here, 'svc:taken', 'svc:taken_index', 'own', 'media_queue');
    inFlight(here, 'svc:taken', 'svc:taken_index', 'foreign', 'foreign_queue');
    here.config({ queues: ['media_queue'] });
    const { codes, text } = await told(here);
    expect(codes).toEqual([1, 1, false]);
    expect(text).toContain(
      'services.media.celery: "unackedKey": "svc:taken", "unackedIndexKey": "svc:taken_index"',
    );
    expect(here.cli('HLEN', 'svc:taken')).toBe('2');
    here.config({
      ...{ queues: ['media_queue'], unackedKey: 'svc:taken', unackedIndexKey: 'svc:taken_index' },
    });
    const { code, service } = await here.stack.wipe();
    expect({ code, purged: service['tasks_purged'] }).toEqual({
      code: 0,
      purged: { queued: 0, in_flight: 1 },
    });
    expect(here.cli('HKEYS', 'svc:taken')).toBe('tag-foreign');
    expect(here.cli('ZRANGE', 'svc:taken_index', '0', '-1')).toBe('tag-foreign');
  });

  // [name of the hash, names of the others by their numbers, how many]
  test.each([
    ['media:unacked', 'media:', 20_000],
    ['media:old:inflight', 'media:old:', 20_000],
    ['media:17', 'media:', 3_000],
  ])('as %s among many hashes "%s<n>" are found', async (hash, family, number) => {
    const here = await scene();
    here.cli(
      'EVAL',
      `for i = 1, ${number} do redis.call('HSET', '${family}' .. (i + 1000), 'a', 1) end`,
      '0',
    );
    inFlight(here, hash, `${hash}_index`, 'own', 'media_queue');
    const line = `services.media.celery: "unackedKey": "${hash}", "unackedIndexKey": "${hash}_index"`;
    here.config({ queues: ['media_queue'] }, { foreignKeyPrefixes: ['media:'] });
    const { codes, text } = await told(here);
    expect(codes).toEqual([1, 1, false]);
    expect(text.split(line)).toHaveLength(3);
    expect(here.cli('HLEN', hash)).toBe('1');
  });

  test('behind another global prefix are an error with the line for that', async () => {
    const here = await scene();
    here.cli('SADD', 'p:_kombu.binding.media_queue', `x${SEPARATOR}${SEPARATOR}media_queue`);
    inFlight(here, 'p:unacked', 'p:unacked_index', 'own', 'media_queue');
    here.config({ queues: ['media_queue'] });
    const { codes, text } = await told(here);
    expect(codes).toEqual([1, 1, false]);
    expect(text).toContain('services.media.celery: "globalKeyPrefix": "p:"');
    expect(text).not.toContain('"unackedKey"');
  });

  test('of other queues under another name are no business of ours', async () => {
    const here = await scene();
    here.cli(
      'SADD',
      '_kombu.binding.media_queue',
      `media_queue${SEPARATOR}${SEPARATOR}media_queue`,
    );
    inFlight(here, 'taken', 'taken_index', 'foreign', 'foreign_queue');
    here.cli('HSET', 'settings', 'field', '["a", "b", "media_queue"]');
    here.config({ queues: ['media_queue'] }, { foreignKeyPrefixes: ['other:'] });
    expect((await told(here)).codes).toEqual([0, 0, true]);
  });

  test('that no worker names are not gone for good beside a client that takes messages', async () => {
    const here = await scene();
    here.config({ queues: ['media_queue'] });
    inFlight(here, 'unacked', 'unacked_index', 'one', 'media_queue');
    // The worker was killed.
    expect(await here.stack.wipe()).toMatchObject({ code: 0, service: { verified: true } });
    inFlight(here, 'unacked', 'unacked_index', 'two', 'media_queue');
    const socket = connect(here.redis.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.write(`SELECT ${DB}\r\nBRPOP media_queue 0.1\r\n`);
    for (let text = ''; !text.includes('*-1');) {
      const [data] = (await once(socket, 'data')) as [Buffer];
      text += data.toString();
    }
    const { code, service } = await here.stack.wipe();
    expect({ code, verified: service['verified'] }).toEqual({ code: 1, verified: false });
    expect(service['errors']).toEqual([expect.stringContaining('1 in-flight message went')]);
  });
});

describe.skipIf(!requireOrSkip('redis'))('a queue that is consumed here', () => {
  const LINE = '"celery": { "queues": ["used_queue"] }';

  test.each([
    ['while the config names another one', { queues: ['wrong_queue'] }],
    ['while the config names none', undefined],
  ])('%s is an error with the config line', async (_, celery) => {
    const here = await scene();
    await workerOn(here, 'used_queue');
    here.config(celery);
    const { codes, text } = await told(here);
    expect(codes).toEqual([1, 1, false]);
    expect(text).toContain(LINE);
    here.config(celery, { foreignKeyPrefixes: ['used_queue'] });
    expect((await told(here)).codes).toEqual([0, 0, true]);
  });

  test('is a neighbour’s where the service’s own queue is known here', async () => {
    const here = await scene();
    await workerOn(here, 'used_queue');
    here.cli('SADD', '_kombu.binding.own_queue', `own_queue${SEPARATOR}${SEPARATOR}own_queue`);
    here.config({ queues: ['own_queue'] });
    expect((await told(here)).codes).toEqual([0, 0, true]);
  });

  describe('while the service’s own queue is known here too', () => {
    const task = taskInfo('17', 'used_queue');
    const BOTH = '"celery": { "queues": ["own_queue","used_queue"] }';

    async function besideOwnQueue(tasks: Readonly<Record<string, unknown>>): Promise<Scene> {
      const here = await scene();
      await workerOn(here, 'used_queue', tasks);
      here.cli('SADD', '_kombu.binding.own_queue', `own_queue${SEPARATOR}${SEPARATOR}own_queue`);
      here.config({ queues: ['own_queue'] });
      return here;
    }

    test.each([
      ['running', { active: [task] }],
      ['reserved', { reserved: [task] }],
      ['scheduled', { scheduled: [{ eta: '2100-01-01T00:00:00', request: task }] }],
    ])('a worker’s %s task of a job is an error with the config line', async (_, tasks) => {
      const here = await besideOwnQueue(tasks);
      here.cli('SET', 'job:17', '{"id": "17", "status": "running"}');
      const { codes, text } = await told(here);
      expect(codes).toEqual([1, 1, false]);
      expect(text).toContain(BOTH);
      expect(text).toContain('"used_queue" has tasks with ids of its jobs');
      expect(here.cli('EXISTS', 'job:17')).toBe('0');
    });

    test('plan finds it too, and the config may say that the queue is another program’s', async () => {
      const here = await besideOwnQueue({ active: [task] });
      here.cli('SET', 'job:17', '{"id": "17", "status": "running"}');
      expect((await here.stack.run(['media', '--dry-run'])).code).toBe(1);
      here.config({ queues: ['own_queue'] }, { foreignKeyPrefixes: ['used_queue'] });
      expect((await told(here)).codes).toEqual([0, 0, true]);
    });

    test('a task is found among more jobs than are remembered', async () => {
      const here = await besideOwnQueue({ active: [task] });
      here.cli('EVAL', "for i = 1, 1e5 do redis.call('SET', 'job:' .. i, '{}') end", '0');
      const { code, service } = await here.stack.wipe();
      expect({ code, jobs: service['jobs_removed'] }).toEqual({ code: 1, jobs: 100_000 });
      expect(service['errors']).toEqual([expect.stringContaining('"used_queue" has tasks')]);
    });

    test('a neighbour’s tasks are no error', async () => {
      const here = await besideOwnQueue({ active: [task] });
      here.cli('SET', 'job:18', '{"id": "18", "status": "done"}');
      expect((await told(here)).codes).toEqual([0, 0, true]);
    });
  });

  test('is found without the kind jobs as well', async () => {
    const here = await scene();
    await workerOn(here, 'used_queue');
    here.config({ queues: ['wrong_queue'] });
    const { code, stdout, stderr } = await here.stack.run(['media', '--yes', '--only', 'queue']);
    expect(code).toBe(1);
    expect((stdout + stderr).replaceAll(/\s+/g, ' ')).toContain(LINE);
  });
});

describe.skipIf(!requireOrSkip('redis'))(
  'a worker that does not listen, beside a user who may not see clients',
  () => {
    test.each([
      ['may run where something listens to patterns', true, 1],
      ['is gone where nothing does', false, 0],
    ])('%s', async (_, isThere, expected) => {
      const at = await scene();
      const { stack, redis, cli } = at;
      const rights = ['~*', '&*', '+@all', '-client', '+client|setname'];
      redis.cli('ACL', 'SETUSER', 'narrow', 'on', '>secret', ...rights);
      const url = redis.url(DB).replace('redis://', 'redis://narrow:secret@');
      at.config({ queues: ['q1'] }, { redis: url });
      cli('SET', 'job:1', '{}');
      cli('SADD', '_kombu.binding.celeryev', ['worker.#', '', 'celeryev.1'].join(SEPARATOR));
      if (isThere) await fakeWorker({ port: redis.port, db: DB + 1 }, () => []);
      const { code, service } = await stack.wipe();
      const errors = isThere ? [expect.stringMatching(/may not see the clients/)] : [];
      expect({ code, ...service }).toMatchObject({ code: expected, verified: !isThere, errors });
    });
  },
);
