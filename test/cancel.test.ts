/** Real workers at work while everything is wiped: held, cancelled, and consuming afterwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { enqueue, release, runPython, type CeleryApp } from './support/celery.ts';
import { testFolder } from './support/folder.ts';
import { ownStack, redisFor } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
import { celeryApp, directoryOf, SERVICES } from './support/stack.ts';
import { mutantTool, startTool } from './support/tool.ts';
import {
  leftOf,
  NOTHING_LEFT,
  readyWorker,
  startWipeVideo,
  until,
  VIDEO,
  VIDEO_QUEUE,
  videoStack,
  wipeVideo,
} from './support/video-workers.ts';

const FOREIGN = 'foreign_queue';

function range(count: number, name: string): string[] {
  return Array.from({ length: count }, (_, index) => `${name}${index}`);
}

/** What Celery's own command says of the one worker, run by Python. */
function inspect(app: CeleryApp, method: string): Readonly<Record<string, unknown[]>> {
  const script = `print(json.dumps(app.control.inspect(timeout=20, limit=1).${method}()))`;
  return JSON.parse(runPython(app, script)) as Readonly<Record<string, unknown[]>>;
}

/** Of all workers together. */
function countIn(reply: Readonly<Record<string, unknown[]>>): number {
  return Object.values(reply).flat().length;
}

/** The error over one task of the video-downloader that is not cancelled. */
function goesOn(because: string): unknown {
  const text = `Goes on with 1 task \\(1 running: long\\), not cancelled \\(${because}\\): each will write`;
  return expect.stringMatching(new RegExp(`^Celery/worker worker@\\S+: ${text}`));
}

const possible = requireOrSkip('redis', 'celery');

