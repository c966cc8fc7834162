/**
 * Large jobs: their ages are read in pieces. The server ends any connection whose reply is larger
 * than it should be, whatever the machine's speed.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { wipeJson, writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { startProxy } from './support/proxy.ts';
import { redisOfTest } from './support/redis-of-test.ts';
import { requireOrSkip } from './support/requirements.ts';

const MB = 2 ** 20;
const SIZE = 20 * MB;
const JOBS = 12;
/** A reply of 1 MB, its frame, and what waits behind it. */
const REPLY_LIMIT = ['client-output-buffer-limit normal 4mb 0 0'];
const OLD = '2026-01-01T00:00:00Z';
const YOUNG = new Date().toISOString();

/** Dates first or last, with a decoy of the other kind before it in every other one. */
function jobOf(at: number): string {
  const [date, other] = at % 2 === 0 ? [OLD, YOUNG] : [YOUNG, OLD];
  const result = JSON.stringify('x'.repeat(SIZE));
  const meta = `"meta":{"created_at":"${other}"},"text":${JSON.stringify(`"created_at":"${other}"`)}`;
  return at % 4 < 2
    ? `{${meta},"created_at":"${date}","result":${result}}`
    : `{${meta},"result":${result},"created_at":"${date}"}`;
}

describe.skipIf(!requireOrSkip('redis'))('jobs of 20 MB', () => {
  test('by their ages over a link in pieces: the old ones go, no reply is larger than 1 MB', async () => {
    const folder = testFolder();
    const redis = await redisOfTest(folder, { config: REPLY_LIMIT });
    for (let at = 0; at < JOBS; at += 1) redis.cliInput(jobOf(at), 'SET', `job:${at}`);
    const proxy = await startProxy(redis.port);
    onTestFinished(async () => proxy.stop());
    redis.cli('CONFIG', 'RESETSTAT');
    const service = { redis: proxy.url(0), keyPrefix: 'job:' };
    const config = writeConfig(folder, { media: service });
    const { code, report, stderr } = await wipeJson(config, { folder }, '--older-than', '24h');
    expect(code, stderr).toBe(0);
    expect(report).toMatchObject({ jobs_removed: JOBS / 2, verified: true });
    const young = Array.from({ length: JOBS / 2 }, (_, at) => `job:${2 * at + 1}`);
    expect(redis.cli('--scan').split('\n').toSorted()).toEqual(young.toSorted());
    // Each with its date last is read whole: when it is chosen, and the young ones in the proof.
    expect(proxy.traffic().server).toBeLessThan(
      (JOBS / 2 + JOBS / 4) * (SIZE + MB) + JOBS * 2 * MB,
    );
  });
});
