/** Which results go with a job where the prefix has no separator, or the task's id is made of the job's. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ownStack, redisFor, type OwnStack } from './support/own-config.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';

const UUIDS = Array.from({ length: 5 }, () => randomUUID());
const FOREIGN = randomUUID();

async function stackWith(
  keyPrefix: string,
  jobs: readonly string[],
  results: readonly string[],
): Promise<{ stack: OwnStack; redis: TestRedis }> {
  const stack = ownStack();
  const redis = await redisFor(stack);
  stack.config({ redis: redis.url(), keyPrefix, celery: { queues: ['q'] } });
  for (const key of jobs) redis.cli('SET', key, '{"status":"queued"}');
  for (const id of results) redis.cli('SET', `celery-task-meta-${id}`, '{}');
  return { stack, redis };
}

describe.skipIf(!requireOrSkip('redis'))('results of removed jobs', () => {
  test.each([
    ['job', ':', ['1', '2', '3']],
    ['job', '_', UUIDS],
    ['job', '', UUIDS],
    ['job:', '', UUIDS],
  ])('go with prefix %j and separator %j; those of others stay', async (prefix, between, ids) => {
    const { stack, redis } = await stackWith(
      prefix,
      ids.map((id) => `${prefix}${between}${id}`),
      [...ids, FOREIGN],
    );
    const plan = await stack.plan();
    const { code, service } = await stack.wipe();
    expect(redis.cli('KEYS', '*')).toBe(`celery-task-meta-${FOREIGN}`);
    expect(code).toBe(0);
    expect(service).toMatchObject({ verified: true, jobs_removed: ids.length });
    expect(service).toMatchObject({ results_removed: ids.length });
    expect(plan['results_removed']).toBe(ids.length);
  });

  test.each<[what: string, jobs: (id: string) => string, task: (id: string) => string]>([
    ['a suffix of the job', (id) => `job:${id}:data`, (id) => id],
    ['a word before the task', (id) => `job:${id}`, (id) => `task-${id}`],
    ['capitals', (id) => `job:${id.toUpperCase()}`, (id) => id],
  ])('that only look alike stay, are named, and nothing is verified: %s', async (_, job, task) => {
    for (const ids of [UUIDS, ['101', '102', '103']]) {
      if (ids[0] === '101' && job('a') === 'job:A') continue;
      const { stack, redis } = await stackWith('job:', ids.map(job), ids.map(task));
      const { code, service } = await stack.wipe();
      expect(Number(redis.cli('DBSIZE'))).toBe(ids.length);
      expect(code).toBe(1);
      expect(service).toMatchObject({ verified: false, jobs_removed: ids.length });
      expect(service['errors']).toEqual([
        expect.stringMatching(/results.*celery-task-meta-.*look like those of jobs/),
      ]);
    }
  });
});
