import { describe, expect, test } from 'vitest';
import { bar, progressBar } from './bar.ts';
import { plainStyle } from './style.ts';
import { textWidth } from './text.ts';

const unicode = plainStyle(80);
const ascii = plainStyle(80, false);

test.each([
  [0, '', ''],
  [Number.NaN, '', ''],
  [1e-9, '▏', '#'],
  [0.1, '▍', '#'],
  [0.5, '██', '##'],
  [0.6, '██▍', '##'],
  [0.99, '████', '####'],
  [1, '████', '####'],
  [7, '████', '####'],
])('%d of four columns', (fraction, blocks, signs) => {
  expect([bar(fraction, 4, unicode), bar(fraction, 4, ascii)]).toEqual([blocks, signs]);
});

describe('a bar for progress', () => {
  test.each([
    [0, '──────', '......'],
    [0.09, '╸─────', '......'],
    [0.5, '━━━───', '###...'],
    [0.99, '━━━━━╸', '#####.'],
    [1, '━━━━━━', '######'],
  ])('%d of six columns', (fraction, lines, signs) => {
    const drawn = [progressBar(fraction, 6, unicode), progressBar(fraction, 6, ascii)];
    expect(drawn).toEqual([lines, signs]);
    expect(drawn.map(textWidth)).toEqual([6, 6]);
  });
});
