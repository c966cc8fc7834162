/** Renewals of the lock that come while a transaction is under way on a slow link. */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectRedis } from '../src/redis/connect.ts';
import { ownStack, redisFor, type OwnStack } from './support/own-config.ts';
import { startProxy } from './support/proxy.ts';
import { pipeCommands, times, type Command } from './support/redis-fill.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { mutantTool } from './support/tool.ts';
import { until } from './support/until.ts';

const TASKS = 300;
const QUEUE = 'media_queue';

/** Large messages in flight; only some of them have a tag in the index, so that ZREM removes less. */
function fillUnacked(redis: TestRedis): void {
  const body = 'x'.repeat(50_000);
  const entry = (at: number): string =>
    JSON.stringify([{ body, headers: { id: `task-${at}`, task: 't' }, properties: {} }, '', QUEUE]);
  pipeCommands(redis.port, 1, [
    ...times(TASKS, (at): Command => ['HSET', 'unacked', `tag-${at}`, entry(at)]),
    ...times(90, (at): Command => ['ZADD', 'unacked_index', '1700000000', `tag-${at}`]),
    ['HSET', 'unacked', 'of-another', JSON.stringify([{}, '', 'another_queue'])],
    ...times(1200, (at): Command => ['LPUSH', QUEUE, `{"headers":{"id":"queued-${at}"}}`]),
  ]);
}

/** Lines of MONITOR from now to the end of the test. */
async function monitor({ port }: TestRedis): Promise<() => readonly string[]> {
  const child = spawn('redis-cli', ['-p', String(port), 'MONITOR']);
  onTestFinished(() => void child.kill());
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  await until('it listens', () => text.includes('OK'));
  return () => text.split('\n');
}

/** Addresses of the clients that sent a command with this text in it. */
function sendersOf(lines: readonly string[], command: RegExp): ReadonlySet<string | undefined> {
  return new Set(
    lines
      .filter((line) => command.test(line))
      .map((line) => /^\S+ \[\d+ (\S+)\]/.exec(line)?.[1])
      .filter((address) => address !== 'lua'),
  );
}

async function slowStack(): Promise<{ stack: OwnStack; redis: TestRedis; url: string }> {
  const stack = ownStack();
  const redis = await redisFor(stack);
  const proxy = await startProxy(redis.port, { delayMs: 25 });
  onTestFinished(async () => await proxy.stop());
  return { stack, redis, url: proxy.url(1) };
}

describe.skipIf(!requireOrSkip('redis'))('a lock that is renewed all the time', () => {
  test('changes no count of the wipe, and is renewed on a connection of its own', async () => {
    const { stack, redis, url } = await slowStack();
    fillUnacked(redis);
    const lines = await monitor(redis);
    stack.config({ redis: url, keyPrefix: 'job:', celery: { queues: [QUEUE] } });
    mkdirSync(stack.path('mutant'));
    const tool = mutantTool(stack.path('mutant'), [['RENEWAL_MS = 8e3', 'RENEWAL_MS = 2']]);
    const { code, service, stderr } = await stack.wipe({ tool });
    expect(stderr).not.toContain('internal');
    expect([code, service['tasks_purged'], service['errors']]).toEqual([
      0,
      { queued: 1200, in_flight: TASKS },
      [],
    ]);
    expect(redis.cli('-n', '1', 'HKEYS', 'unacked')).toBe('of-another');
    expect(redis.cli('-n', '1', 'EXISTS', QUEUE, 'unacked_index')).toBe('0');
    const lockers = sendersOf(lines(), /"(EVAL|SET)" .*media-cleanup:lock:media/i);
    const wipers = sendersOf(lines(), /"(HDEL|LTRIM|SCAN|UNLINK)" /i);
    expect([lockers.size, wipers.size]).toEqual([1, 1]);
    expect(lockers).not.toEqual(wipers);
    expect(lines().filter((line) => /"EVAL" /i.test(line)).length).toBeGreaterThan(20);
  });

  test('a Redis without room for another client: wiped, with a warning', async () => {
    const stack = ownStack();
    const redis = await redisFor(stack, { maxclients: 2 });
    stack.config({ redis: redis.url(1), keyPrefix: 'job:' });
    redis.cli('-n', '1', 'SET', 'job:1', 'x');
    // It takes one of the two.
    await monitor(redis);
    const { code, service } = await stack.wipe();
    expect([code, service['jobs_removed'], service['verified']]).toEqual([0, 1, true]);
    expect(service['warnings']).toEqual([
      expect.stringMatching(
        /lock media-cleanup:lock:media could not be set .*maximum number of cl/,
      ),
    ]);
  });
});

describe.skipIf(!requireOrSkip('redis'))('a transaction over a slow link', () => {
  test('has its connection to itself, whoever else asks meanwhile', async () => {
    const { redis, url } = await slowStack();
    fillUnacked(redis);
    const signal = new AbortController().signal;
    const [, port] = /:(\d+)\/1$/.exec(url) ?? [];
    const connection = await connectRedis(
      {
        ...{ kind: 'server', db: 1, credentials: undefined, tls: undefined },
        address: { host: '127.0.0.1', port: Number(port) },
      },
      signal,
    );
    onTestFinished(() => connection.close());
    for (let round = 0; round < 5; round += 1) {
      const tags = times(10, (at): Command => [`tag-${round * 10 + at}`]).flat();
      const transaction = connection.transaction([
        ['ZREM', 'unacked_index', ...tags],
        ['HDEL', 'unacked', ...tags],
      ]);
      const others: Promise<unknown>[] = [];
      for (let at = 0; at < 10; at += 1) {
        others.push(connection.send('EVAL', 'return 4711', 0));
        others.push(connection.unlink([Buffer.from('nothing')]));
        others.push(connection.transaction([['LRANGE', 'nothing', 0, -1]]));
        await sleep(3);
      }
      expect(await transaction).toEqual([10, 10]);
      const replies = times(10, () => ['']).flatMap((): unknown[] => [4711, 0, [[]]]);
      expect(await Promise.all(others)).toEqual(replies);
    }
  });
});