describe.skipIf(!possible)('a prefork worker at work', () => {
  test.each([{ acksLate: false }, { acksLate: true, rejectOnWorkerLost: true }])(
    'is held, emptied and resumed: %j',
    async (how) => {
      const stack = await videoStack({ ...how, prefetchMultiplier: 4 });
      const worker = await stack.worker({ concurrency: 2 });
      const running = range(2, 'running');
      const later = range(5, 'later');
      enqueue(stack.app, [
        ...running.map((id) => ({ id, task: 'sleep' as const, args: [60] })),
        ...later.map((id) => ({ id, countdown: 3000 })),
      ]);
      for (const id of running) await worker.waitForLog(`[${id}] received`);
      for (const id of later) await worker.waitForLog(`[${id}] received`);
      const priorities = [0, 3, 6, 9];
      enqueue(
        stack.app,
        range(50, 'queued').map((id, index) => ({ id, priority: priorities[index % 4] ?? 0 })),
      );
      await until('a full prefetch', () => countIn(inspect(stack.app, 'reserved')) >= 3);
      await sleep(300);
      const reserved = countIn(inspect(stack.app, 'reserved'));
      const queued = range(50, 'queued').length - reserved;
      const acknowledged = how.acksLate ? 0 : running.length;

      const { code, service, stderr, durationMs } = await wipeVideo(stack);
      // All that is left are the scheduled tasks in the worker's memory.
      expect(stderr.split(' - ERROR - ')).toHaveLength(2);
      expect({ code, errors: service.errors }).toEqual({
        ...{ code: 1, errors: [expect.stringContaining('Keeps 5 revoked scheduled tasks')] },
      });
      expect(durationMs).toBeLessThan(10_000);
      expect(service).toMatchObject({
        jobs_removed: 57,
        tasks_purged: { queued, in_flight: 7 + reserved - acknowledged },
        tasks_cancelled: 7 + reserved,
        came_back: { jobs: 0, tasks: 0, files: 0, models: 0 },
        verified: false,
      });
      expect(stack.left()).toEqual(NOTHING_LEFT);
      expect(inspect(stack.app, 'active')).toEqual(
        Object.fromEntries(Object.keys(inspect(stack.app, 'ping')).map((name) => [name, []])),
      );
      expect(stack.redis.cli('-n', '1', 'EXISTS', 'media-cleanup:held-consumers')).toBe('0');
      expect(stack.redis.cli('-n', '1', '--scan', '--pattern', '*media-cleanup*')).toBe('');

      enqueue(stack.app, [{ id: 'afterwards' }]);
      await worker.waitForLog('quick afterwards');
      expect(worker.log()).toContain(`Canceling queue ${VIDEO_QUEUE}`);
      for (const id of [...running, ...range(50, 'queued')])
        expect(worker.log()).not.toContain(`${id}] succeeded`);
    },
  );

  test('is shown by plan, stats and doctor, which leave everything as it is', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ concurrency: 1 });
    enqueue(stack.app, [
      { id: 'long', task: 'sleep', args: [60] },
      { id: 'later', countdown: 3000 },
      { id: 'next' },
    ]);
    await worker.waitForLog('[next] received');
    await sleep(1100);
    const before = stack.redis.dump(1);
    const plan = await stack.run([VIDEO, '--dry-run']);
    const stats = await stack.run(['stats', VIDEO]);
    const doctor = await stack.run(['doctor', VIDEO]);
    for (const { code, stdout } of [plan, stats, doctor]) {
      expect(code).toBe(0);
      expect(stdout).toMatch(/Worker worker@\S+ \(pid \d+\): 1 task running, 1 reserved, 1 sch/);
      expect(stdout).toMatch(/long {2}sleep {2}running for [1-9]\d* s, pid \d+/);
      expect(stdout).toMatch(/later {2}quick {2}scheduled for 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$/m);
    }
    expect(plan.stdout).toContain('3 to cancel');
    const json = JSON.parse((await stack.run(['stats', VIDEO, '--json'])).stdout) as {
      services: Record<string, { celery: { workers: object[]; listening: number } }>;
    };
    expect(json.services[VIDEO]?.celery).toMatchObject({
      ...{ listening: 1, waiting: 1, silent: 0, silent_names: [], trouble: null, held: [] },
      workers: [
        {
          pid: worker.pid,
          queues: [VIDEO_QUEUE],
          ...{ active: 1, reserved: 1, scheduled: 1 },
          tasks: [
            { id: 'long', name: 'sleep', state: 'active', pid: expect.any(Number) as number },
            { id: 'next', state: 'reserved', pid: null, runtime_s: null },
            { id: 'later', state: 'scheduled', eta: expect.stringMatching(/^20\d\d-/) as string },
          ],
        },
      ],
    });
    const planned = JSON.parse((await stack.run([VIDEO, '-n', '--json'])).stdout) as object;
    expect(planned).toMatchObject({ tasks_cancelled: 3, jobs_removed: 3 });
    expect(stack.redis.dump(1)).toBe(before);
    expect(worker.log()).not.toContain('Canceling queue');
    expect(worker.log()).not.toContain('Terminating');
  });

  test('goes on with --no-cancel-running, and the report says what that means', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ concurrency: 1 });
    enqueue(stack.app, [{ id: 'long', task: 'wait' }]);
    await until('its start', () => stack.cli('GET', 'video_job:long').includes('process'));
    const { code, service } = await wipeVideo(stack, ['--no-cancel-running']);
    expect({ code, cancelled: service.tasks_cancelled }).toEqual({ code: 1, cancelled: 0 });
    expect(service).toMatchObject({ verified: false, errors: [goesOn('--no-cancel-running')] });
    expect(worker.log()).not.toContain('Canceling queue');
    release(stack.app, 'long');
    await worker.waitForLog('[long] succeeded');
    expect(stack.left()).toEqual({ ...NOTHING_LEFT, jobs: 1, results: 1, files: ['long.out'] });
  });

  test('goes on where the queue is not wiped: not verified, until it has ended', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ concurrency: 1 });
    enqueue(stack.app, [{ id: 'long', task: 'wait' }]);
    await until('its start', () => stack.cli('GET', 'video_job:long').includes('process'));
    const ways = [
      ['--skip', 'queue'],
      ['--only', 'files'],
      ['--only', 'models'],
      ['--only', 'jobs'],
      // The job is gone now: when the task writes it again it is as old as before.
      ['--older-than', '1h'],
    ];
    for (const way of ways) {
      const { code, service } = await wipeVideo(stack, way);
      expect({ way, code, ...service }).toMatchObject({
        ...{ way, code: 1, verified: false, errors: [goesOn('the queue is not wiped')] },
      });
    }
    expect(stack.cli('--scan', '--pattern', '*pidbox*').split('\n')).toEqual([
      '_kombu.binding.celery.pidbox',
    ]);
    enqueue(stack.app, [{ id: 'long' }]);
    const young = await wipeVideo(stack, ['--older-than', '1h', '--skip', 'files']);
    expect({ code: young.code, errors: young.service.errors }).toEqual({ code: 0, errors: [] });
    release(stack.app, 'long');
    await worker.waitForLog('[long] succeeded');
    await until('an idle worker', () => countIn(inspect(stack.app, 'active')) === 0);
    const { code, service } = await wipeVideo(stack, ['--skip', 'queue']);
    expect({ code, ...service }).toMatchObject({ code: 0, verified: true, jobs_removed: 1 });
  });

  test('that answers in pickle is named, and what it has in flight is revoked', async () => {
    const stack = await videoStack({ pickle: true, acksLate: true });
    const worker = await stack.worker({ concurrency: 1 });
    enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [60] }, { id: 'next' }]);
    await worker.waitForLog('[next] received');
    const { code, service } = await wipeVideo(stack);
    expect({ code, errors: service.errors }).toEqual({
      code: 1,
      errors: [
        expect.stringMatching(
          /^Celery\/worker worker@\S+: Answers in application\/x-python-serialize, .*write again$/,
        ),
      ],
    });
    await worker.waitForLog('Discarding revoked task: quick[next]');
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await worker.waitForLog('[afterwards] succeeded');
    expect(worker.log()).not.toContain('[long] succeeded');
  });

  test('that cannot kill a task is named, or waited for', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ concurrency: 2, pool: 'threads' });
    enqueue(stack.app, [{ id: 'long', task: 'wait' }]);
    await until('its start', () => stack.cli('GET', 'video_job:long').includes('process'));
    const first = await wipeVideo(stack);
    expect({ code: first.code, errors: first.service.errors }).toEqual({
      code: 1,
      errors: [
        expect.stringMatching(
          /^Celery\/worker worker@\S+: Goes on with 1 task that its pool cannot kill \(long\)/,
        ),
      ],
    });
    expect(first.service).toMatchObject({ tasks_cancelled: 0, verified: false });
    const waiting = startWipeVideo(stack, ['--wait-idle', '10m']);
    await until('the wait', () => waiting.stderr().includes('waiting up to'));
    release(stack.app, 'long');
    const second = await waiting.result;
    expect({ code: second.code, errors: second.service.errors }).toEqual({ code: 0, errors: [] });
    expect(stack.left()).toEqual(NOTHING_LEFT);
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
  });

  test('keeps its other queues and their tasks', async () => {
    const stack = await videoStack();
    const both = { ...stack.app, queues: [VIDEO_QUEUE, FOREIGN] as const };
    const worker = await readyWorker(both, { concurrency: 2 });
    enqueue(both, [
      { id: 'own', task: 'sleep', args: [60] },
      { id: 'theirs', task: 'wait', args: ['other:'], queue: FOREIGN, save: false },
      { id: 'their-later', countdown: 5, queue: FOREIGN, args: ['other:'], save: false },
    ]);
    for (const id of ['own', 'theirs', 'their-later']) await worker.waitForLog(`[${id}] received`);
    const foreignTags = stack.cli('HVALS', 'unacked').split('\n').length;
    expect(foreignTags).toBeGreaterThan(0);
    const { code, service } = await wipeVideo(stack);
    expect({ code, cancelled: service.tasks_cancelled }).toEqual({ code: 0, cancelled: 1 });
    expect(worker.log()).not.toContain(`Canceling queue ${FOREIGN}`);
    release(both, 'theirs');
    await worker.waitForLog('[theirs] succeeded');
    await worker.waitForLog('[their-later] succeeded');
    expect(stack.cli('EXISTS', 'celery-task-meta-theirs', 'other:theirs')).toBe('2');
    enqueue(both, [{ id: 'their-next', queue: FOREIGN, args: ['other:'], save: false }]);
    await worker.waitForLog('[their-next] succeeded');
  });
});

