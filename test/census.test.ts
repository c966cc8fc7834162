/** What a database is said to hold depends on its keys alone: not on chance, not on SCAN's order. */
import { expect, onTestFinished, test } from 'vitest';
import { connectRedis } from '../src/redis/connect.ts';
import { takeCensus } from '../src/redis/families.ts';
import { testFolder } from './support/folder.ts';
import { startRedis } from './support/redis.ts';

async function censusOf(keys: readonly string[]) {
  const server = await startRedis(testFolder());
  const { signal } = new AbortController();
  const address = { host: '127.0.0.1', port: server.port };
  const redis = await connectRedis(
    { kind: 'server', address, db: 0, credentials: undefined, tls: undefined },
    signal,
  );
  onTestFinished(async () => {
    redis.close();
    await server.stop();
  });
  server.cli('MSET', ...keys.flatMap((key) => [key, 'x']));
  const { families } = await takeCensus(redis, () => false, signal);
  return families.map(({ prefix, count, samples }) => ({
    ...{ prefix: prefix.toString(), count },
    samples: samples.map((key) => key.toString()),
  }));
}

test('two servers with the same keys give the same families and samples', async () => {
  const numbers = Array.from({ length: 600 }, (_, index) => String(index + 1));
  // More beginnings of `v:` than are told apart: those are put together.
  const variants = numbers.slice(0, 60).map((number) => `v:kind${number}x:${number}`);
  const keys = [
    ...numbers.flatMap((number) => [`job:${number}`, `celery-task-meta-${number}`]),
    ...variants,
  ];
  const one = await censusOf(keys);
  expect(await censusOf(keys.toReversed())).toEqual(one);
  expect(one.map(({ prefix, count }) => [prefix, count])).toEqual([
    ['celery-task-meta-', 600],
    ['job:', 600],
    ['v:', 60],
  ]);
  const idsOf = (index: number): unknown =>
    one[index]?.samples.map((key) => key.replace(one[index]?.prefix ?? '', ''));
  expect(idsOf(0)).toHaveLength(8);
  expect(idsOf(1)).toEqual(idsOf(0));
});
