/**
 * Redis users with less than all permissions. What one may not do costs what needs it and nothing
 * else: the error names the missing permission, the keys and the command that grants it.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { enqueue } from './support/celery.ts';
import { makeFiles, type JsonReport, type ReportedService } from './support/config-file.ts';
import type { Result } from './support/confine.ts';
import { fillQuickly, startLiveStack, type LiveStack } from './support/live-stack.ts';
import { ownStack, redisFor } from './support/own-config.ts';
import { redisCounts } from './support/redis-census.ts';
import { requireOrSkip } from './support/requirements.ts';
import { celeryApp, directoryOf, SERVICES } from './support/stack.ts';
import { NOTHING_LEFT, leftOf, readyWorker, VIDEO, VIDEO_QUEUE } from './support/video-workers.ts';
import { fileList } from './support/witness.ts';

const USER = 'janitor';
const SECRET = 's3cret-passw0rd';
const PRIORITIES = `${VIDEO_QUEUE}\x06\x16*`;

/** Found by taking one away at a time: without any of these a wipe is not total. */
const LEAST = [
  ...['+select', '+scan', '+unlink', '+type', '+llen', '+lrange', '+ltrim', '+multi', '+exec'],
  ...['+hscan', '+hdel', '+zrem'],
  ...['~video_job:*', '~celery-task-meta-*', `~${VIDEO_QUEUE}`, `~${PRIORITIES}`],
  ...['~unacked', '~unacked_index'],
];
/** What asking and holding workers needs beyond it. */
const WORKERS = [
  ...['+publish', '&/1.celery.pidbox', '+sadd', '+srem', '+smembers', '+time'],
  ...['+hset', '+hgetall', '+hmget', '+client|list', '+client|setname'],
  ...['~_kombu.binding.*', '~*.reply.celery.pidbox', '~media-cleanup:held-consumers'],
];
/** What keeping away runs on other hosts needs. */
const LOCK = ['+set', '+get', '+pexpire', '+eval', '~media-cleanup:lock:*'];
/** A user that may do all, less what is taken off behind it. */
const ALL = ['+@all', '~*', '&*'];

const EVERYTHING = { jobs: 3, results: 1, queued: 2, inFlight: 1 };
/** Where the keys are kept that every test begins with. */
const TEMPLATE = '9';

let stack: LiveStack;
let end = async (): Promise<void> => undefined;

/** redis-cli in the service's database, as the default user. */
function cli(...args: readonly string[]): string {
  return stack.redis.cli('-n', '1', ...args);
}

/** Celery's own messages are made once, since Python takes its time. */
async function startFilled(): Promise<void> {
  ({ stack, end } = await startLiveStack());
  fillQuickly(stack, [VIDEO]);
  cli('MSET', 'other_job:1', 'x', 'celery-task-meta-foreign', '{}');
  cli('RPUSH', 'foreign_queue', 'a message');
  cli('HSET', 'unacked', 'foreign', '[{}, "", "foreign_queue"]');
  cli('ZADD', 'unacked_index', '1', 'foreign');
  copyKeys('1', TEMPLATE);
}

/** The video-downloader with 3 jobs, a result, 2 queued messages, one in flight, and files. */
function refill(): void {
  cli('FLUSHDB');
  copyKeys(TEMPLATE, '1');
  for (const directory of SERVICES[VIDEO].directories) {
    makeFiles(directoryOf(stack.folder, VIDEO, directory), 2);
  }
}

function copyKeys(from: string, to: string): void {
  const lua = `for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('COPY', key, key, 'DB', ARGV[1]) end`;
  stack.redis.cli('-n', from, 'EVAL', lua, '0', to);
}

/** What belongs to others in the service's database, and how much there is in the next one. */
function neighbours(): string {
  const lua = `
    -- Neither has an order: a hash table that Redis shrinks meanwhile lists them anew.
    local function sorted(list) table.sort(list) return list end
    local bindings = {}
    for _, key in ipairs(sorted(redis.call('KEYS', '_kombu.binding.*'))) do
      table.insert(bindings, {key, sorted(redis.call('SMEMBERS', key))})
    end
    local found = cjson.encode({
      redis.call('MGET', 'other_job:1', 'celery-task-meta-foreign'),
      redis.call('LRANGE', 'foreign_queue', 0, -1),
      redis.call('HGET', 'unacked', 'foreign'),
      redis.call('ZSCORE', 'unacked_index', 'foreign'),
      redis.call('LRANGE', 'video_downloader_queue:3', 0, -1),
      bindings,
    })
    redis.call('SELECT', 0)
    return found .. redis.call('DBSIZE')`;
  return cli('EVAL', lua, '0');
}

