import { describe, expect, test } from 'vitest';
import { openCensus } from './families.ts';

const MOST = 5_000;

function givenNames(names: readonly string[]): readonly string[] {
  const census = openCensus(() => false);
  census.read(names.map((name) => Buffer.from(name, 'latin1')));
  return census.end().givenNames.map((name) => name.toString('latin1'));
}

const numbered = (start: string, count: number, end = ''): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${start}${index}${end}`);

describe('names that are likely given', () => {
  test.each([
    'media:unacked',
    'media:17:UnAcked9',
    'media:inflight',
    'v2:media:in_flight',
    'media:\xFFtaken',
  ])('%j is singled out among very many, wherever it comes', (name) => {
    const crowd = [
      ...numbered('media:', 2 * MOST),
      ...numbered('user:', 2 * MOST, ':profile'),
      ...numbered('session:aB', 2 * MOST, 'cD'),
    ];
    expect(givenNames([...crowd, name])).toContain(name);
    expect(givenNames([name, ...crowd])).toContain(name);
    expect(givenNames([...crowd, name])).toHaveLength(MOST);
  });

  test('all are, where there are few', () => {
    const few = numbered('media:', MOST);
    expect(givenNames(few)).toEqual(few);
  });

  test('the likely come before those that only have no id', () => {
    const words = numbered('word:', 2 * MOST).map((name) =>
      name.replaceAll(/\d/g, (digit) => 'abcdefghij'.charAt(Number(digit))),
    );
    expect(givenNames([...words, 'x:unacked'])[0]).toBe('x:unacked');
  });

  test('none is longer than a setting', () => {
    expect(givenNames(['unacked'.repeat(100)])).toEqual([]);
  });
});
