/** Results in a Redis of their own, and behind a prefix of their own. */
import { describe, expect, test } from 'vitest';
import { ownStack, redisFor } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
import type { TestRedis } from './support/redis.ts';

const possible = requireOrSkip('redis');

const RESULT = '{"status": "SUCCESS"}';
const NEIGHBOURS = ['celery-task-meta-foreign', 'job:one', 'res_celery-task-meta-foreign', 'other'];

function message(id: string): string {
  return JSON.stringify({
    ...{ body: '', 'content-type': 'application/json', 'content-encoding': 'utf-8' },
    headers: { id, task: 'work' },
    properties: { delivery_info: { exchange: '', routing_key: 'work' }, delivery_tag: id },
  });
}

/** Jobs and queue in one Redis, results and a neighbour's keys in database 3 of another. */
async function scene() {
  const stack = ownStack();
  const redis = await redisFor(stack);
  const backend = await redisFor(stack);
  const job = (id: string): string =>
    JSON.stringify({ id, status: 'completed', created_at: '2026-01-01T00:00:00' });
  for (const id of ['one', 'two', 'three']) redis.cli('SET', `job:${id}`, job(id));
  redis.cli('RPUSH', 'work', message('queued'));
  redis.cli('HSET', 'unacked', 'taken', JSON.stringify([JSON.parse(message('taken')), '', 'work']));
  redis.cli('ZADD', 'unacked_index', '1', 'taken');
  for (const id of ['one', 'two', 'queued', 'taken'])
    backend.cli('-n', '3', 'SET', `res_celery-task-meta-${id}`, RESULT);
  for (const key of NEIGHBOURS) backend.cli('-n', '3', 'SET', key, RESULT);
  backend.cli('-n', '3', 'RPUSH', 'work', message('foreign'));
  const service = (celery: object = {}): object => ({
    redis: redis.url(0),
    keyPrefix: 'job:',
    celery: {
      queues: ['work'],
      resultBackend: backend.url(3),
      resultKeyPrefix: 'res',
      ...celery,
    },
  });
  return { stack, redis, backend, service };
}

function keysOf(redis: TestRedis, db: number): readonly string[] {
  return redis
    .entries(db)
    .map(({ key }) => key)
    .toSorted();
}

describe.skipIf(!possible)('a result backend of its own', () => {
  test('loses the results of what was removed, and nothing else', async () => {
    const { stack, redis, backend, service } = await scene();
    stack.config(service());
    expect(await stack.plan()).toMatchObject({ jobs_removed: 3, results_removed: 4 });
    const { code, service: report } = await stack.wipe();
    expect({ code, ...report }).toMatchObject({
      ...{ code: 0, verified: true, errors: [], warnings: [] },
      ...{ jobs_removed: 3, results_removed: 4, tasks_purged: { queued: 1, in_flight: 1 } },
    });
    expect(keysOf(redis, 0)).toEqual([]);
    expect(keysOf(backend, 3)).toEqual([...NEIGHBOURS, 'work'].toSorted());
    const doctor = await stack.run(['doctor', 'media']);
    expect(doctor.stdout).toMatch(/results\s.*\/3 answers/);
    expect(doctor.stdout).toMatch(/may do what a wipe of results needs/);
  });

  test('with results "all" loses all results behind the prefix', async () => {
    const { stack, backend, service } = await scene();
    stack.config(service({ results: 'all' }));
    const { code, service: report } = await stack.wipe();
    expect({ code, ...report }).toMatchObject({ code: 0, verified: true, results_removed: 5 });
    const left = [...NEIGHBOURS, 'work'].filter((key) => !key.startsWith('res_'));
    expect(keysOf(backend, 3)).toEqual(left.toSorted());
  });

  test('that is down leaves the results, and nothing is verified', async () => {
    const { stack, redis, backend, service } = await scene();
    stack.config(service());
    await backend.stop();
    const { code, service: report } = await stack.wipe();
    expect({ code, ...report }).toMatchObject({ code: 1, verified: false, jobs_removed: 3 });
    expect(report['errors']).toEqual([expect.stringMatching(/\/3: Connection refused/)]);
    expect(keysOf(redis, 0)).toEqual([]);
  });

  test('that a user may not touch is told by doctor, and refused by --strict', async () => {
    const { stack, backend, service } = await scene();
    backend.cli('ACL', 'SETUSER', 'narrow', 'on', '>secret', '+@all', '~job:*', '&*');
    const url = backend.url(3).replace('redis://', 'redis://narrow:secret@');
    stack.config(service({ resultBackend: url }));
    expect((await stack.run(['doctor', 'media'])).stdout).toMatch(
      /narrow may not: .*res_celery-task-meta-/,
    );
    const strict = await stack.run(['media', '--yes', '--strict']);
    expect(strict.code).toBe(3);
    const { code, service: report } = await stack.wipe();
    expect({ code, ...report }).toMatchObject({ code: 1, verified: false });
  });

  test('that does not answer is named with its setting', async () => {
    const { stack, service } = await scene();
    stack.config(service({ resultBackend: 'redis://127.0.0.1:1/5' }));
    const doctor = await stack.run(['doctor', 'media']);
    expect(doctor.code).toBe(1);
    expect(doctor.stdout.replaceAll(/\s+/g, ' ')).toContain(
      'correct `celery.resultBackend` of this',
    );
    expect(doctor.stdout).not.toContain('`redis` of this');
  });

  test('that another service has its jobs in forbids results "all"', async () => {
    const { stack, backend, service } = await scene();
    stack.configAll({
      media: service({ results: 'all' }),
      other: { redis: backend.url(3), keyPrefix: 'job:' },
    });
    const { code, stderr } = await stack.run(['media', '--yes']);
    expect(code).toBe(2);
    expect(stderr).toContain('would delete the results of');
  });
});

