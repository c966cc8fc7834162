/** Replies that come a byte a second, or not at all: a signal, `--timeout` and the clock end the wait. */
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeFiles, writeConfig, type JsonResult } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { startProxy, type Proxy } from './support/proxy.ts';
import { pipeCommands, times, type Command } from './support/redis-fill.ts';
import { startRedis, type TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startWipe, type StartedWipe } from './support/started-wipe.ts';
import { fileList } from './support/witness.ts';

const SECOND = 1000;
/** The drip would last for days. */
const SOON_MS = 20 * SECOND;

interface Scene {
  readonly folder: string;
  readonly redis: TestRedis;
  readonly proxy: Proxy;
  readonly other: TestRedis;
  start(...args: readonly string[]): StartedWipe;
  /** What is left in the directories of both services. */
  files(): readonly string[];
}

/** `stuck` behind a proxy with 2000 jobs, `other` with a Redis of its own; each with files. */
async function scene(): Promise<Scene> {
  const folder = testFolder();
  const [redis, other] = [
    await startRedis(folder),
    await startRedis(join(folder, 'other')),
  ] as const;
  const proxy = await startProxy(redis.port);
  onTestFinished(async () => {
    await proxy.stop();
    await Promise.all([redis.stop(), other.stop()]);
  });
  const jobs = times(2000, (at): Command => ['SET', `job:${'x'.repeat(100)}${at}`, 'x']);
  pipeCommands(redis.port, 0, jobs);
  pipeCommands(other.port, 0, jobs);
  const names = ['stuck-files', 'other-files'];
  for (const name of names) makeFiles(join(folder, name), 5);
  const service = (url: string, files: string): object => ({
    redis: url,
    keyPrefix: 'job:',
    celery: { queues: ['media'] },
    directories: [join(folder, files)],
  });
  const config = writeConfig(folder, {
    stuck: service(proxy.url(0), 'stuck-files'),
    other: service(other.url(0), 'other-files'),
  });
  return {
    folder,
    redis,
    proxy,
    other,
    start: (...args) => startWipe(config, { folder }, ...args),
    files: () => names.flatMap((name) => fileList(join(folder, name))),
  };
}

function jobsIn(redis: TestRedis): string {
  return redis.cli('EVAL', "return #redis.call('KEYS', 'job:*')", '0');
}

function expectStopped({ report, code }: JsonResult, expected: number): void {
  expect([code, report.status, report.verified]).toEqual([expected, 'interrupted', false]);
  const { stuck } = report.services;
  expect(stuck).toMatchObject({ verified: false });
  expect(stuck?.errors.join('\n')).toMatch(/No answer/);
  expect(stuck?.warnings.join('\n')).toMatch(/what is left of jobs.* was not counted/);
}

describe.skipIf(!requireOrSkip('redis'))('a Redis whose replies do not end', () => {
  test.each([
    ['a drip', 1 * SECOND],
    ['silence', Infinity],
  ])(
    '--timeout ends %s in the middle of a SCAN',
    async (_, everyMs) => {
      const { proxy, start } = await scene();
      proxy.drip({ from: 'SCAN', everyMs, everywhere: true });
      const started = performance.now();
      const result = await start('--timeout', '2s').result;
      expect(performance.now() - started).toBeLessThan(SOON_MS);
      expect(proxy.isDripping()).toBe(true);
      expectStopped(result, 1);
    },
    60_000,
  );

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    '%s ends a drip in the handshake, in a SCAN and in an EXEC',
    async (signal, code) => {
      for (const from of ['INFO', 'SCAN', 'EXEC']) {
        const { redis, proxy, start } = await scene();
        redis.cli('HSET', 'unacked', 'tag', '[{}, "", "media"]');
        proxy.drip({ from, everyMs: SECOND, everywhere: true });
        const run = start();
        await run.reaches(`the reply to ${from} drips`, proxy.isDripping);
        const signalled = performance.now();
        run.kill(signal);
        const result = await run.result;
        expect(performance.now() - signalled, from).toBeLessThan(SOON_MS);
        expect(result.code, from).toBe(code);
        expect(result.report.verified, from).not.toBe(true);
        if (from !== 'INFO') expectStopped(result, code);
      }
    },
    300_000,
  );

  test.each(['PUBLISH', 'SCAN'])(
    'while %s drips, the files of its service and all of the other one go and are proven',
    async (from) => {
      const { redis, other, proxy, start, files } = await scene();
      proxy.drip({ from, everyMs: SECOND, everywhere: true });
      const run = start();
      await run.reaches('the other one is proven', () => run.stderr().includes('Verified: other'));
      await run.reaches('the files are gone', () => files().length === 0);
      expect(jobsIn(other)).toBe('0');
      run.kill('SIGTERM');
      const result = await run.result;
      expectStopped(result, 143);
      expect(jobsIn(redis)).toBe('2000');
      const { report } = result;
      expect(report.services['stuck']).toMatchObject({ files_deleted: 5, jobs_removed: 0 });
      expect(report.services['other']).toMatchObject({
        verified: true,
        jobs_removed: 2000,
        files_deleted: 5,
        errors: [],
      });
      expect(Object.keys(report.services)).toEqual(['stuck', 'other']);
    },
    60_000,
  );

  test('without a signal the clock ends a drip, and the rest is wiped', async () => {
    const { redis, proxy, start, other, files } = await scene();
    proxy.drip({ from: 'SCAN', everyMs: SECOND, everywhere: true });
    const { report, code } = await start().result;
    expect([code, report.status, report.verified]).toEqual([1, 'completed_with_errors', false]);
    expect(report.services['stuck']?.errors).toEqual([expect.stringMatching(/No answer/)]);
    expect(report.services['other']).toMatchObject({ verified: true, jobs_removed: 2000 });
    expect([redis, other].map(jobsIn)).toEqual(['2000', '0']);
    expect(files()).toEqual([]);
  }, 300_000);
});