function urlOf(permissions: readonly string[], db = 1): string {
  stack.redis.cli('ACL', 'SETUSER', USER, 'reset', 'on', `>${SECRET}`, ...permissions);
  return `redis://${USER}:${SECRET}@127.0.0.1:${stack.redis.port}/${db}`;
}

/** Runs the tool as a user with these permissions; the password must be nowhere. */
async function runAs(
  permissions: readonly string[],
  args: readonly string[],
  db?: number,
): Promise<Result> {
  const url = urlOf(permissions, db);
  const result = await stack.run([...args, VIDEO], {
    env: { ...stack.env, VIDEO_DOWNLOADER_REDIS_URL: url },
  });
  expect(result.stdout + result.stderr).not.toContain(SECRET);
  expect(result.stdout + result.stderr).not.toMatch(/^\s+at /m);
  return result;
}

interface Outcome {
  readonly code: number | null;
  readonly report: JsonReport;
  readonly service: ReportedService & {
    readonly results_removed: number;
    readonly tasks_purged: { readonly queued: number; readonly in_flight: number };
  };
}

/** Wipes the service, and nothing of its neighbours. */
async function wipeAs(permissions: readonly string[], db?: number): Promise<Outcome> {
  const before = neighbours();
  const { code, stdout } = await runAs(permissions, ['--yes', '--json'], db);
  expect(neighbours()).toBe(before);
  const report = JSON.parse(stdout) as JsonReport;
  return { code, report, service: report.services[VIDEO] as Outcome['service'] };
}

/** The hint whose command would grant this permission on these keys. */
function expectRemedy({ code, report, service }: Outcome, permission: string, key: string): void {
  expect(code).toBe(1);
  expect(report).toMatchObject({ status: 'completed_with_errors', verified: false });
  const hints = service.failures.filter((failure) => failure.code === 'NOPERM');
  const matching = hints.filter(
    ({ hint }) =>
      new RegExp(`ACL SETUSER ${USER}\\b`).test(hint) &&
      hint.toLowerCase().includes(permission.toLowerCase()) &&
      hint.includes(key),
  );
  expect(matching, JSON.stringify(service.failures, undefined, 2)).not.toEqual([]);
}

/** The same line three times tells nothing more than once. */
function expectNoRepetition({ report }: Outcome): void {
  expect(new Set(report.errors).size).toBe(report.errors.length);
}

function filesLeft(): readonly string[] {
  const { folder } = stack;
  return SERVICES[VIDEO].directories.flatMap((name) => fileList(directoryOf(folder, VIDEO, name)));
}

