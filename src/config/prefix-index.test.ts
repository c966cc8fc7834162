import { expect, test } from 'vitest';
import { MOST_FOUND, createPrefixIndex } from './prefix-index.ts';

function indexOf(...texts: string[]) {
  return createPrefixIndex(texts.map((text, value) => ({ text, value })));
}

const values = (found: readonly { readonly value: number }[]): readonly number[] =>
  found.map(({ value }) => value);

const byNumber = (a: number, b: number): number => a - b;

test('what begins with a text, what is the beginning of it, what is the same', () => {
  const index = indexOf('job:', 'jobs:', 'job:a:', 'job:', 'x', '');
  expect(values(index.beginningWith('job:'))).toEqual([0, 3, 2]);
  expect(values(index.beginningOf('job:a:1'))).toEqual([5, 0, 3, 2]);
  expect(values(index.equal('job:'))).toEqual([0, 3]);
  expect(values(index.beginningWith('y'))).toEqual([]);
  expect(index.matching('job', (text) => text.endsWith('s:'))).toEqual([1]);
});

test('the same as comparing every pair, for random texts', () => {
  let seed = 7;
  const random = (below: number): number =>
    (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below;
  const text = (): string => Array.from({ length: random(6) }, () => 'ab'[random(2)]).join('');
  for (let round = 0; round < 200; round += 1) {
    const texts = Array.from({ length: random(MOST_FOUND) }, text);
    const index = indexOf(...texts);
    const asked = text();
    const expected = (matches: (other: string) => boolean): readonly number[] =>
      [...texts.entries()].flatMap(([value, other]) => (matches(other) ? [value] : []));
    expect(values(index.beginningWith(asked)).toSorted(byNumber)).toEqual(
      expected((other) => other.startsWith(asked)).toSorted(byNumber),
    );
    expect(values(index.beginningOf(asked)).toSorted(byNumber)).toEqual(
      expected((other) => asked.startsWith(other)).toSorted(byNumber),
    );
  }
});
