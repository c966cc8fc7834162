import { expect, test } from 'vitest';
import { dice, SEED } from '../../test/support/dice.ts';
import { linearTest } from './linear-regex.ts';

test('what would backtrack for ever takes no time', () => {
  for (const source of ['^(a+)+$', '^(a|aa)*$', '^(?:a*)*(?:a*)*b$', '^(?!(?:(a+)+)+$)x$']) {
    const matches = linearTest(source);
    const started = performance.now();
    expect(matches(`${'a'.repeat(5_000)}c`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(2_000);
  }
});

test.each(['a(?<=a)', 'a(?<!a)', '(?<x>a)', '\\1', '\\bx', '\\', '(a', 'a)', '[a', '*a', '(?i:a)'])(
  '%s is refused',
  (source) => {
    expect(() => linearTest(source)).toThrow(SyntaxError);
  },
);

test('what is too large or too deep is refused', () => {
  expect(() => linearTest('((((a{99}){99}){99}){99}){99}')).toThrow(SyntaxError);
  expect(() => linearTest('('.repeat(5_000) + ')'.repeat(5_000))).toThrow(SyntaxError);
  expect(() => linearTest(`a${'?'.repeat(3)}`)).toThrow(SyntaxError);
});

test('20,000 random expressions match what RegExp matches', () => {
  const random = dice(SEED);
  const roll = (sides: number): number => Math.floor(random() * sides);
  const atoms = ['a', 'b', '.', '[ab]', '[^a]', '\\.', '\\w', '(?=a)', '(?!b)', '(?!a$)', '^', '$'];
  const counts = ['', '', '', '*', '+', '?', '*?', '{2}', '{1,2}', '{1,}'];
  const write = (depth: number): string => {
    const parts = Array.from({ length: 1 + roll(3) }, () => {
      const atom = atoms[roll(atoms.length)] ?? '';
      const kind = depth > 2 ? 9 : roll(10);
      if (kind === 0) return `(${write(depth + 1)})${counts[roll(counts.length)]}`;
      if (kind === 1) return `(?:${write(depth + 1)}|${write(depth + 1)})`;
      if (kind === 2) return `(?!${write(depth + 1)})`;
      return atom.startsWith('(?') || '^$'.includes(atom)
        ? atom
        : atom + (counts[roll(counts.length)] ?? '');
    });
    return parts.join('');
  };
  const different: unknown[] = [];
  for (let round = 0; round < 4_000; round++) {
    const source = `^(?:${write(0)})$`;
    const [native, linear] = [new RegExp(source), linearTest(source)];
    for (let text = 0; text < 5; text++) {
      const name = Array.from({ length: roll(7) }, () => 'ab.'[roll(3)]).join('');
      if (linear(name) !== native.test(name)) different.push([source, name]);
    }
  }
  expect(different).toEqual([]);
});
