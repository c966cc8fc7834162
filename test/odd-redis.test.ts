/**
 * Servers that have renamed or removed commands, and users who may touch only some of the keys: what can
 * be done another way is done, what is allowed goes, and nothing is called verified that was not seen.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ownStack, redisFor, type OwnStack } from './support/own-config.ts';
import { pipeCommands, times, type Command } from './support/redis-fill.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { until } from './support/until.ts';

const QUEUE = 'media_queue';
const JOBS = 250;
const MESSAGES = 40;

function envelope(id: string): string {
  return JSON.stringify({ body: '', headers: { id, task: 't' }, properties: {} });
}

/** Jobs with results, queued messages, messages in flight, and what belongs to others. */
function fill({ port }: TestRedis): void {
  const entry = (id: string, queue: string): string =>
    JSON.stringify([JSON.parse(envelope(id)) as object, '', queue]);
  pipeCommands(port, 0, [
    ...times(JOBS, (at): Command => ['SET', `job:${at}`, '{}']),
    ...times(JOBS, (at): Command => ['SET', `celery-task-meta-${at}`, '{}']),
    ...times(MESSAGES, (at): Command => ['LPUSH', QUEUE, envelope(`queued-${at}`)]),
    ...times(MESSAGES, (at): Command => ['SET', `celery-task-meta-queued-${at}`, '{}']),
    ...times(MESSAGES, (at): Command => ['HSET', 'unacked', `tag-${at}`, entry(`${at}`, QUEUE)]),
    ...times(MESSAGES, (at): Command => ['ZADD', 'unacked_index', '1', `tag-${at}`]),
    ['HSET', 'unacked', 'of-another', entry('other', 'another_queue')],
    ['ZADD', 'unacked_index', '1', 'of-another'],
    ['SET', 'another:1', 'x'],
    ['RPUSH', 'another_queue', 'a message'],
  ]);
}

const OTHERS = ['another:1', 'another_queue', 'unacked', 'unacked_index'];

function keysOf(redis: TestRedis): readonly string[] {
  return redis
    .cli('--scan')
    .split('\n')
    .filter((key) => key !== '')
    .toSorted();
}

function expectOthers(redis: TestRedis): void {
  expect(redis.cli('HKEYS', 'unacked')).toBe('of-another');
  expect(redis.cli('ZRANGE', 'unacked_index', '0', '-1')).toBe('of-another');
  expect(redis.cli('LRANGE', 'another_queue', '0', '-1')).toBe('a message');
}

async function scene(renamed: readonly string[] = []): Promise<{
  readonly stack: OwnStack;
  readonly redis: TestRedis;
}> {
  const stack = ownStack();
  const config = renamed.map((command) => `rename-command ${command} ""`);
  const redis = await redisFor(stack, { config });
  stack.config({ redis: redis.url(0), keyPrefix: 'job:', celery: { queues: [QUEUE] } });
  fill(redis);
  return { stack, redis };
}

const WIPED = {
  jobs_removed: JOBS,
  results_removed: JOBS + MESSAGES,
  tasks_purged: { queued: MESSAGES, in_flight: MESSAGES },
  verified: true,
  errors: [],
};