describe.skipIf(!possible)('two services in one database', () => {
  test('one is wiped, the work of the other is completed', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    const url = redis.url(5);
    stack.configAll({
      one: { redis: url, keyPrefix: 'one:', celery: { queues: ['one_queue'] } },
      two: { redis: url, keyPrefix: 'two:', celery: { queues: ['two_queue'] } },
    });
    const app = (name: string): CeleryApp => ({
      folder: stack.folder,
      broker: url,
      queues: [`${name}_queue`],
      keyPrefix: `${name}:`,
    });
    const workers = {
      one: await readyWorker(app('one'), { name: 'one', concurrency: 1 }),
      two: await readyWorker(app('two'), { name: 'two', concurrency: 1 }),
    };
    for (const name of ['one', 'two'] as const) {
      enqueue(app(name), [
        { id: `${name}-done` },
        { id: `${name}-running`, task: 'wait' },
        { id: `${name}-later`, countdown: name === 'one' ? 3000 : 14 },
        ...range(8, `${name}-queued`).map((id, index) => ({
          id,
          priority: index % 2 === 0 ? 0 : 9,
        })),
      ]);
      await workers[name].waitForLog(`[${name}-running] received`);
      await workers[name].waitForLog(`[${name}-later] received`);
    }
    await until('a full prefetch', () => workers.two.log().includes('[two-queued0] received'));
    await until('its start', () =>
      redis.cli('-n', '5', 'GET', 'two:two-running').includes('process'),
    );
    await sleep(300);
    const theirs = (key: string): boolean => key.includes('two');
    let before = '';
    // Until the worker has taken all it may: its BRPOP takes a second, on a busy machine longer.
    for (let same = 0; same < 2; same += 1) {
      const now = redis.dump(5, theirs);
      if (now !== before) same = -1;
      before = now;
      await sleep(1200);
    }
    const result = await stack.run(['one', '--yes', '--json']);
    const after = redis.dump(5, theirs);
    expect(after).toBe(before);
    expect({ code: result.code, ...(JSON.parse(result.stdout) as object) }).toMatchObject({
      ...{ code: 1, status: 'completed_with_errors', verified: false },
      errors: [expect.stringContaining('Keeps 1 revoked scheduled task in memory')],
    });
    expect(redis.entries(5).filter(({ key }) => key.startsWith('one:'))).toEqual([]);
    release(app('two'), 'two-running');
    const all = ['two-running', 'two-later', ...range(8, 'two-queued')];
    for (const id of all) await workers.two.waitForLog(`[${id}] succeeded`);
    for (const id of all) {
      expect(redis.cli('-n', '5', 'GET', `two:${id}`)).toContain('completed');
      expect(redis.cli('-n', '5', 'EXISTS', `celery-task-meta-${id}`)).toBe('1');
    }
    expect(workers.two.log()).not.toMatch(/Canceling|Terminating|Discarding/);
    expect(redis.cli('-n', '5', 'LLEN', 'two_queue')).toBe('0');
    expect(redis.entries(5).filter(({ key }) => key.includes('one-'))).toEqual([]);
    enqueue(app('one'), [{ id: 'one-new' }]);
    await workers.one.waitForLog('[one-new] succeeded');
  });
});

