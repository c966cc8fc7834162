import { describe, expect, test } from 'vitest';
import { createCursorCheck } from './cursor-check.ts';

function take(cursors: Iterable<bigint | number>): number {
  const check = createCursorCheck('SCAN');
  let taken = 0;
  for (const cursor of cursors) {
    check(Buffer.from(String(cursor)));
    taken += 1;
  }
  return taken;
}

function reversed(value: bigint, bits: number): bigint {
  return BigInt(`0b${value.toString(2).padStart(bits, '0').split('').toReversed().join('')}`);
}

/** `dictScan` of one table of 2^bits buckets. */
function* redisCursors(bits: number): Generator<bigint> {
  for (let at = 1n; at < 1n << BigInt(bits); at += 1n) yield reversed(at, bits);
}

function* endless(next: (step: number) => bigint | number): Generator<bigint | number> {
  for (let step = 0; ; step += 1) yield next(step);
}

/** xorshift (https://en.wikipedia.org/wiki/Xorshift). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

describe('a scan that ends', () => {
  test('the cursors of Redis', () => {
    expect(take(redisCursors(16))).toBe(2 ** 16 - 1);
  });

  test('a table that is made larger and smaller meanwhile', () => {
    const [before, larger, smaller] = [8, 12, 6].map((bits) => [...redisCursors(bits)]);
    // What has been passed is passed at every size.
    const all = [
      ...(before?.slice(0, 64) ?? []),
      ...(larger?.slice(64 * 16, 128 * 16) ?? []),
      ...(smaller?.slice(32) ?? []),
    ];
    expect(take(all)).toBe(all.length);
  });

  test('slot by slot in a cluster, the slot in the lowest bits', () => {
    function* cursors(): Generator<bigint> {
      for (let slot = 0n; slot < 16_384n; slot += 1n) {
        for (const cursor of redisCursors(3)) yield (cursor << 14n) | slot;
      }
    }
    expect(take(cursors())).toBe(16_384 * 7);
  });

  test('a proxy that scans one server after the other', () => {
    function* cursors(): Generator<bigint> {
      for (let node = 1n; node <= 300n; node += 1n) {
        for (const cursor of redisCursors(6)) yield (node << 48n) | cursor;
      }
    }
    expect(take(cursors())).toBe(300 * 63);
  });

  test('plain positions', () => {
    expect(take(Array.from({ length: 100_000 }, (_, at) => at + 1))).toBe(100_000);
  });
});

describe('a scan that does not', () => {
  test.each([
    ['the same cursor', () => 7],
    ['two in turn', (step: number) => 5 + (step % 2)],
    [
      'a circle behind a straight way',
      (step: number) => (step < 999 ? step + 1 : 2000 + (step % 777)),
    ],
    [
      'the cursors of Redis again and again',
      (step: number) => reversed(BigInt(1 + (step % 255)), 8),
    ],
  ])('%s', (_, next) => {
    expect(() => take(endless(next))).toThrow(
      /^SCAN came back to the cursor \d+: it would never end$/,
    );
  });

  test('cursors without order', () => {
    const roll = random(4711);
    const next = (): bigint => (BigInt(roll()) << 32n) | BigInt(roll());
    expect(() => take(endless(next))).toThrow('SCAN gives cursors without any order');
  });
});
