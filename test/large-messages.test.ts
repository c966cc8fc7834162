/**
 * Messages with large bodies: nothing of a body is wanted, and memory does not grow with it. The
 * messages are made by Redis itself, which is quicker than to send them.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { peakMemory } from './support/peak-memory.ts';
import { redisOfTest } from './support/redis-of-test.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startTool } from './support/tool.ts';

const MB = 2 ** 20;
const MOST_MEMORY = 250e6;
/** The largest reply, and what the fill itself took. */
const MOST_IN_REDIS = 24e6;
const QUEUE = 'media_queue';
const IN_LIST = 80;
const IN_FLIGHT = 500;

/** As kombu writes them (kombu/transport/redis.py): the body comes first. */
const MESSAGE = `
local function message(queue, id, size)
  return '{"body": "' .. string.rep('QUFB', size / 4) .. '", "content-encoding": "utf-8", ' ..
    '"headers": {"id": "' .. id .. '", "group": null}, "properties": {"correlation_id": "' .. id ..
    '", "delivery_info": {"exchange": "", "routing_key": "' .. queue .. '"}, "body_encoding": "base64"}}'
end
`;

/** @param huge bytes of the largest body. */
function fill(redis: TestRedis, huge: number): void {
  const run = (script: string, ...args: readonly string[]): string =>
    redis.cli('EVAL', MESSAGE + script, '0', ...args);
  run(
    `for i = 1, ${IN_LIST} do
       redis.call('LPUSH', '${QUEUE}', message('${QUEUE}', 'list-' .. i, ${MB}))
       redis.call('SET', 'celery-task-meta-list-' .. i, '{}')
     end
     redis.call('LPUSH', '${QUEUE}', message('${QUEUE}', 'huge', ${huge}))
     redis.call('SET', 'celery-task-meta-huge', '{}')
     for i = 1, 2000 do
       redis.call('LPUSH', '${QUEUE}', message('${QUEUE}', 'small-' .. i, 300))
     end`,
  );
  run(
    `for i = 1, ${IN_FLIGHT} do
       local queue = i % 2 == 0 and '${QUEUE}' or 'foreign_queue'
       local entry = '[' .. message(queue, 'flight-' .. i, 100000) .. ', "", "' .. queue .. '"]'
       redis.call('HSET', 'unacked', 'tag-' .. i, entry)
       redis.call('ZADD', 'unacked_index', i, 'tag-' .. i)
       redis.call('SET', 'celery-task-meta-flight-' .. i, '{}')
     end`,
  );
}

interface Report {
  readonly verified: boolean;
  readonly tasks: { readonly queued: number; readonly in_flight: number };
}

describe.skipIf(!requireOrSkip('redis'))('messages with large bodies', () => {
  test.each([
    ['where scripts may run', []],
    [
      'without scripts',
      ['user plain on >secret ~* &* +@all -eval', 'user default on nopass ~* &* +@all'],
    ],
  ])(
    '%s: stats, plan and wipe in little memory; the results go by the ids in the headers',
    async (_, acl) => {
      const folder = testFolder();
      const isPlain = acl.length > 0;
      const redis = await redisOfTest(folder, { acl, config: ['proto-max-bulk-len 1gb'] });
      // Only Redis itself can leave a body out.
      fill(redis, isPlain ? 2 * MB : 120 * MB);
      const queued = 2000 + IN_LIST + 1;
      const user = isPlain ? 'plain:secret@' : '';
      const config = writeConfig(folder, {
        media: {
          redis: `redis://${user}127.0.0.1:${redis.port}/0`,
          keyPrefix: 'job:',
          celery: { queues: [QUEUE] },
        },
      });
      const memory = (field: string): number =>
        Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(redis.cli('INFO', 'memory'))?.[1]);
      const used = memory('used_memory');
      const run = async (...args: readonly string[]) => {
        const options = ['--json', '--config', config];
        const running = startTool([...args, ...options], { folder, cwd: join(folder, 'cwd') });
        running.endInput();
        const result = await peakMemory(running);
        expect(result.peak, args.join(' ')).toBeLessThan(MOST_MEMORY);
        return { ...result, report: JSON.parse(result.stdout) as Report };
      };
      await run('stats', 'all');
      await run('all', '--dry-run');
      const { code, stderr, stdout } = await run('all', '--yes');
      expect(code, stderr + stdout).toBe(0);
      expect(stdout).toContain(String(queued));
      // Where a script makes the huge message, Redis needs that once more.
      if (isPlain) expect(memory('used_memory_peak') - used).toBeLessThan(MOST_IN_REDIS);
      expect(redis.cli('EXISTS', QUEUE)).toBe('0');
      expect(redis.cli('HLEN', 'unacked')).toBe(String(IN_FLIGHT / 2));
      expect(redis.cli('ZCARD', 'unacked_index')).toBe(String(IN_FLIGHT / 2));
      expect(redis.cli('--scan', '--pattern', 'celery-task-meta-*').split('\n')).toHaveLength(
        IN_FLIGHT / 2,
      );
    },
    90_000,
  );
});
