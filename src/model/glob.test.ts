import picomatch from 'picomatch';
import { describe, expect, test } from 'vitest';
import { dice, SEED } from '../../test/support/dice.ts';
import { expandBraces } from './braces.ts';
import { GLOB_OPTIONS, globTest, isGlob } from './glob.ts';

test('patterns with many stars take no time beside long names', () => {
  const started = performance.now();
  expect(globTest('*-*-*-*-*.json')(`${'-'.repeat(190)}x`)).toBe(false);
  expect(globTest(`${'*a'.repeat(40)}b`)('a'.repeat(255))).toBe(false);
  expect(globTest('+(a|aa|*(a))x')('a'.repeat(255))).toBe(false);
  expect(globTest('**/*a*/**/*a*/**/*a*/b')('aaaa/'.repeat(800))).toBe(false);
  expect(globTest('!(*(a)|+(a))c')('a'.repeat(255))).toBe(false);
  expect(performance.now() - started).toBeLessThan(5_000);
});

test.each([
  ['Movie (2019)*', 'Movie (2019).nfo', true],
  ['Movie (2019)*', 'Movie 2019.nfo', false],
  ['Show (2020)/**', 'Show (2020)/e1.mkv', true],
  ['(a|b).txt', 'a.txt', true],
  ['@(a).txt', 'a.txt', true],
  ['part{9..11}.bin', 'part10.bin', true],
  ['part{9..11}.bin', 'part1.bin', false],
  ['{a}', '{a}', true],
  ['[!k]*.bin', 'a.bin', true],
  ['[!k]*.bin', 'k.bin', false],
  ['[^k]*.bin', 'k.bin', false],
  ['[[:digit:]]*', '7', true],
  ['{a,b}{,.bak}', 'b.bak', true],
])('%s and %s: %s', (pattern, name, matches) => {
  expect(globTest(pattern)(name)).toBe(matches);
});

test.each([
  '+('.repeat(999) + ')'.repeat(999),
  '{a,'.repeat(999),
  '{1..1000000000}',
  '{a,b}'.repeat(40),
  '(?<=a|b)',
  '*'.repeat(5_000),
])('%s is refused', (pattern) => {
  expect(() => globTest(pattern)).toThrow(SyntaxError);
});

test.each([
  ['a', false],
  ['a b (1)', false],
  ['a[', false],
  ['a\\*', false],
  ['!a', false],
  ['a*', true],
  ['[ab]', true],
  ['@(a)', true],
  ['(a|b)', true],
])('%s is a pattern: %s', (text, expected) => {
  expect(isGlob(text)).toBe(expected);
});

describe('braces', () => {
  test.each([
    ['a{b,c}d', ['abd', 'acd']],
    ['{a,b{c,d}}', ['a', 'bc', 'bd']],
    ['{1..3}', ['1', '2', '3']],
    ['{3..1}', ['3', '2', '1']],
    ['{08..10}', ['08', '09', '10']],
    ['{-1..1}', ['-1', '0', '1']],
    ['{1..9..4}', ['1', '5', '9']],
    ['{a..c}', ['a', 'b', 'c']],
    ['{a}', ['\\{a\\}']],
    ['a{b', ['a\\{b']],
    ['{a,b', ['\\{a,b']],
    ['a}b', ['a\\}b']],
    ['\\{a,b\\}', ['\\{a,b\\}']],
    ['[{,}]', ['[{,}]']],
    ['{,x}', ['', 'x']],
  ])('%s', (pattern, expected) => {
    expect(expandBraces(pattern)).toEqual(expected);
  });
});

test(
  '30,000 random pairs of pattern and name match as picomatch matches them',
  { timeout: 60_000 },
  () => {
    const random = dice(SEED);
    const pick = (from: readonly string[]): string =>
      from[Math.floor(random() * from.length)] ?? '';
    const many = (most: number, part: () => string): string =>
      Array.from({ length: Math.floor(random() * (most + 1)) }, part).join('');
    const atoms = ['a', 'b', 'c', '.', '-', '*', '*', '?', '**', '/', '/', '[ab]', '[!a]', '[^a]'];
    const special = ['[a-c]', '[[:alpha:]]', '+', '$', '^', '\\*', '\\?', 'é', ' ', '/**/', '**/'];
    const part = (): string => {
      const chance = random();
      if (chance < 0.08) return `{${many(2, part)},${many(2, part)}}`;
      if (chance < 0.16)
        return `${pick(['!', '+', '@', '?', '*'])}(${many(2, part)}|${many(2, part)})`;
      if (chance < 0.2) return `(${many(2, part)}|${many(2, part)})`;
      return chance < 0.3 ? pick(special) : pick(atoms);
    };
    const different: unknown[] = [];
    let matched = 0;
    for (let round = 0; round < 3_000; round++) {
      const pattern = pick(['', '', 'a', '*', '.']) + many(5, part);
      const linear = compiled(pattern);
      if (linear === undefined) continue;
      // Braces of picomatch are groups of a regular expression, where a `+` behind them repeats them.
      const native = picomatch(expandBraces(pattern).filter(Boolean), GLOB_OPTIONS);
      for (let count = 0; count < 10; count++) {
        const text = many(6, () => pick(['a', 'b', 'c', '.', '-', '/', 'a', '*', 'é']));
        const name = text.split('/').filter(isName).join('/');
        if (name === '' || name === pattern) continue;
        const matches = linear(name);
        if (matches) matched += 1;
        if (matches !== native(name)) different.push([pattern, name]);
      }
    }
    expect(different).toEqual([]);
    expect(matched).toBeGreaterThan(1_000);
  },
);

/** As a directory lists it. */
function isName(text: string): boolean {
  return text !== '' && text !== '.' && text !== '..';
}

/** Undefined: refused, and then nothing is compared. */
function compiled(pattern: string): ((name: string) => boolean) | undefined {
  try {
    return pattern === '' || pattern.startsWith('!') ? undefined : globTest(pattern);
  } catch {
    return undefined;
  }
}
