/** Replies of workers that anybody who may write to Redis can make up. */
import { describe, expect, test } from 'vitest';
import { fakeWorker, honest, taskInfo, type Control } from './support/fake-worker.ts';
import { ownStack, redisFor, type OwnStack } from './support/own-config.ts';
import type { TestRedis } from './support/redis.ts';
import { testFolder } from './support/folder.ts';
import { requireOrSkip } from './support/requirements.ts';
import { mutantTool } from './support/tool.ts';

async function scene(): Promise<{
  stack: OwnStack;
  redis: TestRedis;
  at: { port: number; db: number };
}> {
  const stack = ownStack();
  const redis = await redisFor(stack);
  stack.configAll({
    media: { redis: redis.url(1), keyPrefix: 'job:', celery: { queues: ['mine'] } },
    other: { redis: redis.url(1), keyPrefix: 'other:', celery: { queues: ['theirs'] } },
  });
  return { stack, redis, at: { port: redis.port, db: 1 } };
}

/**
 * Waits for replies longer than a busy machine takes for them, and not so long for a task to go that
 * does not go. Where everyone replies neither changes what the run does.
 */
function patientTool(): string {
  return mutantTool(testFolder(), [
    ['ANSWER_MS = 1e3', 'ANSWER_MS = 2e4'],
    ['CANCEL_MS = 5e3', 'CANCEL_MS = 1e3'],
  ]);
}

function revokedIn(heard: readonly Control[]): readonly unknown[] {
  return heard
    .filter(({ method }) => method === 'revoke')
    .flatMap((one) => one.arguments['task_id']);
}

const possible = requireOrSkip('redis');

describe.skipIf(!possible)('a worker that names tasks of another service', () => {
  test('touches none of them: by a job, a message, a result, another reply', async () => {
    const { stack, redis, at } = await scene();
    const cli = (...args: readonly string[]): string => redis.cli('-n', '1', ...args);
    const entry = (id: string): string =>
      JSON.stringify([{ headers: { id }, body: '', properties: {} }, '', 'theirs']);
    cli('SET', 'other:by-job', '{"id": "by-job"}');
    cli('HSET', 'unacked', 'tag', entry('by-message'));
    cli('ZADD', 'unacked_index', '1', 'tag');
    cli('SET', 'celery-task-meta-by-result', '{"status": "SUCCESS", "result": 1}');
    cli('SET', 'job:own', '{"id": "own"}');
    const ids = ['by-job', 'by-message', 'by-result', 'by-reply', 'own'];
    const claims = honest('mine', { active: ids.map((id) => taskInfo(id, 'mine')) });
    const real = honest('theirs', { active: [taskInfo('by-reply', 'theirs')] });
    const liar = await fakeWorker(at, (control) => [['liar@x', claims(control)]]);
    await fakeWorker(at, (control) => [['real@x', real(control)]]);
    const before = redis.dump(1, (key) => !key.includes('own') && !key.includes('pidbox'));
    const { code, service } = await stack.wipe({ tool: patientTool() });
    expect({ code, ...service }).toMatchObject({ code: 1, verified: false, tasks_cancelled: 0 });
    expect(service['failures']).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          code: 'EUNPROVEN',
          reason: expect.stringContaining('(by-job, by-message, by-result, by-reply)') as string,
        }),
      ]),
    );
    expect(revokedIn(liar.heard)).toEqual(['own']);
    const after = redis.dump(1, (key) => !key.includes('own') && !key.includes('pidbox'));
    expect(after).toBe(before);
  });

  test('a task without a trace in Redis is revoked at the worker that named it alone', async () => {
    const { stack, at } = await scene();
    const claims = honest('mine', { active: [taskInfo('trace-less', 'mine')] });
    const idle = honest('mine');
    const one = await fakeWorker(at, (control) => [['one@x', claims(control)]]);
    await fakeWorker(at, (control) => [['two@x', idle(control)]]);
    const { code, service } = await stack.wipe({ tool: patientTool() });
    expect({ code, ...service }).toMatchObject({ code: 1, verified: false });
    const revokes = one.heard.filter(({ method }) => method === 'revoke');
    expect(revokes).toMatchObject([
      { destination: ['one@x'], arguments: { task_id: ['trace-less'] } },
    ]);
  });
});

describe.skipIf(!possible)('replies that are too many', () => {
  test('as the worker itself, before it: named, not verified, and nothing acted on', async () => {
    const { stack, at } = await scene();
    const truth = honest('mine', { active: [taskInfo('runs', 'mine')] });
    const lie = honest('mine');
    // One listener, two replies: the lie comes first.
    const { heard } = await fakeWorker(at, (control) => [
      ['worker@x', lie(control)],
      ['worker@x', truth(control)],
    ]);
    const { code, service } = await stack.wipe({ tool: patientTool() });
    expect({ code, ...service }).toMatchObject({ code: 1, verified: false });
    expect(service['failures']).toEqual(
      expect.arrayContaining([expect.objectContaining({ code: 'EFORGED' })]),
    );
    expect(revokedIn(heard)).toEqual([]);
  });

  test('twice in one name, beside a worker that is silent', async () => {
    const { stack, redis, at } = await scene();
    const idle = honest('mine');
    await fakeWorker(at, () => []);
    const member = '\u0006\u0016\u0006\u0016silent@x.celery.pidbox';
    redis.cli('-n', '1', 'SADD', '_kombu.binding.celery.pidbox', member);
    await fakeWorker(at, (control) => [
      ['liar@x', idle(control)],
      ['liar@x', idle(control)],
    ]);
    const { code, service } = await stack.wipe();
    expect({ code, ...service }).toMatchObject({ code: 1, verified: false });
    expect(JSON.stringify(service['errors'])).toContain('silent@x');
  });
});

describe.skipIf(!possible)('a worker that does not confirm that it consumes again', () => {
  test('is named, with the line to run', async () => {
    const { stack, at } = await scene();
    let isHeld = false;
    const idle = honest('mine');
    await fakeWorker(at, (control) => {
      if (control.method === 'cancel_consumer') isHeld = true;
      const value = control.method === 'active_queues' && isHeld ? [] : idle(control);
      return [['w@x', control.method === 'add_consumer' ? { error: 'no' } : value]];
    });
    const { code, service } = await stack.wipe({ tool: patientTool() });
    expect(code).toBe(1);
    expect(service['failures']).toMatchObject([
      {
        code: 'EHELD',
        item: 'worker w@x (mine)',
        hint: expect.stringContaining('control --destination w@x add_consumer mine') as string,
      },
    ]);
  });
});
