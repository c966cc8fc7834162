/** SIGHUP, SIGINT and SIGTERM: the item at hand is finished, and the report says what went until then. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeFiles, writeConfig, type JsonReport } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { startRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { mutantTool, startTool } from './support/tool.ts';
import { countFiles, fileList } from './support/witness.ts';

const SIGNALS = [
  // Of a closed terminal; Node undoes what nohup does about it.
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 2) {
    if (waited > 60_000) throw new Error('it did not come');
    await sleep(2);
  }
}

test.each(SIGNALS)('%s among many files', async (signal, code) => {
  const folder = testFolder();
  mkdirSync(join(folder, 'uploads'));
  execFileSync('bash', ['-c', 'seq 30000 | xargs touch'], { cwd: join(folder, 'uploads') });
  makeFiles(join(folder, 'later'), 3);
  const config = writeConfig(folder, {
    one: { root: '..', directories: ['uploads'] },
    two: { root: '..', directories: ['later'] },
  });
  // The last look ends after 1.5 s, counted or not: on a busy machine not.
  const tool = mutantTool(testFolder(), [['LAST_LOOK_MS = 1500', 'LAST_LOOK_MS = 6e4']]);
  const run = startTool(['all', '--yes', '--json', '--verbose', '--config', config], {
    folder,
    cwd: join(folder, 'cwd'),
    tool,
  });
  await until(() => run.stderr().includes('files: Uploads/'));
  run.kill(signal);
  const result = await run.result;
  expect(result.code).toBe(code);
  const report = JSON.parse(result.stdout) as JsonReport;
  expect(report.status).toBe('interrupted');
  expect(report.files_deleted).toBeGreaterThan(0);
  expect(report.files_deleted).toBe(30_000 - countFiles(join(folder, 'uploads')));
  expect(report.files_deleted).toBeLessThan(30_000);
  expect(report.verified).toBe(false);
  expect(report.message).toContain(`INTERRUPTED: 0 jobs + ${report.files_deleted} files`);
  expect(report.services['one']?.remaining['files']).toBe(30_000 - report.files_deleted);
  expect(report.services['two']?.remaining['files']).toBe(3);
  expect(fileList(join(folder, 'later'))).toHaveLength(3);
});

test.each([20, 60, 120])('SIGINT while others help, %s ms after the start', async (moment) => {
  const folder = testFolder();
  mkdirSync(join(folder, 'uploads'));
  const script = 'for d in $(seq 20); do mkdir $d; (cd $d; seq 1500 | xargs touch); done';
  execFileSync('bash', ['-c', script], { cwd: join(folder, 'uploads') });
  const config = writeConfig(folder, { one: { root: '..', directories: ['uploads'] } });
  const args = ['all', '--yes', '--json', '--concurrency', '3', '--config', config];
  const run = startTool(args, { folder, cwd: join(folder, 'cwd') });
  await until(() => run.stderr().includes('- INFO - one: '));
  await sleep(moment);
  run.kill('SIGINT');
  const { code, stdout } = await run.result;
  const report = JSON.parse(stdout) as JsonReport;
  expect(report.files_deleted).toBe(30_000 - countFiles(join(folder, 'uploads')));
  expect([code, report.status]).toEqual([130, 'interrupted']);
});

describe.skipIf(!requireOrSkip('redis'))('with Redis', () => {
  test.each(SIGNALS)('%s among many jobs', async (signal, code) => {
    const folder = testFolder();
    const redis = await startRedis(folder);
    onTestFinished(async () => redis.stop());
    const lua = `for i = 1, ARGV[1] do redis.call('SET', 'job:' .. i, i) end`;
    redis.cli('-n', '1', 'EVAL', lua, '0', '300000');
    makeFiles(join(folder, 'uploads'), 3);
    const config = writeConfig(folder, {
      one: { redis: redis.url(1), keyPrefix: 'job:', root: '..', directories: ['uploads'] },
    });
    const run = startTool(['all', '--yes', '--json', '--verbose', '--config', config], {
      folder,
      cwd: join(folder, 'cwd'),
    });
    await until(() => run.stderr().includes('jobs: job:'));
    run.kill(signal);
    const result = await run.result;
    expect(result.code).toBe(code);
    const report = JSON.parse(result.stdout) as JsonReport;
    expect(report.status).toBe('interrupted');
    expect(report.jobs_removed).toBeGreaterThan(0);
    expect(report.jobs_removed).toBe(300_000 - Number(redis.cli('-n', '1', 'DBSIZE')));
    expect(report.jobs_removed).toBeLessThan(300_000);
    // Files do not wait for Redis.
    expect(report.files_deleted).toBe(3 - fileList(join(folder, 'uploads')).length);
  });

  test.each(SIGNALS)('%s while it still connects: nothing was touched', async (signal, code) => {
    const folder = testFolder();
    const redis = await startRedis(folder);
    onTestFinished(async () => redis.stop());
    redis.pause();
    makeFiles(join(folder, 'uploads'), 3);
    const config = writeConfig(folder, {
      one: { redis: redis.url(1), keyPrefix: 'job:', root: '..', directories: ['uploads'] },
    });
    const run = startTool(['all', '--yes', '--json', '--config', config], {
      folder,
      cwd: join(folder, 'cwd'),
    });
    await until(() => run.stderr().includes('STARTED'));
    const signalled = performance.now();
    run.kill(signal);
    const result = await run.result;
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(
      `media-cleanup: Interrupted by ${signal} before anything was touched.\n`,
    );
    const report = JSON.parse(result.stdout) as JsonReport;
    expect(report).toMatchObject({ status: 'interrupted', error: { code: 'interrupted' } });
    expect(fileList(join(folder, 'uploads'))).toHaveLength(3);
    expect(performance.now() - signalled).toBeLessThan(3000);
  });

  test('SIGTERM while one connects and another is connected ends it at once', async () => {
    const folder = testFolder();
    const redis = await startRedis(folder);
    onTestFinished(async () => redis.stop());
    const deaf = createServer().listen(0, '127.0.0.1');
    await once(deaf, 'listening');
    onTestFinished(() => void deaf.close());
    const { port } = deaf.address() as { port: number };
    const config = writeConfig(folder, {
      one: { redis: redis.url(1), keyPrefix: 'job:' },
      two: { redis: `redis://127.0.0.1:${port}/0`, keyPrefix: 'job:' },
    });
    const run = startTool(['all', '--yes', '--config', config], { folder });
    await until(() => redis.cli('CLIENT', 'LIST').includes('name=media-cleanup'));
    const signalled = performance.now();
    run.kill('SIGTERM');
    const result = await run.result;
    expect(result.code).toBe(143);
    expect(performance.now() - signalled).toBeLessThan(3000);
  });
});
