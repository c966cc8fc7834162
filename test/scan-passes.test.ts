/**
 * How often a command goes through a whole database: beside millions of foreign keys each SCAN takes
 * seconds. What goes and what stays is seen by redis-cli.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { wipeJson, writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { redisOfTest } from './support/redis-of-test.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { runTool } from './support/tool.ts';

const FOREIGN = 3000;
const JOBS = 300;

/** Foreign keys, jobs with results, queues with two separators, an index; all of it by Redis itself. */
function fill(redis: TestRedis): void {
  redis.cli(
    'EVAL',
    `for i = 1, ${FOREIGN} do redis.call('SET', 'session:' .. i, 'x') end
     for _, name in ipairs({'one', 'two'}) do
       for i = 1, ${JOBS} do
         redis.call('SET', name .. '_job:id-' .. name .. i, '{"id": "id-' .. name .. i .. '"}')
         redis.call('SET', 'celery-task-meta-id-' .. name .. i, '{}')
       end
       local queue = name .. '_queue'
       for i, key in ipairs({queue, queue .. '\\6\\0223', queue .. '|7'}) do
         redis.call('LPUSH', key, '{"headers": {"id": "id-' .. name .. i .. '"}, "properties": ' ..
           '{"delivery_info": {"exchange": "", "routing_key": "' .. queue .. '"}}}')
       end
       redis.call('SADD', '_kombu.binding.' .. queue, queue .. '\\6\\022\\6\\022' .. queue)
       redis.call('SADD', name .. ':index:jobs', 'id-' .. name .. '1')
     end
     redis.call('LPUSH', 'one_job:high', '{}')
     redis.call('SADD', '_kombu.binding.media', 'high\\6\\022\\6\\022one_job:high')`,
    '0',
  );
}

/** The first commands of all SCANs of the whole database. */
async function scansOf(redis: TestRedis, work: () => Promise<void>): Promise<readonly string[]> {
  const child = spawn('redis-cli', ['-p', String(redis.port), 'MONITOR']);
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let seen = '';
  child.stdout.on('data', (data: Buffer) => (seen += data.toString('latin1')));
  while (!seen.includes('OK')) await sleep(5);
  await work();
  redis.cli('ECHO', 'the end');
  while (!seen.includes('the end')) await sleep(5);
  child.kill();
  // A SCAN of one key is a question whether this user may.
  return seen.split('\n').filter((line) => /"scan" "0"(?!.*"count" "1"$)/i.test(line.trimEnd()));
}

describe.skipIf(!requireOrSkip('redis'))('passes over a database', () => {
  const service = (redis: TestRedis, name: string, more: object = {}): object => ({
    redis: redis.url(0),
    keyPrefix: `${name}_job:`,
    indexKeys: [`${name}:index:*`],
    celery: { queues: [`${name}_queue`], ...more },
  });

  test.each([
    ['its own results', {}],
    ['all results', { results: 'all' }],
  ])('of a service with %s: one to look, one more to prove', async (_, more) => {
    const folder = testFolder();
    const redis = await redisOfTest(folder);
    fill(redis);
    const stays = (key: string): boolean =>
      key.startsWith('session:') || key === 'one_job:high' || key.startsWith('_kombu.');
    const before = redis.dump(0, stays);
    const config = writeConfig(folder, { one: service(redis, 'one', more) });
    const cwd = join(folder, 'cwd');
    for (const args of [['stats', 'all'], ['all', '--dry-run'], ['doctor']]) {
      const scans = await scansOf(redis, async () => {
        await runTool([...args, '--config', config], { folder, cwd });
      });
      expect(scans, `${args.join(' ')}\n${scans.join('\n')}`).toHaveLength(1);
    }
    const scans = await scansOf(redis, async () => {
      const { report, stderr } = await wipeJson(config, { folder });
      expect(report.jobs_removed, stderr).toBe(JOBS);
      expect(report.services['one']).toMatchObject({
        remaining: { jobs: 0, tasks: 0 },
        tasks_purged: { queued: 3 },
        index_keys_removed: 1,
      });
    });
    expect(scans, scans.join('\n')).toHaveLength(2);
    expect(redis.dump(0, stays)).toBe(before);
    const left = redis.cli('--scan').split('\n');
    expect(left.filter((key) => key.startsWith('one'))).toEqual(['one_job:high']);
    const results = left.filter((key) => key.startsWith('celery-task-meta-'));
    expect(results).toHaveLength('results' in more ? 0 : JOBS);
    expect(results.filter((key) => key.includes('one'))).toEqual([]);
  });

  test('names that are too many to be kept are scanned for, and all go', async () => {
    const folder = testFolder();
    const redis = await redisOfTest(folder);
    redis.cli(
      'EVAL',
      `local long = string.rep('n', 1024 * 1024)
       for i = 1, 12 do redis.call('SET', 'one_job:' .. long .. i, '{}') end
       redis.call('SET', 'two_job:' .. long, '{}')`,
      '0',
    );
    const config = writeConfig(folder, { one: service(redis, 'one') });
    const { report } = await wipeJson(config, { folder });
    expect(report).toMatchObject({ jobs_removed: 12, verified: true });
    expect(redis.cli('DBSIZE')).toBe('1');
  });
});
