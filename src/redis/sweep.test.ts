import { expect, test } from 'vitest';
import type { RedisConnection, RedisNode, Retries } from './connect.ts';
import { RedisError } from './errors.ts';
import { FULL_PACE } from './pace.ts';
import { scanAll } from './scan.ts';
import { sweep } from './sweep.ts';

const LOST = new RedisError('ETIMEDOUT', 'No answer', '');
const ENOUGH = 5;

/**
 * One server with endless pages of one key each, as one attempt after the other sees it.
 * Gives up after `ENOUGH` outages without progress, as a connection does by time.
 */
function endless(options: { readonly identity: string | undefined; readonly lostAt: number }) {
  const figures = { outages: 0, progress: 0 };
  let since = 0;
  let scans = 0;
  const node = {
    send: async (command: string, cursor: unknown) => {
      if (command !== 'SCAN') throw new Error(command);
      scans += 1;
      if (scans > options.lostAt) return Promise.reject(LOST);
      const page = Number(String(cursor)) + 1;
      return Promise.resolve([Buffer.from(String(page)), [Buffer.from(`job:${page}`)]]);
    },
    unlink: async () => Promise.resolve(1),
    identity: async () => Promise.resolve(options.identity),
    roundTrip: () => undefined,
  } as unknown as RedisNode;
  const retries: Retries = {
    session: async () => {
      scans = 0;
      return Promise.resolve({ nodes: [node], isCluster: false, send: node.send });
    },
    progressed() {
      figures.progress += 1;
      since = 0;
    },
    async recover(error) {
      figures.outages += 1;
      since += 1;
      if (since > ENOUGH || figures.outages > 100) throw error;
      return Promise.resolve();
    },
  };
  const redis = { startRetries: () => retries } as unknown as RedisConnection;
  return { redis, figures };
}

const signal = new AbortController().signal;

test('a SCAN that is answered is no progress where the ages of its jobs never are', async () => {
  const { redis, figures } = endless({ identity: 'one', lostAt: 3 });
  const sweeping = sweep(redis, {
    match: Buffer.from('job:*'),
    choose: async () => Promise.reject(LOST),
    companions: undefined,
    companionsFailed: () => undefined,
    forbidden: () => undefined,
    companionsForbidden: () => undefined,
    onSwept: () => undefined,
    pace: FULL_PACE,
    signal,
  });
  await expect(sweeping).rejects.toBe(LOST);
  expect(figures).toEqual({ outages: ENOUGH + 1, progress: 0 });
});

test('a scan that begins anew each time ends, since it never comes farther', async () => {
  const { redis, figures } = endless({ identity: undefined, lostAt: 3 });
  const scanning = async (): Promise<void> => {
    for await (const keys of scanAll(redis, undefined, signal)) expect(keys).toHaveLength(1);
  };
  await expect(scanning()).rejects.toBe(LOST);
  expect(figures.outages).toBeLessThanOrEqual(2 * ENOUGH);
});

test('a scan that goes on where it was is progress, however often the connection breaks', async () => {
  const { redis, figures } = endless({ identity: 'one', lostAt: 3 });
  let seen = 0;
  for await (const keys of scanAll(redis, undefined, signal)) {
    seen += keys.length;
    if (seen === 60) break;
  }
  expect(figures.outages).toBeGreaterThan(ENOUGH);
});
