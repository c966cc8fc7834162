/**
 * Messages whose task ids are hard or impossible to read: results that they may have left are not
 * known to be gone. The messages are made by Redis itself, which is quicker than to send them.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { redisOfTest } from './support/redis-of-test.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { runTool } from './support/tool.ts';

const MB = 2 ** 20;
const QUEUE = 'media_queue';

interface Report {
  readonly verified: boolean;
  readonly warnings: readonly string[];
  readonly services: Readonly<
    Record<
      string,
      {
        readonly verified: boolean;
        readonly results_removed: number;
        readonly tasks_purged: { readonly queued: number; readonly in_flight: number };
        readonly remaining: { readonly tasks: number };
        readonly warnings: readonly string[];
        readonly failures: readonly { readonly code: string; readonly item: string }[];
      }
    >
  >;
}

/** @param extra Lua: what stands in the headers beside the ids, as JSON. */
function message(id: string, extra: string): string {
  return `'{"headers": {' .. ${extra} .. '"id": "${id}", "group": "group-${id}"}, "properties": ' ..
    '{"delivery_info": {"exchange": "", "routing_key": "${QUEUE}"}}, "body": "W10="}'`;
}

const LONG_TEXT = String.raw`'"trace": "' .. string.rep(string.rep('a', 40) .. '\\"', 50000) .. '\\\\", '`;
const MANY_NUMBERS = `'"trace": [0' .. string.rep(',1', ${MB}) .. '], '`;

async function scene() {
  const folder = testFolder();
  const redis = await redisOfTest(folder);
  const config = writeConfig(folder, {
    media: { redis: redis.url(0), keyPrefix: 'job:', celery: { queues: [QUEUE] } },
  });
  const run = async (...args: readonly string[]) => {
    const options = { folder, cwd: join(folder, 'cwd') };
    const { code, stdout } = await runTool([...args, '--json', '--config', config], options);
    const report = JSON.parse(stdout) as Report;
    return { code, stdout, service: report.services['media'] };
  };
  return { redis, run };
}

/** With a result of its task, and what is kept of the task's group. */
function queue(redis: TestRedis, id: string, extra: string): void {
  redis.cli(
    'EVAL',
    `redis.call('LPUSH', '${QUEUE}', ${message(id, extra)})
     redis.call('SET', 'celery-task-meta-${id}', '{}')
     redis.call('SET', 'celery-taskset-meta-group-${id}', '{}')`,
    '0',
  );
}

function holdInFlight(redis: TestRedis, id: string, extra: string): void {
  redis.cli(
    'EVAL',
    `redis.call('HSET', 'unacked', '${id}', '[' .. ${message(id, extra)} .. ', "", "${QUEUE}"]')
     redis.call('ZADD', 'unacked_index', 1, '${id}')
     redis.call('SET', 'celery-task-meta-${id}', '{}')`,
    '0',
  );
}

describe.skipIf(!requireOrSkip('redis'))('messages whose ids are hard to read', () => {
  test('ids beside texts of megabytes are read; what is no task leaves nothing behind', async () => {
    const { redis, run } = await scene();
    queue(redis, 'long-text', LONG_TEXT);
    holdInFlight(redis, 'long-text-held', LONG_TEXT);
    redis.cli('RPUSH', QUEUE, 'no JSON', '{"a": 1}');
    const { code, service, stdout } = await run('all', '--yes');
    expect(service?.warnings.join(), stdout).toContain(`2 messages of ${QUEUE} are no tasks`);
    expect(service).toMatchObject({
      verified: true,
      results_removed: 2,
      tasks_purged: { queued: 3, in_flight: 1 },
      failures: [],
    });
    expect(code).toBe(0);
    expect(redis.cli('DBSIZE')).toBe('0');
  });

  test('a removed message without known ids: named, and nothing is verified', async () => {
    const { redis, run } = await scene();
    queue(redis, 'numbers', MANY_NUMBERS);
    queue(redis, 'small', "''");
    const pickled = { body: 'gAJ9cQAu', headers: {}, properties: { correlation_id: 'pickled' } };
    redis.cli('RPUSH', QUEUE, JSON.stringify(pickled));
    const { code, service, stdout } = await run('all', '--yes');
    expect(service, stdout).toMatchObject({
      verified: false,
      tasks_purged: { queued: 3 },
      failures: [{ code: 'ETASKIDS', item: expect.stringContaining(QUEUE) as string }],
    });
    expect(stdout).toContain('2 removed messages');
    expect(code).toBe(1);
    expect(redis.cli('--scan').split('\n').toSorted()).toEqual([
      'celery-task-meta-numbers',
      'celery-taskset-meta-group-numbers',
    ]);
  });

  test('an entry of unacked that cannot be read stays, and is told by plan and wipe', async () => {
    const { redis, run } = await scene();
    holdInFlight(redis, 'numbers', MANY_NUMBERS);
    expect((await run('all', '--dry-run')).stdout).toContain('too large to be read');
    const { code, service, stdout } = await run('all', '--yes');
    expect(service, stdout).toMatchObject({
      verified: false,
      remaining: { tasks: 1 },
      failures: [{ code: 'EUNREAD' }],
    });
    expect(code).toBe(1);
    expect(redis.cli('HLEN', 'unacked')).toBe('1');
  });
});