describe.skipIf(!requireOrSkip('redis', 'celery'))('a Redis user', () => {
  beforeAll(startFilled);
  afterAll(async () => await end());
  beforeEach(() => {
    refill();
    expect(redisCounts(stack.redis, VIDEO)).toEqual(EVERYTHING);
  });

  describe('with what a wipe needs and no more', () => {
    test('all is wiped, and workers that could not be asked are a warning', async () => {
      const { code, report, service } = await wipeAs([...LEAST, ...LOCK]);
      expect(report).toMatchObject({ status: 'completed', errors: [], verified: true });
      expect(service).toMatchObject({ jobs_removed: 3, results_removed: 1 });
      expect(service.tasks_purged).toEqual({ queued: 2, in_flight: 1 });
      expect(service.warnings).toEqual([expect.stringMatching(/publish/) as string]);
      expect(code).toBe(0);
      expect(leftOf(stack, VIDEO)).toEqual(NOTHING_LEFT);
    });

    test('with what remote control needs there is nothing to warn of', async () => {
      const { code, report } = await wipeAs([...LEAST, ...LOCK, ...WORKERS]);
      expect(report).toMatchObject({ status: 'completed', errors: [], warnings: [] });
      expect(code).toBe(0);
      expect(leftOf(stack, VIDEO)).toEqual(NOTHING_LEFT);
    });

    test('a worker is asked, held, and goes on', async () => {
      const app = celeryApp(stack.folder, stack.redis, VIDEO);
      const worker = await readyWorker(app);
      enqueue(app, [{ id: 'long', task: 'sleep', args: [600] }]);
      await worker.waitForLog('Task sleep[long] received');
      const { report } = await wipeAs([...LEAST, ...LOCK, ...WORKERS]);
      expect(report).toMatchObject({ status: 'completed', errors: [], warnings: [] });
      expect(redisCounts(stack.redis, VIDEO)).toMatchObject({ jobs: 0, queued: 0, inFlight: 0 });
      expect(cli('EXISTS', 'media-cleanup:held-consumers')).toBe('0');
      enqueue(app, [{ id: 'next' }]);
      await worker.waitForLog('quick next');
    });

    test('--strict finds nothing that it could not do', async () => {
      const { code, stderr } = await runAs(LEAST, ['--yes', '--strict']);
      expect(stderr).not.toMatch(/refus/i);
      expect(code).toBe(0);
      expect(leftOf(stack, VIDEO)).toEqual(NOTHING_LEFT);
    });

    test('a neighbour whose key begins with the name of the queue is left alone', async () => {
      cli('RPUSH', `${VIDEO_QUEUE}:3`, 'of somebody else');
      const { report, service } = await wipeAs(LEAST);
      expect(service.tasks_purged.queued).toBe(2);
      expect(report.errors).toEqual([]);
    });
  });

  describe('without one permission', () => {
    test('who may not SCAN: what needs no search goes', async () => {
      const outcome = await wipeAs([...ALL, '-scan']);
      expectRemedy(outcome, '+scan', 'video_job:*');
      expectRemedy(outcome, '+scan', VIDEO_QUEUE);
      expectNoRepetition(outcome);
      expect(outcome.service.tasks_purged.in_flight).toBe(1);
      expect(redisCounts(stack.redis, VIDEO)).toMatchObject({ jobs: 3, inFlight: 0 });
      expect(filesLeft()).toEqual([]);
    });

    test('who may not UNLINK may DEL: all goes', async () => {
      const { code, report } = await wipeAs([...ALL, '-unlink']);
      expect(report).toMatchObject({ status: 'completed', errors: [], verified: true });
      expect(code).toBe(0);
      expect(leftOf(stack, VIDEO)).toEqual(NOTHING_LEFT);
    });

    test('who may neither UNLINK nor DEL: messages and files go', async () => {
      const outcome = await wipeAs([...ALL, '-unlink', '-del']);
      expectRemedy(outcome, '+unlink', 'video_job:*');
      expectRemedy(outcome, '+unlink', 'celery-task-meta-*');
      expectNoRepetition(outcome);
      expect(outcome.service.tasks_purged).toEqual({ queued: 2, in_flight: 1 });
      expect(redisCounts(stack.redis, VIDEO)).toEqual({ ...EVERYTHING, queued: 0, inFlight: 0 });
      expect(filesLeft()).toEqual([]);
    });

    test('who has the job keys alone: the jobs go', async () => {
      const outcome = await wipeAs(['+@all', '~video_job:*', '&*']);
      expectRemedy(outcome, '~', VIDEO_QUEUE);
      expectRemedy(outcome, '~', 'unacked');
      expectRemedy(outcome, '~', 'celery-task-meta-*');
      expectNoRepetition(outcome);
      expect(outcome.service).toMatchObject({ jobs_removed: 3, results_removed: 0 });
      expect(redisCounts(stack.redis, VIDEO)).toEqual({ ...EVERYTHING, jobs: 0 });
      expect(filesLeft()).toEqual([]);
    });

    test('who may only read: nothing of Redis goes, the files do', async () => {
      const before = stack.redis.dump(1);
      const outcome = await wipeAs(['+@read', '+@connection', '~*', '&*']);
      expectRemedy(outcome, '+unlink', 'video_job:*');
      expectRemedy(outcome, '+', VIDEO_QUEUE);
      expectRemedy(outcome, '+', 'unacked');
      expectNoRepetition(outcome);
      expect(outcome.service.remaining).toMatchObject({ jobs: 3, tasks: 3 });
      expect(stack.redis.dump(1)).toBe(before);
      expect(filesLeft()).toEqual([]);
    });

    test.each(['multi', 'exec', 'ltrim', 'lrange', 'hdel', 'zrem', 'type'])(
      'who may not %s: no message goes uncounted, no tag stays without its message',
      async (command) => {
        const outcome = await wipeAs([...ALL, `-${command}`]);
        const left = redisCounts(stack.redis, VIDEO);
        expect(outcome.service.tasks_purged).toEqual({
          queued: EVERYTHING.queued - left.queued,
          in_flight: EVERYTHING.inFlight - left.inFlight,
        });
        expect(cli('ZCARD', 'unacked_index')).toBe(cli('HLEN', 'unacked'));
        expect(left.jobs).toBe(0);
        expect(filesLeft()).toEqual([]);
        if (left.queued + left.inFlight === 0) expect(outcome.code).toBe(0);
        else expectRemedy(outcome, `+${command}`, '');
      },
    );
  });

  describe('without dangerous commands', () => {
    test.each([
      ['no admin and no dangerous commands', ['-@dangerous', '-@admin']],
      ['no INFO', ['-info']],
      ['no CLIENT', ['-client']],
      ['no PUBLISH', ['-publish']],
      ['no channel', ['resetchannels']],
      ['no PING', ['-ping']],
      ['none of all', ['-@dangerous', '-@admin', '-info', '-client', '-publish', '-ping', '-time']],
    ])('%s: all is wiped', async (_, permissions) => {
      const { code, report } = await wipeAs([...ALL, ...permissions]);
      expect(report).toMatchObject({ status: 'completed', errors: [], verified: true });
      expect(code).toBe(0);
      expect(leftOf(stack, VIDEO)).toEqual(NOTHING_LEFT);
    });

    test('who may not SELECT has database 0, for which nobody needs it', async () => {
      copyKeys('1', '0');
      const before = stack.redis.dump(1);
      const { code, stdout } = await runAs([...ALL, '-select'], ['--yes', '--json'], 0);
      const left = stack.redis.cli('-n', '0', '--scan', '--pattern', 'video_*');
      stack.redis.cli('-n', '0', 'FLUSHDB');
      expect(JSON.parse(stdout)).toMatchObject({ status: 'completed', errors: [], verified: true });
      expect(code).toBe(0);
      expect(left).toBe('');
      expect(stack.redis.dump(1)).toBe(before);
    });

    test('who may not SELECT another database: nothing is touched in database 0', async () => {
      stack.redis.cli('-n', '0', 'SET', 'video_job:1', 'in another database');
      const before = stack.redis.dump(1);
      const outcome = await wipeAs([...ALL, '-select']);
      expectRemedy(outcome, '+select', '');
      expectNoRepetition(outcome);
      expect(stack.redis.cli('-n', '0', 'GET', 'video_job:1')).toBe('in another database');
      expect(stack.redis.dump(1)).toBe(before);
      expect(filesLeft()).toEqual([]);
    });
  });

  test('who may only read gets stats and a dry run without errors', async () => {
    const reader = ['+@read', '+@connection', '~*'];
    const stats = await runAs(reader, ['stats', '--json']);
    const counted = { total_jobs: 3, tasks: { queued: 2, in_flight: 1 }, errors: [] };
    expect((JSON.parse(stats.stdout) as JsonReport).services[VIDEO]).toMatchObject(counted);
    expect(stats.code).toBe(0);
    const plan = await runAs(reader, ['--dry-run', '--json']);
    expect((JSON.parse(plan.stdout) as JsonReport).services[VIDEO]).toMatchObject({
      jobs_removed: 3,
      tasks_purged: { queued: 2, in_flight: 1 },
    });
    expect(plan.code).toBe(0);
    expect(redisCounts(stack.redis, VIDEO)).toEqual(EVERYTHING);
  });
});