describe.skipIf(!requireOrSkip('redis'))('a server without some commands', () => {
  test.each([
    [['UNLINK', 'MULTI']],
    [['UNLINK', 'MULTI', 'EVAL', 'TYPE', 'DBSIZE', 'CLIENT', 'INFO', 'PUBLISH']],
    [['EXEC', 'EVAL']],
  ])('%j: all is wiped by other commands, and verified', async (renamed) => {
    const { stack, redis } = await scene(renamed);
    const { code, service } = await stack.wipe();
    expect(service).toMatchObject(WIPED);
    expect(code).toBe(0);
    expect(keysOf(redis)).toEqual(OTHERS);
    expectOthers(redis);
  });

  test('doctor and plan name each, and what is done instead', async () => {
    const { stack } = await scene(['UNLINK', 'MULTI', 'TYPE', 'DBSIZE']);
    const { stdout } = await stack.run(['doctor', 'media']);
    const { warnings } = (await stack.plan()) as { readonly warnings: readonly string[] };
    for (const [name, instead] of [
      ['UNLINK', 'DEL'],
      ['MULTI', 'alone'],
      ['TYPE', 'LLEN'],
      ['DBSIZE', 'not known'],
    ] as const) {
      const told = new RegExp(`No command ${name}: .*${instead}.*rename-command`);
      expect(stdout).toMatch(told);
      expect(warnings).toContainEqual(expect.stringMatching(told));
    }
    // All of it can be wiped.
    expect(stdout).not.toMatch(/x (?:commands|acl)/);
  });

  test('without SCAN nothing is known of jobs and queues, and that is told', async () => {
    const { stack, redis } = await scene(['SCAN']);
    const doctor = await stack.run(['doctor', 'media']);
    expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringMatching(/no command: SCAN/)]);
    const { code, service } = await stack.wipe();
    expect(code).toBe(1);
    expect(service).toMatchObject({ verified: false, unknown: ['jobs', 'queue'] });
    expect(service['remaining']).toMatchObject({ jobs: null, tasks: null });
    expect(redis.cli('EXISTS', QUEUE, 'job:0', 'job:1')).toBe('3');
    expectOthers(redis);
  });

  test('neither UNLINK nor DEL: the messages go, the jobs are told and counted', async () => {
    const { stack, redis } = await scene(['UNLINK', 'DEL']);
    const { code, service } = await stack.wipe();
    expect(code).toBe(1);
    expect(service).toMatchObject({ verified: false, tasks_purged: WIPED.tasks_purged });
    expect(service['remaining']).toMatchObject({ jobs: JOBS, tasks: 0 });
    expect(service['errors']).toEqual(
      expect.arrayContaining([expect.stringMatching(/no command UNLINK/) as string]),
    );
    expect(redis.cli('EXISTS', QUEUE, 'job:0', 'job:1')).toBe('2');
    expectOthers(redis);
  });
});

describe.skipIf(!requireOrSkip('redis'))('a server that cannot now', () => {
  test('save to its disk: doctor, plan and wipe tell, and nothing counts as come back', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack, {
      config: ['save 900 1', 'enable-protected-configs yes'],
    });
    fill(redis);
    mkdirSync(stack.path('gone'));
    redis.cli('CONFIG', 'SET', 'dir', stack.path('gone'));
    rmSync(stack.path('gone'), { recursive: true });
    redis.cli('BGSAVE');
    await until('the save fails', () =>
      redis.cli('INFO', 'persistence').includes('rdb_last_bgsave_status:err'),
    );
    stack.config({ redis: redis.url(0), keyPrefix: 'job:', celery: { queues: [QUEUE] } });
    const doctor = await stack.run(['doctor', 'media']);
    expect([doctor.code, doctor.stdout]).toEqual([
      1,
      expect.stringMatching(
        /x saving .*refuses writes because it cannot save to disk.*bgsave-error/,
      ),
    ]);
    expect((await stack.plan())['warnings']).toContainEqual(
      expect.stringMatching(/refuses writes because it cannot save/),
    );
    const { code, service } = await stack.wipe();
    expect([code, service['verified'], service['jobs_removed']]).toEqual([1, false, 0]);
    expect(service['remaining']).toMatchObject({ jobs: JOBS, tasks: 2 * MESSAGES });
    expect(service['came_back']).toMatchObject({ jobs: 0, tasks: 0 });
    expect(redis.cli('LLEN', QUEUE)).toBe(String(MESSAGES));
  });

  test('since it loads its data: doctor says so at once, and a wipe waits for it', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack, { config: ['enable-debug-command yes'] });
    fill(redis);
    stack.config({ redis: redis.url(0), keyPrefix: 'job:', celery: { queues: [QUEUE] } });
    const delays = ['key-load-delay', '15000', 'loading-process-events-interval-bytes', '1024'];
    redis.cli('CONFIG', 'SET', ...delays);
    const reload = spawn('redis-cli', ['-p', String(redis.port), 'DEBUG', 'RELOAD']);
    onTestFinished(() => void reload.kill());
    await until('it loads', () => redis.cli('INFO', 'persistence').includes('loading:1'));
    const doctor = await stack.run(['doctor', 'media']);
    expect([doctor.code, doctor.stdout]).toEqual([
      1,
      expect.stringMatching(/x redis .*still loading its data \(\d+ %/),
    ]);
    const { code, service } = await stack.wipe();
    expect(service).toMatchObject(WIPED);
    expect(code).toBe(0);
    expectOthers(redis);
  });
});

const USER = 'janitor';

/** The stack's config, as a user who may send all commands and touch these keys. */
async function sceneOf(keys: readonly string[], service: object = {}, commands = ['+@all']) {
  const { stack, redis } = await scene();
  const allowed = keys.map((pattern) => `~${pattern}`);
  redis.cli('ACL', 'SETUSER', USER, 'on', '>secret', '&*', ...allowed, ...commands);
  stack.config({
    redis: `redis://${USER}:secret@127.0.0.1:${redis.port}/0`,
    keyPrefix: 'job:',
    celery: { queues: [QUEUE] },
    ...service,
  });
  return { stack, redis };
}

