/** What Celery keeps of groups and chords, when the messages that name them are gone or a part ends late. */
import { expect, onTestFinished, test } from 'vitest';
import { enqueue, runPython, startWorker, type CeleryApp } from './support/celery.ts';
import { wipeJson, writeConfig, type JsonResult } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { redisOfTest } from './support/redis-of-test.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { until } from './support/until.ts';

const JOB = '0b54bd4c-6d0c-4a3c-9a3e-6b3f1f0f8a11';
const OTHER_JOB = '9c54bd4c-6d0c-4a3c-9a3e-6b3f1f0f8a22';
const possible = requireOrSkip('redis', 'celery');

interface Scene {
  readonly app: CeleryApp;
  readonly redis: TestRedis;
  groupKeys(): readonly string[];
  wipe(results?: string): Promise<JsonResult>;
}

async function scene(): Promise<Scene> {
  const folder = testFolder();
  const redis = await redisOfTest(folder);
  const app: CeleryApp = {
    ...{ folder, broker: redis.url(1), queues: ['service_queue'], keyPrefix: 'job:' },
  };
  return {
    app,
    redis,
    groupKeys: () =>
      redis
        .entries(1)
        .flatMap(({ key }) => (/taskset|chord/.test(key) ? [key] : []))
        .toSorted(),
    async wipe(results = 'own') {
      const celery = { queues: ['service_queue'], results };
      const config = writeConfig(folder, {
        service: { redis: redis.url(1), keyPrefix: 'job:', celery },
      });
      return await wipeJson(config, { folder });
    },
  };
}

/** Chords of three parts in a queue that nobody consumes, each started by a job; one part has ended. */
function leaveChords({ app, redis }: Scene): void {
  for (const [id, name] of [
    [JOB, 'ours'],
    [OTHER_JOB, 'theirs'],
  ] as const) {
    runPython(
      { ...app, queues: ['lost_queue'] },
      `
from celery import chord
from celery.app.task import Context
s = app.tasks['quick'].si
header = [s('none:').set(queue='lost_queue', task_id='${name}-part-' + str(n), parent_id='${id}') for n in range(3)]
result = chord(header)(s('none:').set(queue='lost_queue', task_id='${name}-body'))
request = Context(id='${name}-part-0', group=result.parent.id, group_index=0, parent_id='${id}',
                  chord={'task': 'quick', 'chord_size': 3})
app.backend.mark_as_done('${name}-part-0', 'done', request=request)
result.parent.save()
`,
    );
  }
  // The messages are gone, as after a purge of the queue by hand.
  redis.cli('-n', '1', 'UNLINK', 'lost_queue');
  redis.cli('-n', '1', 'SET', `job:${JOB}`, '{}');
  redis.cli('-n', '1', 'SET', `theirs:${OTHER_JOB}`, '{}');
}

test.skipIf(!possible)('states of chords whose messages are gone', async () => {
  const stack = await scene();
  leaveChords(stack);
  const before = stack.groupKeys();
  expect(before.filter((key) => key.endsWith('.j'))).toHaveLength(2);
  const first = await stack.wipe();
  expect(first.report.errors, first.stderr).toEqual([]);
  const left = stack.groupKeys();
  expect(left).toHaveLength(before.length / 2);
  const parts = left
    .filter((key) => key.endsWith('.j'))
    .map((key) => stack.redis.cli('-n', '1', 'ZRANGE', key, '0', '-1'));
  expect(parts.join()).toContain('theirs-part-0');
  expect(parts.join()).not.toContain('ours-part-0');
  expect(first.report.warnings.join()).toMatch(
    new RegExp(`${left.length} keys of groups and chords .*"results": "all"`),
  );
  expect(first.code).toBe(0);
  const all = await stack.wipe('all');
  expect(all.report.errors).toEqual([]);
  expect([all.code, stack.groupKeys()]).toEqual([0, []]);
  expect(stack.redis.cli('-n', '1', 'EXISTS', `theirs:${OTHER_JOB}`)).toBe('1');
});

test.skipIf(!possible)('a chord that is at work: what a revoked part writes goes too', async () => {
  const stack = await scene();
  const worker = startWorker(stack.app, { concurrency: 2 });
  onTestFinished(async () => await worker.stop('kill'));
  await worker.waitUntilReady();
  enqueue(stack.app, [{ id: 'plain', task: 'quick' }]);
  runPython(
    stack.app,
    `
from celery import chord
q, s = app.tasks['quick'].si, app.tasks['sleep'].si
header = [q('job:').set(task_id='part-0')] + [s(600, 'job:').set(task_id='part-%d' % n) for n in (1, 2, 3, 4)]
chord(header)(q('job:').set(task_id='body'))
`,
  );
  await until('the first part has ended', () =>
    stack.groupKeys().some((key) => key.endsWith('.j')),
  );
  await worker.waitForLog('[part-2] received');
  const { code, report, stderr } = await stack.wipe();
  expect(report.errors, stderr).toEqual([]);
  expect(report).toMatchObject({ verified: true });
  expect(code).toBe(0);
  expect(stack.groupKeys()).toEqual([]);
});