describe.skipIf(!requireOrSkip('redis'))('a Redis user over a Unix socket', () => {
  test.each([
    ['with a user and a password', `${USER}:${SECRET}`, 4],
    ['with the password alone', `:${SECRET}`, 4],
    ['in database 0', `${USER}:${SECRET}`, undefined],
  ])('%s: all is wiped, in its database alone', async (_, credentials, db) => {
    const own = ownStack();
    const redis = await redisFor(own, {
      socket: true,
      password: SECRET,
      acl: [`user ${USER} on >${SECRET} ~job:* ~celery-task-meta-* +@all`],
    });
    for (const database of ['0', '4']) redis.cli('-n', database, 'SET', 'job:1', 'x');
    const query = db === undefined ? '' : `?db=${db}`;
    own.config({ redis: `unix://${credentials}@${redis.socketPath}${query}`, keyPrefix: 'job:' });
    const { code, service, stdout, stderr } = await own.wipe();
    expect({ code, jobs: service['jobs_removed'], errors: service['errors'] }).toEqual({
      code: 0,
      jobs: 1,
      errors: [],
    });
    expect(stdout + stderr).not.toContain(SECRET);
    const left = ['0', '4'].map((database) => redis.cli('-n', database, 'DBSIZE'));
    expect(left).toEqual(db === undefined ? ['0', '1'] : ['1', '0']);
  });
});