const CELERY = [QUEUE, 'unacked', 'unacked_index', '_kombu.*', '*.pidbox', 'media-cleanup:*'];

describe.skipIf(!requireOrSkip('redis'))('a user who may touch some of the keys', () => {
  test('some jobs of a prefix: those go, the others are counted and told once', async () => {
    const { stack, redis } = await sceneOf(['job:1*', 'celery-task-meta-*', ...CELERY]);
    const { code, service } = await stack.wipe();
    const allowed = times(JOBS, (at) => [`job:${at}`]).filter(([key]) => key.startsWith('job:1'));
    expect(code).toBe(1);
    expect(service).toMatchObject({
      jobs_removed: allowed.length,
      tasks_purged: WIPED.tasks_purged,
      verified: false,
    });
    expect(service['remaining']).toMatchObject({ jobs: JOBS - allowed.length });
    expect(service['errors']).toHaveLength(1);
    const left = keysOf(redis).filter((key) => key.startsWith('job:'));
    expect(left).toHaveLength(JOBS - allowed.length);
    expect(left.some((key) => key.startsWith('job:1'))).toBe(false);
  });

  test('some jobs may be read: with --older-than those go, and the others stay', async () => {
    const { stack, redis } = await sceneOf(['job:1*', 'celery-task-meta-*', ...CELERY]);
    const old = JSON.stringify({ created_at: '2020-01-01T00:00:00Z' });
    redis.cli('MSET', 'job:1', old, 'job:2', old);
    const { code, stdout } = await stack.run([
      ...['media', '--yes', '--json', '--older-than', '1d', '--only', 'jobs'],
    ]);
    expect(redis.cli('EXISTS', 'job:1')).toBe('0');
    expect(redis.cli('EXISTS', 'job:2', 'job:3')).toBe('2');
    expect(stdout).toMatch(/their ages are not known/);
    expect(code).toBe(0);
  });

  test('some results: those go, and the others are told', async () => {
    const { stack, redis } = await sceneOf(['job:*', 'celery-task-meta-1*', ...CELERY]);
    const { code, service } = await stack.wipe();
    expect([code, service['verified'], service['jobs_removed']]).toEqual([1, false, JOBS]);
    const left = keysOf(redis).filter((key) => key.startsWith('celery-task-meta-'));
    expect(left).not.toEqual([]);
    expect(left.some((key) => key.startsWith('celery-task-meta-1'))).toBe(false);
    expect(service['errors']).toContainEqual(
      expect.stringMatching(new RegExp(`${left.length} keys of celery-task-meta-\\*`)),
    );
  });

  test('the index of what is in flight is forbidden: no message comes back', async () => {
    const { stack, redis } = await sceneOf([
      ...['job:*', 'celery-task-meta-*', QUEUE, 'unacked', '_kombu.*', '*.pidbox'],
    ]);
    const { code, service } = await stack.wipe();
    expect([code, service['verified']]).toEqual([1, false]);
    expect(service['tasks_purged']).toEqual(WIPED.tasks_purged);
    expect(redis.cli('HKEYS', 'unacked')).toBe('of-another');
    expect(service['errors']).toEqual([expect.stringMatching(/unacked_index/)]);
  });

  test.each([
    ['no key of it is there: verified', [], 0],
    ['keys of it are there: they stay, and are told', ['celery-task-meta-1'], 1],
  ] as const)('a spelling of the results is forbidden, and %s', async (_, foreign, expected) => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    redis.cli('ACL', 'SETUSER', USER, 'on', '>secret', '&*', '~p:*', '+@all', '-@admin', '+client');
    redis.cli('MSET', 'p:job:1', '{}', 'p:job:2', '{}');
    redis.cli('MSET', 'p:celery-task-meta-1', '{}', 'p:celery-task-meta-2', '{}');
    for (const key of foreign) redis.cli('SET', key, 'of somebody');
    stack.config({
      redis: `redis://${USER}:secret@127.0.0.1:${redis.port}/0`,
      keyPrefix: 'p:job:',
      celery: { queues: [QUEUE], globalKeyPrefix: 'p:' },
    });
    const { code, service } = await stack.wipe();
    expect(keysOf(redis)).toEqual(foreign);
    expect(service).toMatchObject({ jobs_removed: 2, results_removed: 2 });
    expect([code, service['verified']]).toEqual([expected, expected === 0]);
    expect(service['errors']).toHaveLength(foreign.length);
  });
});
