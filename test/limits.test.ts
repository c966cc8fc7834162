/** `--max-files`, `--max-bytes`, `--max-jobs`: counted before the first deletion. */
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeFiles, wipeJson, writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { freePort, startRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { fileList } from './support/witness.ts';

async function scene() {
  const folder = testFolder();
  const redis = await startRedis(folder);
  onTestFinished(async () => redis.stop());
  redis.cli('-n', '1', 'MSET', 'job:1', 'x', 'job:2', 'x', 'job:3', 'x', 'other', 'x');
  makeFiles(join(folder, 'one'), 2);
  makeFiles(join(folder, 'two'), 3);
  const config = writeConfig(folder, {
    first: { redis: redis.url(1), keyPrefix: 'job:', root: '..', directories: ['one'] },
    second: { root: '..', models: ['two'], directories: ['two-files'] },
  });
  makeFiles(join(folder, 'two-files'), 3);
  return { folder, redis, config };
}

describe.skipIf(!requireOrSkip('redis'))('limits', () => {
  test.each([
    ['--max-files', '4', '5 files would be removed, more than the 4 allowed by --max-files'],
    ['--max-jobs', '2', '3 jobs would be removed, more than the 2 allowed by --max-jobs'],
    ['--max-bytes', '16K', '0.03MB would be removed, more than the 0.02MB allowed by --max-bytes'],
    ['--max-files', '0', '5 files would be removed, more than the 0 allowed by --max-files'],
  ])('%s %s is over: refused, nothing touched', async (flag, limit, text) => {
    const { folder, redis, config } = await scene();
    const before = redis.dump(1);
    const { code, report, stderr } = await wipeJson(config, { folder }, flag, limit);
    const message = `${text}; raise it if that is what you want.`;
    expect(report.error?.problems).toEqual([{ path: flag, message }]);
    expect(stderr).toContain(`Refusing to start: ${message}\n`);
    expect(report.status).toBe('refused');
    expect(code).toBe(3);
    expect(redis.dump(1)).toBe(before);
    expect([...fileList(join(folder, 'one')), ...fileList(join(folder, 'two'))]).toHaveLength(5);
  });

  test.each([
    ['--max-files', '5'],
    ['--max-jobs', '3'],
    ['--max-bytes', String(8 * 4096)],
  ])('%s %s is just enough', async (flag, limit) => {
    const { folder, config } = await scene();
    const { code, report } = await wipeJson(config, { folder }, flag, limit);
    expect(report).toMatchObject({ jobs_removed: 3, files_deleted: 5, models_deleted: 3 });
    expect(code).toBe(0);
  });

  test('a look that failed cannot keep a limit', async () => {
    const { folder } = await scene();
    const port = await freePort();
    const config = writeConfig(folder, {
      first: {
        redis: `redis://127.0.0.1:${port}/1`,
        keyPrefix: 'job:',
        root: '..',
        directories: ['one'],
      },
    });
    const { code, report } = await wipeJson(config, { folder }, '--max-jobs', '1000');
    expect(report.error?.problems).toEqual([
      {
        path: 'first',
        message: `first could not be counted completely (Redis/127.0.0.1:${port}/1: Connection refused), so the limits cannot be kept; mend that, or leave the limit out.`,
      },
    ]);
    expect(code).toBe(3);
    expect(fileList(join(folder, 'one'))).toHaveLength(2);
  });

  test('--strict with a Redis that is down', async () => {
    const { folder } = await scene();
    const port = await freePort();
    const config = writeConfig(folder, {
      first: {
        redis: `redis://:s3cret@127.0.0.1:${port}/1`,
        keyPrefix: 'job:',
        root: '..',
        directories: ['one'],
      },
      second: { root: '..', directories: ['two'] },
    });
    const { code, report, stdout, stderr } = await wipeJson(config, { folder }, '--strict');
    expect(report.error?.problems).toEqual([
      {
        path: 'first',
        message: `Redis/127.0.0.1:${port}/1: Connection refused (start Redis, or correct \`redis\` of this service in the config)`,
      },
    ]);
    expect(code).toBe(3);
    expect(stdout + stderr).not.toContain('s3cret');
    expect([...fileList(join(folder, 'one')), ...fileList(join(folder, 'two'))]).toHaveLength(5);
  });
});
