import { mkdirSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../test/support/folder.ts';
import { matchPattern } from './match-pattern.ts';

test.each<[pattern: string, matches: string[], links: string[]]>([
  ['*', ['.hidden', 'a', 'b (1)', 'b1'], ['link']],
  ['a/*', ['a/x', 'a/y'], []],
  ['*/x', ['a/x', 'b1/x'], ['link/x']],
  ['**', ['.hidden', 'a', 'a/x', 'a/x/deep', 'a/y', 'b (1)', 'b1', 'b1/x'], []],
  ['**/x', ['a/x', 'b1/x'], []],
  ['a/**', ['a/x', 'a/x/deep', 'a/y'], []],
  ['{a,b1}/x', ['a/x', 'b1/x'], []],
  ['{a,link}/x', ['a/x'], ['link/x']],
  ['b[0-9]', ['b1'], []],
  ['b (1)*', ['b (1)'], []],
  ['@(a|b1)/x', ['a/x', 'b1/x'], []],
  ['./a/./x/*', ['a/x/deep'], []],
  ['*/x/*', ['a/x/deep'], ['link/x/deep']],
  ['link/*', ['link/x', 'link/y'], []],
  ['file*', [], []],
])('%s', async (pattern, matches, links) => {
  const folder = testFolder();
  for (const path of ['a/x/deep', 'a/y', 'b1/x', '.hidden', 'b (1)']) {
    mkdirSync(join(folder, path), { recursive: true });
  }
  symlinkSync('a', join(folder, 'link'));
  symlinkSync('none', join(folder, 'dangling'));
  symlinkSync('/proc/version', join(folder, 'file-link'));
  const found = await matchPattern(folder, pattern);
  expect(found.paths.map((path) => relative(folder, path))).toEqual(matches);
  expect(found.links.map(({ path }) => relative(folder, path))).toEqual(links);
  expect(found.code).toBeUndefined();
});

test('names on the disk take no time, whatever the pattern', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, '-'.repeat(190)));
  const started = performance.now();
  const { paths, unmatched } = await matchPattern(folder, '*-*-*-*-*-*-*.d');
  expect(performance.now() - started).toBeLessThan(5_000);
  expect([paths.length, unmatched.length]).toEqual([0, 1]);
});