describe.skipIf(!possible)('a solo worker in a task of its own', () => {
  test('is named, and what it will do is said', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ pool: 'solo', name: 'alone' });
    enqueue(stack.app, [{ id: 'long', task: 'wait' }, ...range(3, 'queued').map((id) => ({ id }))]);
    await worker.waitForLog('[long] received');
    const { code, service, report } = await wipeVideo(stack);
    expect(code).toBe(1);
    expect(report).toMatchObject({ status: 'completed_with_errors', verified: false });
    expect(service.errors).toEqual([
      expect.stringMatching(
        /^Celery\/worker alone@\S+: Listens but does not answer.*its task will finish and write again$/,
      ),
    ]);
    expect(stack.left()).toEqual(NOTHING_LEFT);
    // It does what was said, and goes on with what is new.
    release(stack.app, 'long');
    await worker.waitForLog('[long] succeeded');
    await sleep(500);
    expect(worker.log()).not.toMatch(/\[queued|Canceling queue/);
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
    expect((await wipeVideo(stack)).code).toBe(0);
    expect(stack.left()).toEqual(NOTHING_LEFT);
  });

  test('is waited for with --wait-idle', async () => {
    const stack = await videoStack({ acksLate: true });
    const worker = await stack.worker({ pool: 'solo' });
    enqueue(stack.app, [{ id: 'long', task: 'wait' }, ...range(3, 'queued').map((id) => ({ id }))]);
    await worker.waitForLog('[long] received');
    const waiting = startWipeVideo(stack, ['--wait-idle', '10m']);
    await until('the wait', () => waiting.stderr().includes('waiting up to 600 s for worker@'));
    release(stack.app, 'long');
    // Its end ends the wait: 10 minutes are longer than this test may take.
    const { code, service } = await waiting.result;
    expect({ code, errors: service.errors }).toEqual({ code: 0, errors: [] });
    expect(service).toMatchObject({ verified: true, came_back: { jobs: 0, files: 0 } });
    expect(worker.log()).toContain('[long] succeeded');
    expect(worker.log()).not.toContain('[queued');
    expect(stack.left()).toEqual(NOTHING_LEFT);
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
  });

  test('is not waited for any more when it was killed or restarted', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ pool: 'solo' });
    enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [600] }]);
    await worker.waitForLog('[long] received');
    const wiping = startWipeVideo(stack, ['--wait-idle', '10m']);
    await until('the wait', () => wiping.stderr().includes('waiting up to'));
    await worker.stop('kill');
    const second = await stack.worker({ pool: 'solo' });
    const { code, service } = await wiping.result;
    expect({ code, errors: service.errors }).toEqual({ code: 0, errors: [] });
    expect(stack.left()).toEqual(NOTHING_LEFT);
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await second.waitForLog('quick afterwards');
  });

  test('is told of by the report of an interruption', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ pool: 'solo' });
    enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [600] }]);
    await worker.waitForLog('[long] received');
    const args = [VIDEO, '--yes', '--json', '--wait-idle', '60s'];
    const run = startTool(args, { folder: stack.folder, env: stack.env });
    await until('the wait', () => run.stderr().includes('waiting up to'));
    run.kill('SIGINT');
    const { code, stdout } = await run.result;
    expect(code).toBe(130);
    expect(stdout).toContain('its task will finish and write again');
  });

  test('is not waited for longer than that', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ pool: 'solo' });
    enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [600] }]);
    await worker.waitForLog('[long] received');
    const { code, durationMs } = await wipeVideo(stack, ['--wait-idle', '2s']);
    expect(code).toBe(1);
    expect(durationMs).toBeLessThan(30_000);
  });

  test('of another service beside is not told to consume our queue', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ concurrency: 1 });
    const foreign = { ...stack.app, queues: [FOREIGN] as const };
    const alone = await readyWorker(foreign, { pool: 'solo', name: 'alone' });
    enqueue(foreign, [{ id: 'theirs', task: 'wait', args: ['other:'], save: false }]);
    await alone.waitForLog('[theirs] received');
    const { code, service } = await wipeVideo(stack);
    // Nothing in Redis says what it consumes, so it may be ours.
    expect({ code, errors: service.errors }).toEqual({
      code: 1,
      errors: [expect.stringContaining('worker alone@') as string],
    });
    release(foreign, 'theirs');
    await alone.waitForLog('[theirs] succeeded');
    await sleep(1500);
    expect(alone.log()).not.toMatch(/Started consuming|Canceling queue/);
    expect(stack.cli('EXISTS', 'celery-task-meta-theirs')).toBe('1');
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
  });
});

