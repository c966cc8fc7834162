import { expect, test } from 'vitest';
import { matchesKeyPattern } from '../model/key-pattern.ts';
import { createKeyNames } from './key-names.ts';
import { commonPattern } from './key-pass.ts';

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
