import { expect, test } from 'vitest';
import { keepMatcher } from './keep.ts';

function keeps(patterns: readonly string[], path: string | Buffer, marker?: string): boolean {
  const matcher = keepMatcher(marker, patterns);
  return matcher?.(() => Buffer.from(path)) ?? false;
}

test('nothing to keep needs no matcher', () => {
  expect(keepMatcher(undefined, [])).toBeUndefined();
});

test.each<[pattern: string, path: string, stays: boolean]>([
  ['.gitkeep', '.gitkeep', true],
  ['.gitkeep', 'a/b/.gitkeep', true],
  ['*.bin', 'deep/x.bin', true],
  ['*.bin', '.hidden.bin', true],
  ['*.bin', 'x.bin.txt', false],
  ['logs/', 'logs', true],
  ['logs/', 'a/logs', true],
  ['logs//', 'logs', true],
  ['a/logs/', 'a/logs', true],
  ['a/logs/', 'b/a/logs', false],
  ['a/*.bin', 'a/x.bin', true],
  ['a/*.bin', 'b/a/x.bin', false],
  ['a/*.bin', 'a/b/x.bin', false],
  ['a/**', 'a/b/c', true],
  ['a/**', 'a', true],
  ['./a', 'a', true],
  ['./a', 'b/a', false],
  ['[ab].txt', 'a.txt', true],
  ['{x,y}.txt', 'y.txt', true],
  ['[!k]*.bin', 'a.bin', true],
  ['[!k]*.bin', 'k.bin', false],
  ['*', 'anything', true],
  ['data/**/*.db', 'data/line\nend/x.db', true],
  ['*.db', 'line\nend.db', true],
  ['take (1).mp3', 'deep/take (1).mp3', true],
  ['Movie (2019)*', 'deep/Movie (2019).nfo', true],
  ['a/[old].txt', 'a/[old].txt', true],
])('keep %s and %s: %s', (pattern, path, stays) => {
  expect(keeps([pattern], path)).toBe(stays);
});

test('the marker stays at the top only, and is no pattern', () => {
  expect(keeps([], '.media-cleanup', '.media-cleanup')).toBe(true);
  expect(keeps([], 'below/.media-cleanup', '.media-cleanup')).toBe(false);
  expect(keeps([], 'xkeep', '*keep')).toBe(false);
});

test('names that are not UTF-8 match by their readable part', () => {
  const name = Buffer.from([0x61, 0xff, ...Buffer.from('.bin')]);
  expect(keeps(['*.bin'], name)).toBe(true);
  expect(keeps(['*.txt'], name)).toBe(false);
});

test('many stars take no time beside long names and deep paths', () => {
  const started = performance.now();
  expect(keeps(['*-*-*-*-*.json'], `${'-'.repeat(190)}x`)).toBe(false);
  expect(keeps(['**/*a*/**/*a*/**/x'], 'aaaaaaaa/'.repeat(400) + 'y')).toBe(false);
  expect(performance.now() - started).toBeLessThan(5_000);
});