describe.skipIf(!possible)('where workers cannot be asked', () => {
  test('without a worker nothing is said, and nothing is written', async () => {
    const stack = await videoStack();
    enqueue(stack.app, [{ id: 'one' }]);
    const { code, service } = await wipeVideo(stack);
    expect({ code, warnings: service.warnings }).toEqual({ code: 0, warnings: [] });
    expect(stack.redis.entries(1).map(({ key }) => key)).toEqual([`_kombu.binding.${VIDEO_QUEUE}`]);
  });

  test('a worker that is stuck is named, and goes on when it is not stuck any more', async () => {
    const stack = await videoStack({ acksLate: true });
    const worker = await stack.worker({ concurrency: 1 });
    enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [60] }, { id: 'next' }]);
    await worker.waitForLog('[next] received');
    process.kill(worker.pid, 'SIGSTOP');
    const { code, service } = await wipeVideo(stack);
    process.kill(worker.pid, 'SIGCONT');
    expect({ code, errors: service.errors }).toEqual({
      code: 1,
      errors: [expect.stringMatching(/^Celery\/worker worker@\S+: Listens but does not answer/)],
    });
    await worker.waitForLog('Terminating long');
    await worker.waitForLog('Discarding revoked task: quick[next]');
    expect(stack.cli('EXISTS', 'media-cleanup:held-consumers')).toBe('0');
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await worker.waitForLog('[afterwards] succeeded');
    expect(worker.log()).not.toMatch(/\[(long|next)\] succeeded/);
  });

  test('remote control that is off is an error of a wipe, and a warning of doctor', async () => {
    const stack = await videoStack({ remoteControl: false });
    await stack.worker();
    await until('a waiting consumer', () =>
      stack.redis.cli('CLIENT', 'LIST').includes('cmd=brpop'),
    );
    const { code, service } = await wipeVideo(stack);
    expect({ code, verified: service.verified }).toEqual({ code: 1, verified: false });
    expect(service.errors).toEqual([
      expect.stringMatching(/1 consumer on .*: Does not listen to remote control/),
    ]);
    const doctor = await stack.run(['doctor', VIDEO]);
    expect(doctor.stdout).toContain('does not listen to remote control');
    expect(doctor.code).toBe(0);
  });

  test('remote control that is off is an error beside others too, and while it is busy', async () => {
    const stack = await videoStack({ remoteControl: false });
    const deaf = await stack.worker({ pool: 'solo', name: 'deaf', gossip: true });
    enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [60] }]);
    await deaf.waitForLog('[long] received');
    await readyWorker({ ...stack.app, remoteControl: true }, { name: 'other' });
    // A worker answers a moment before it asks for messages; as many consumers as answers are enough.
    await until('both ask for messages', () => {
      const asking = stack.redis.cli('CLIENT', 'LIST').match(/cmd=brpop/g) ?? [];
      return asking.length === 2;
    });
    const { code, service } = await wipeVideo(stack);
    expect({ code, verified: service.verified }).toEqual({ code: 1, verified: false });
    expect(service.errors).toEqual([
      expect.stringMatching(/1 consumer on .*: Does not listen to remote control/),
    ]);
  });

  test('no permission to PUBLISH is named, and beside a consumer nothing is verified', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack, { acl: ['user media on >secret ~* &* +@all -publish'] });
    const url = `redis://media:secret@127.0.0.1:${redis.port}/1`;
    stack.config({ redis: url, keyPrefix: 'job:', celery: { queues: ['media_queue'] } });
    const app: CeleryApp = {
      ...{ folder: stack.folder, broker: redis.url(1), queues: ['media_queue'] },
      keyPrefix: 'job:',
    };
    const worker = await readyWorker(app);
    enqueue(app, [{ id: 'long', task: 'sleep', args: [60] }]);
    await worker.waitForLog('[long] received');
    const { code, service, stdout, stderr } = await stack.wipe();
    expect(code).toBe(1);
    expect(service).toMatchObject({
      jobs_removed: 1,
      tasks_cancelled: 0,
      verified: false,
      errors: [
        expect.stringMatching(/1 consumer on .*: Could not be asked or stopped \(Not permitted/),
      ],
      warnings: [
        expect.stringMatching(
          /could not be asked or stopped \(Not permitted: .*publish.*stop the workers, or allow it: ACL SETUSER … \+publish &\/1\.celery\.pidbox/,
        ),
      ],
    });
    expect(stdout + stderr).not.toContain('secret');
    expect(worker.log()).not.toContain('Canceling');
  });

  test('a user with few keys holds and cancels, and says that it is not noted', async () => {
    const stack = ownStack();
    const keys = '~job:* ~media_queue* ~unacked* ~celery-task* ~chord* ~_kombu* ~*.pidbox';
    const redis = await redisFor(stack, { acl: [`user media on >secret ${keys} &* +@all`] });
    const url = `redis://media:secret@127.0.0.1:${redis.port}/1`;
    stack.config({ redis: url, keyPrefix: 'job:', celery: { queues: ['media_queue'] } });
    const app: CeleryApp = {
      ...{ folder: stack.folder, broker: redis.url(1), queues: ['media_queue'] },
      keyPrefix: 'job:',
    };
    const worker = await readyWorker(app);
    enqueue(app, [{ id: 'long', task: 'sleep', args: [60] }]);
    await worker.waitForLog('[long] received');
    const { code, service } = await stack.wipe();
    expect(code).toBe(0);
    expect(service).toMatchObject({
      tasks_cancelled: 1,
      warnings: [
        expect.stringContaining('ACL SETUSER media +set ~media-cleanup:lock:*') as string,
        expect.stringContaining('could not be noted in Redis') as string,
      ],
    });
    enqueue(app, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
  });
});

