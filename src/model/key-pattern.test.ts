import { describe, expect, test } from 'vitest';
import { canMatchBeginning, isKeyPattern, matchesKeyPattern, scanPattern } from './key-pattern.ts';

const matches = (pattern: string, key: string): boolean =>
  matchesKeyPattern(Buffer.from(pattern), Buffer.from(key));

describe('a key pattern', () => {
  test.each([
    ['svc:jobs:list', 'svc:jobs:list', true],
    ['svc:jobs:list', 'svc:jobs:lists', false],
    ['svc:*:list', 'svc:jobs:list', true],
    ['svc:*:list', 'svc:jobs:list:2', false],
    ['*', '', true],
    ['a*b*c', 'axxbyybzzc', true],
    ['a*b*c', 'axxbyybzz', false],
    ['job?', 'job1', true],
    ['job?', 'job', false],
    ['job[0-9]', 'job7', true],
    ['job[^0-9]', 'job7', false],
    ['job[9-0]', 'job7', true],
    ['job[abc]', 'jobb', true],
    ['job[a\\]]', 'job]', true],
    ['job[abc', 'jobb', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'axb', false],
    ['a\\', 'a\\', true],
    ['', '', true],
    ['', 'a', false],
  ])('%s matches %s: %s', (pattern, key, expected) => {
    expect(matches(pattern, key)).toBe(expected);
  });

  test('compares bytes that are no text', () => {
    const key = Buffer.from([0x61, 0xff, 0x62]);
    expect(matchesKeyPattern(Buffer.from('a?b'), key)).toBe(true);
    expect(
      matchesKeyPattern(Buffer.concat([Buffer.from('a'), Buffer.from([0xff, 0x2a])]), key),
    ).toBe(true);
  });

  test('ends soon whatever the pattern is', () => {
    const started = process.cpuUsage();
    expect(matches(`${'*a'.repeat(50)}b`, 'a'.repeat(20_000))).toBe(false);
    expect(process.cpuUsage(started).user).toBeLessThan(2_000_000);
  });

  test('is told from a plain name', () => {
    expect(['svc:jobs:list', 'svc:*', 'a\\*'].map(isKeyPattern)).toEqual([false, true, true]);
  });
});

test.each([
  ['a:*', 'a:*'],
  ['a:*:list', 'a:*:list'],
  ['a:*b*c', 'a:*'],
  ['\\*a*b', '\\*a*b'],
  ['\\**b*', '\\**'],
  ['*a*a*a*a*b', '*'],
  ['a[*]b*', 'a*'],
])('Redis is asked for %s with %s', (pattern, asked) => {
  expect(scanPattern(Buffer.from(pattern)).toString()).toBe(asked);
});

test.each([
  ['a:*', 'a:b:', true],
  ['a:*', 'a', true],
  ['a:*', 'b:', false],
  ['*:list', 'b:', true],
  ['a*c', 'ab:', true],
  ['[ab]:x', 'b:', true],
  ['[^ab]:x', 'b:', false],
  ['?:x', 'b:y', false],
  ['a:', 'a:b', false],
  ['a\\*', 'a*', true],
  ['a\\*', 'ab', false],
  ['**', 'a', true],
])('%s can match what begins with %s: %s', (pattern, beginning, can) => {
  expect(canMatchBeginning(Buffer.from(pattern), Buffer.from(beginning))).toBe(can);
});
