import { describe, expect, test } from 'vitest';
import { plainStyle } from './style.ts';
import { counted, cut, elapsedText, grouped, readable, roughly, textWidth, wrap } from './text.ts';

test('thousands are grouped', () => {
  expect([0, 999, 1000, 9_999_999].map(grouped)).toEqual(['0', '999', '1,000', '9,999,999']);
  expect([counted(1, 'file'), counted(12_345, 'file')]).toEqual(['1 file', '12,345 files']);
});

test('columns, not characters', () => {
  expect(textWidth('abc')).toBe(3);
  expect(textWidth('日本')).toBe(4);
  expect(textWidth('e\u0301')).toBe(1);
  expect(textWidth('\x1b[31mred\x1b[39m')).toBe(3);
  expect(textWidth('🔥')).toBe(2);
});

describe('wrap', () => {
  test('breaks at spaces and indents what follows', () => {
    expect(wrap('one two three four', 9, 2)).toEqual(['one two', '  three', '  four']);
  });

  test('keeps double spaces and leading spaces', () => {
    expect(wrap('  🔥  A WIPE of all things', 12, 4)).toEqual([
      '  🔥  A WIPE',
      '    of all',
      '    things',
    ]);
  });

  test('a long word stays whole', () => {
    expect(wrap('see /srv/a/very/long/path now', 10, 2)).toEqual([
      'see',
      '  /srv/a/very/long/path',
      '  now',
    ]);
  });

  test('never, without a width', () => {
    expect(wrap('a '.repeat(500), Infinity, 2)).toHaveLength(1);
  });
});

test('cut leaves room for the ellipsis', () => {
  expect(cut('abcdef', 6, '…')).toBe('abcdef');
  expect(cut('abcdefg', 6, '…')).toBe('abcde…');
  expect(cut('日本日本', 5, '…')).toBe('日本…');
});

test('how long something goes on, and about how long it will', () => {
  const seconds = [0, 5.9, 59.9, 125, 3600, 7260, 90_000];
  expect(seconds.map(elapsedText)).toEqual([
    ...['0 s', '5 s', '59 s', '2 m 5 s', '1 h 0 m', '2 h 1 m', '25 h 0 m'],
  ]);
  const guesses = [0.3, 6, 42, 56, 89, 91, 3540, 3590, 4700, 7100];
  expect(guesses.map(roughly)).toEqual([
    ...['5 s', '10 s', '45 s', '1 m', '1 m', '2 m', '59 m', '1 h', '1 h 20 m', '2 h'],
  ]);
});

test('emoji are for terminals that have them', () => {
  const messages = ['🗑️  Redis: 15 jobs removed', '⚠️  WIPE', '🔥 TOTAL', 'plain 15 #*'];
  expect(messages.map((message) => readable(message, plainStyle(80)))).toEqual(messages);
  expect(messages.map((message) => readable(message, plainStyle(80, false)))).toEqual([
    ...['Redis: 15 jobs removed', 'WIPE', 'TOTAL', 'plain 15 #*'],
  ]);
});