describe.skipIf(!possible)('a worker that stops answering after its first answers', () => {
  test('is named, and what it told first is not taken for gone', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ concurrency: 1 });
    enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [60] }]);
    await worker.waitForLog('[long] received');
    await sleep(300);
    const tool = mutantTool(testFolder(), [
      [
        'await takeOverHolds(crew, broker);',
        `await takeOverHolds(crew, broker); (await import('node:process')).kill(${worker.pid}, 'SIGSTOP');`,
      ],
    ]);
    const { code, service } = await wipeVideo(stack, [], { tool });
    process.kill(worker.pid, 'SIGCONT');
    expect({ code, cancelled: service.tasks_cancelled, errors: service.errors }).toEqual({
      code: 1,
      cancelled: 0,
      errors: [
        expect.stringMatching(/worker@\S+: Answered first and then not/),
        expect.stringMatching(/Has not confirmed that it consumes video_downloader_queue again/),
      ],
    });
    await worker.waitForLog('Terminating long');
  });
});

describe.skipIf(!possible)('however Celery is set up', () => {
  test.each([
    { name: 'a global key prefix', prefix: 'app:' },
    { name: 'a global key prefix that nothing parts', prefix: 'app' },
  ])('$name', async ({ prefix }) => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    const app: CeleryApp = {
      ...{ folder: stack.folder, broker: redis.url(2), jobs: redis.url(1), keyPrefix: 'job:' },
      queues: ['first', 'second'],
      globalKeyPrefix: prefix,
    };
    stack.config({
      redis: redis.url(1),
      keyPrefix: 'job:',
      celery: { queues: ['first', 'second'], broker: redis.url(2), globalKeyPrefix: prefix },
    });
    const worker = await readyWorker({ ...app, results: redis.url(1) }, { concurrency: 2 });
    enqueue({ ...app, results: redis.url(1) }, [
      { id: 'a', task: 'sleep', args: [60], queue: 'first' },
      { id: 'b', task: 'sleep', args: [60], queue: 'second' },
      { id: 'later', countdown: 3000, queue: 'second' },
      ...range(20, 'queued').map((id, index) => ({
        id,
        queue: index % 2 === 0 ? 'first' : 'second',
        priority: 6,
      })),
    ]);
    await worker.waitForLog('[later] received');
    await sleep(500);
    const { code, service } = await stack.wipe();
    expect({ code, errors: service['errors'] }).toEqual({
      ...{ code: 1, errors: [expect.stringContaining('Keeps 1 revoked scheduled task')] },
    });
    const { queued, in_flight: inFlight } = service['tasks_purged'] as Record<string, number>;
    expect((queued ?? 0) + (inFlight ?? 0)).toBe(21);
    expect(redis.entries(1)).toEqual([]);
    expect(redis.entries(2).filter(({ key }) => !key.includes('_kombu.binding.'))).toEqual([]);
    for (const queue of ['first', 'second']) {
      expect(worker.log()).toContain(`Canceling queue ${queue}`);
      expect(worker.log()).toContain(`Started consuming from ${queue}`);
      enqueue({ ...app, results: redis.url(1) }, [{ id: `new-${queue}`, queue }]);
      await worker.waitForLog(`quick new-${queue}`);
    }
  });

  test('a task that was sent without naming a queue', async () => {
    const stack = await videoStack();
    const worker = await stack.worker({ concurrency: 1 });
    for (const id of ['first', 'second', 'third'])
      runPython(stack.app, `app.tasks['sleep'].apply_async(args=[60], task_id='${id}')`);
    await worker.waitForLog('[third] received');
    const { code, service } = await wipeVideo(stack);
    expect({ code, cancelled: service.tasks_cancelled }).toEqual({ code: 0, cancelled: 3 });
    expect(stack.left()).toEqual(NOTHING_LEFT);
  });

  test('a queue that nobody consumes is nobody told to leave', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack);
    const app = (queue: string): CeleryApp => ({
      ...{ folder: stack.folder, broker: redis.url(1), keyPrefix: 'job:' },
      queues: [queue],
    });
    stack.config({
      redis: redis.url(1),
      keyPrefix: 'job:',
      celery: { queues: ['first', 'second'] },
    });
    const first = await readyWorker(app('first'), { name: 'first' });
    const foreign = await readyWorker(app('foreign'), { name: 'foreign' });
    const { code } = await stack.wipe();
    expect(code).toBe(0);
    await first.waitForLog('Started consuming from first');
    expect(first.log()).toContain('Canceling queue first');
    expect(first.log()).not.toContain('second');
    expect(foreign.log()).not.toContain('Canceling queue');
  });

  test('groups and chords of removed tasks leave no keys', async () => {
    const stack = await videoStack();
    const script = (name: string, queue: string): string => `
from celery import chord, group
s = app.tasks['quick'].si
header = [s('x:').set(queue='${queue}', task_id='${name}-' + str(n)) for n in range(3)]
chord(header)(s('x:').set(queue='${queue}', task_id='${name}-body'))
group(header).apply_async().save()
`;
    runPython(stack.app, script('own', VIDEO_QUEUE));
    runPython({ ...stack.app, queues: [FOREIGN] }, script('foreign', FOREIGN));
    const groupKeys = (): string[] =>
      stack.redis.entries(1).flatMap(({ key }) => (/taskset|chord/.test(key) ? [key] : []));
    const before = groupKeys();
    expect(before.length).toBeGreaterThanOrEqual(4);
    const { code, service } = await wipeVideo(stack);
    expect({ code, queued: service.tasks_purged.queued }).toEqual({ code: 0, queued: 6 });
    const after = groupKeys();
    expect(after).toHaveLength(before.length / 2);
    expect(after.every((key) => before.includes(key))).toBe(true);
  });

  test('another service of the stack goes on undisturbed', async () => {
    const stack = await videoStack();
    const other = 'audio-normalization';
    const otherApp = {
      ...celeryApp(stack.folder, stack.redis, other),
      outputDirectory: directoryOf(stack.folder, other, 'processed'),
    };
    const worker = await stack.worker();
    const otherWorker = await readyWorker(otherApp, { name: 'other', pool: 'solo' });
    enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [60] }]);
    enqueue(otherApp, [{ id: 'theirs', task: 'wait' }, { id: 'next' }]);
    await worker.waitForLog('[long] received');
    await otherWorker.waitForLog('[theirs] received');
    const { code } = await wipeVideo(stack);
    expect(code).toBe(0);
    release(otherApp, 'theirs');
    await otherWorker.waitForLog('quick next');
    expect(leftOf(stack, other)).toMatchObject({ jobs: 2, results: 2, files: ['theirs.out'] });
    expect(SERVICES[other].db).not.toBe(SERVICES[VIDEO].db);
  });
});

describe.skipIf(!possible)('a worker that is started during the wipe', () => {
  test('is held and loses what it has taken', async () => {
    const stack = await videoStack();
    const wiping = wipeVideo(stack, ['--verify-for', '7s']);
    await sleep(1000);
    const worker = await stack.worker({ concurrency: 1 });
    enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [60] }]);
    const { code, service } = await wiping;
    expect({ code, errors: service.errors }).toEqual({ code: 0, errors: [] });
    expect(stack.left()).toEqual(NOTHING_LEFT);
    expect(countIn(inspect(stack.app, 'active'))).toBe(0);
    await worker.waitForLog('Started consuming from');
    expect(worker.log()).not.toContain('[long] succeeded');
    enqueue(stack.app, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
  });
});
