/** Terminals that call themselves 0 columns wide (expect, docker exec -t before its first resize). */
import { expect, onTestFinished, test, describe } from 'vitest';
import { writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { startRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startOnTerminal } from './support/terminal.ts';
import { toolEnvironment } from './support/tool.ts';

describe.skipIf(!requireOrSkip('redis', 'celery'))('a terminal of 0 columns', () => {
  test('keeps nobody busy: a wipe long enough for progress ends', async () => {
    const folder = testFolder();
    const redis = await startRedis(folder);
    onTestFinished(async () => redis.stop());
    redis.cli('EVAL', "for i = 1, 100 do redis.call('SET', 'job:' .. i, i) end", '0');
    const config = writeConfig(folder, { media: { redis: redis.url(), keyPrefix: 'job:' } });
    const args = ['media', '--yes', '--rate', '40', '--config', config];
    const env = { ...toolEnvironment(folder), TEST_COLUMNS: '0', TERM: 'xterm' };
    const { code, stdout } = await startOnTerminal(args, { folder, env }).result;
    expect(code).toBe(0);
    expect(stdout).toContain('TOTAL WIPE COMPLETED: 100 jobs');
    expect(redis.cli('DBSIZE')).toBe('0');
  });
});
