import { expect, test } from 'vitest';
import { matchesKeyPattern } from '../model/key-pattern.ts';
import type { RedisConnection, RedisNode, Retries } from './connect.ts';
import { RedisError } from './errors.ts';
import { createKeyNames } from './key-names.ts';
import { collectKeys, commonPattern, readKeysTogether } from './key-pass.ts';
import type { WaitingPasses } from './key-pass.ts';

const patterns = (...texts: readonly string[]) => ({
  patterns: texts.map((text) => Buffer.from(text)),
});

test.each([
  ['one pattern stays as it is', [patterns('job:*'), patterns('job:*')], 'job:*'],
  ['several meet in their first bytes', [patterns('job:*', 'jab:*'), patterns('q*')], '[\\j\\q]*'],
  [
    'an escaped byte is what it stands for',
    [patterns('\\[a*'), patterns('\\^*', '-*')],
    '[\\[\\^\\-]*',
  ],
  ['a star in front can be anything', [patterns('*:job'), patterns('q*')], undefined],
  ['as a set', [patterns('[ab]:job'), patterns('q*')], undefined],
  ['as a question mark', [patterns('?job'), patterns('q*')], undefined],
  ['a reader of every key', [{ patterns: undefined }, patterns('q*')], undefined],
] as const)('the pattern of several readers: %s', (_, readers, expected) => {
  expect(commonPattern(readers)?.toString()).toBe(expected);
});

test('a key that any reader must see matches, whatever byte it begins with', () => {
  for (let byte = 0; byte < 256; byte += 1) {
    const own = Buffer.of(byte, 0x3a);
    const literal = '*?[]\\^'.includes(String.fromCharCode(byte)) ? [0x5c, byte] : [byte];
    const pattern = commonPattern([
      { patterns: [Buffer.from([...literal, 0x3a, 0x2a])] },
      patterns('other*'),
    ]);
    expect(pattern !== undefined && matchesKeyPattern(pattern, own), `byte ${byte}`).toBe(true);
    const foreign = Buffer.of((byte + 1) % 256);
    if (foreign[0] !== 0x6f) {
      expect(pattern !== undefined && matchesKeyPattern(pattern, foreign)).toBe(false);
    }
  }
});

test('names come once each, as bytes, and say when they are not all', () => {
  const names = createKeyNames();
  const odd = Buffer.of(0xff, 0x00, 0x0a);
  for (const key of [odd, Buffer.from('b'), odd]) names.add(key);
  expect(names.size).toBe(2);
  expect([...names.batches()].flat()).toEqual([odd, Buffer.from('b')]);
  expect(names.isWhole).toBe(true);
  expect(names.add(Buffer.alloc(9 * 2 ** 20))).toBe(false);
  expect(names.isWhole).toBe(false);
  expect(names.has(odd)).toBe(true);
});

test('names are bounded by their number', () => {
  const names = createKeyNames();
  for (let number = 0; number < 100_001; number += 1) names.add(Buffer.from(String(number)));
  expect(names.size).toBe(100_000);
  expect(names.isWhole).toBe(false);
});

const LOST = new RedisError('ECONNRESET', 'Lost', '');

/** A server with these keys on one page; `fails`: its SCAN is refused. */
function server(keys: readonly string[], fails = false) {
  const asked: string[] = [];
  const node = {
    send: async (...args: readonly unknown[]) => {
      asked.push(args.map(String).join(' '));
      if (fails) return Promise.reject(LOST);
      return Promise.resolve([Buffer.from('0'), keys.map((key) => Buffer.from(key))]);
    },
    identity: async () => Promise.resolve('one'),
    roundTrip: () => undefined,
  } as unknown as RedisNode;
  const retries: Retries = {
    session: async () => Promise.resolve({ nodes: [node], isCluster: false, send: node.send }),
    progressed: () => undefined,
    recover: async () => Promise.reject(LOST),
  };
  return { redis: { startRetries: () => retries } as unknown as RedisConnection, asked };
}

const { signal } = new AbortController();
const collector = (start: string) =>
  collectKeys([Buffer.from(`${start}*`)], (key) => key.toString().startsWith(start));

test('those that read one database at the same time share a pass; each gets its own keys', async () => {
  const one = server(['a:1', 'b:1', 'b:2']);
  const other = server([]);
  const readers = ['a', 'b', 'c'].map(collector);
  const waiting: WaitingPasses = new Map();
  const done = await Promise.all(
    readers.map(async (reader, index) =>
      readKeysTogether(
        index === 0 ? one.redis : other.redis,
        [reader],
        { waiting, database: 'db', others: 2 },
        signal,
      ),
    ),
  );
  expect(done).toEqual([true, true, true]);
  expect([one.asked.length, other.asked.length]).toEqual([1, 0]);
  expect(one.asked[0]).toContain('MATCH [\\a\\b\\c]*');
  expect(readers.map(({ names }) => names.size)).toEqual([1, 2, 0]);
  expect(waiting.size).toBe(0);
});

test('who comes alone is not waited for without end, and reads by itself', async () => {
  const one = server(['a:1']);
  const reader = collector('a');
  const waiting: WaitingPasses = new Map();
  expect(
    await readKeysTogether(one.redis, [reader], { waiting, database: 'db', others: 5 }, signal),
  ).toBe(true);
  expect(reader.names.size).toBe(1);
  expect(waiting.size).toBe(0);
});

test('a pass that fails is an error of the connection that made it, and of no other', async () => {
  const lost = server([], true);
  const waiting: WaitingPasses = new Map();
  const place = { waiting, database: 'db', others: 1 };
  const [first, second] = await Promise.allSettled([
    readKeysTogether(lost.redis, [collector('a')], place, signal),
    readKeysTogether(server([]).redis, [collector('b')], place, signal),
  ]);
  expect(first).toMatchObject({ status: 'rejected', reason: { code: 'ECONNRESET' } });
  expect(second).toEqual({ status: 'fulfilled', value: false });
});