describe.skipIf(!possible)('results that the config does not name a place for', () => {
  const jobs = ['5f0c2d1e-one', '5f0c2d1e-two'];
  async function place(celery: object, database: number) {
    const stack = ownStack();
    const redis = await redisFor(stack);
    for (const id of jobs) {
      redis.cli('SET', `job:${id}`, JSON.stringify({ id, created_at: '2026-01-01T00:00:00' }));
      redis.cli('-n', String(database), 'SET', `celery-task-meta-${id}`, RESULT);
    }
    redis.cli('-n', String(database), 'SET', 'celery-task-meta-foreign', RESULT);
    const named = { broker: redis.url(1), queues: ['work'], ...celery };
    stack.config({ redis: redis.url(0), keyPrefix: 'job:', celery: named });
    return { stack, redis, left: () => keysOf(redis, database) };
  }

  test.each([
    ['the broker’s database', {}, 1],
    ['the broker’s, and with another prefix than the config says', { resultKeyPrefix: 'x' }, 1],
  ])('go with their jobs in %s', async (_, celery, database) => {
    const { stack, left } = await place(celery, database);
    expect(await stack.plan()).toMatchObject({ results_removed: 2 });
    const { code, service } = await stack.wipe();
    expect({ code, ...service }).toMatchObject({ code: 0, verified: true, results_removed: 2 });
    expect(left()).toEqual(['celery-task-meta-foreign']);
  });

  test('are an error with the config line in another database of the server', async () => {
    const { stack, left } = await place({}, 5);
    const doctor = await stack.run(['doctor', 'media']);
    expect(doctor.code).toBe(1);
    const { code, service, stderr } = await stack.wipe();
    expect({ code, ...service }).toMatchObject({ code: 1, verified: false, results_removed: 0 });
    for (const text of [doctor.stdout, stderr, String(service['errors'])])
      expect(text).toContain('database 5');
    expect(doctor.stdout).toMatch(/"resultBackend": "redis:\/\/127\.0\.0\.1:\d+\/5"/);
    expect(left()).toHaveLength(3);
  });

  test('are another stack’s where its jobs of the same ids are', async () => {
    const { stack, redis, left } = await place({}, 5);
    for (const id of jobs) redis.cli('-n', '5', 'SET', `job:${id}`, '{}');
    const { code, service } = await stack.wipe();
    expect({ code, ...service }).toMatchObject({ code: 0, verified: true, results_removed: 0 });
    expect(left()).toHaveLength(5);
  });
});

describe.skipIf(!possible)('results behind a prefix that the config does not have', () => {
  const ids = Array.from({ length: 30 }, (_, index) => `5f0c2d1e-${100 + index}`);
  async function stackBehind(front: string, config: object = {}) {
    const stack = ownStack();
    const redis = await redisFor(stack);
    const celery = { queues: ['work'] };
    stack.config({ redis: redis.url(0), keyPrefix: 'job:', celery, ...config });
    const names = ids.flatMap((id) => [`job:${id}`, `${front}celery-task-meta-${id}`]);
    // So many that a few samples show none of the service's.
    for (const id of ids)
      for (const more of 'abc') names.push(`${front}celery-task-meta-${id}${more}`);
    redis.cli('MSET', ...names.flatMap((name) => [name, RESULT]));
    return { stack, left: () => keysOf(redis, 0).filter((key) => !key.startsWith('job:')).length };
  }

  test.each([
    ['rp:', 'rp:'],
    ['rp_', 'rp'],
    ['rp:_', 'rp:'],
  ])('are an error with the config line: %s', async (front, line) => {
    const { stack, left } = await stackBehind(front);
    const doctor = await stack.run(['doctor', 'media']);
    expect(doctor.code).toBe(1);
    const plan = await stack.plan();
    const { code, service } = await stack.wipe();
    expect({ code, ...service }).toMatchObject({ code: 1, verified: false, jobs_removed: 30 });
    for (const text of [
      doctor.stdout,
      JSON.stringify(plan).replaceAll('\\', ''),
      String(service['errors']),
    ])
      expect(text).toContain(`30 results or more of its jobs stand behind "${front}"`);
    expect(doctor.stdout.replaceAll(/\s+/g, ' ')).toContain(`"resultKeyPrefix": "${line}"`);
    expect(left()).toBe(120);
  });

  test.each<[string, object]>([
    ['they are said to be another’s', { foreignKeyPrefixes: ['rp:'] }],
    ['results are none of the service’s', { celery: { queues: ['work'], results: 'none' } }],
  ])('are no error where %s', async (_, config) => {
    const { stack, left } = await stackBehind('rp:', config);
    const { code, service } = await stack.wipe();
    expect({ code, ...service }).toMatchObject({ code: 0, verified: true, jobs_removed: 30 });
    expect(left()).toBe(120);
  });
});
