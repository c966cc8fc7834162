/** Jobs with names of 4 KB: memory does not grow with the names, and no command names too much. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { peakMemory } from './support/peak-memory.ts';
import { redisOfTest } from './support/redis-of-test.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startTool } from './support/tool.ts';

const MOST_MEMORY = 250e6;
const JOBS = 50_000;
const FOREIGN = 1_000;

describe.skipIf(!requireOrSkip('redis'))('jobs with names of 4 KB', () => {
  test('plan and wipe in little memory', async () => {
    const folder = testFolder();
    const redis = await redisOfTest(folder, {
      config: ['client-output-buffer-limit normal 4mb 0 0'],
    });
    redis.cli(
      'EVAL',
      `local long = string.rep('x', 4000)
       for i = 1, ${JOBS} do redis.call('SET', 'job:' .. i .. long, '{}') end
       for i = 1, ${FOREIGN} do redis.call('SET', 'other:' .. i .. long, '{}') end`,
      '0',
    );
    const config = writeConfig(folder, {
      media: { redis: redis.url(0), keyPrefix: 'job:', celery: { queues: ['media_queue'] } },
    });
    for (const args of [
      ['stats', 'all'],
      ['all', '--dry-run'],
      ['all', '--yes'],
    ]) {
      const options = { folder, cwd: join(folder, 'cwd'), timeout: 60_000 };
      const running = startTool([...args, '--json', '--config', config], options);
      running.endInput();
      const { code, peak, stderr } = await peakMemory(running);
      expect(code, stderr).toBe(0);
      expect(peak, args.join(' ')).toBeLessThan(MOST_MEMORY);
    }
    expect(redis.cli('DBSIZE')).toBe(String(FOREIGN));
  }, 300_000);
});
