import { mkdirSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import fastGlob from 'fast-glob';
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

test('everyday patterns match what fast-glob matches', async () => {
  const folder = testFolder();
  const first = ['jobs', 'job-1', 'job.2', '.cache', 'Tmp'];
  const second = ['tmp', 'tmp-2', 'data', '.hidden', 'x'];
  for (const one of first) {
    for (const two of second) mkdirSync(join(folder, one, two, 'deep'), { recursive: true });
  }
  const parts = ['*', 'job*', '*-?', '?ob[.-][0-9]', '{jobs,Tmp}', '.*', '[!t]*', '**', '*2'];
  const patterns = parts.flatMap((one) => [
    one,
    ...parts.map((two) => `${one}/${two}`),
    `${one}/tmp`,
  ]);
  const wrong: string[] = [];
  for (const pattern of patterns) {
    const ours = (await matchPattern(folder, pattern)).paths.map((path) => relative(folder, path));
    const theirs = await fastGlob(pattern, { cwd: folder, onlyDirectories: true, dot: true });
    if (ours.join() !== theirs.toSorted().join())
      wrong.push(`${pattern}: ${ours.join()} | ${theirs.join()}`);
  }
  expect(wrong).toEqual([]);
});

test.each(['*/*', '**/x', '**', '{d*,e}/*', '*/y'])('%s: a signal is heard', async (pattern) => {
  const folder = testFolder();
  for (let at = 0; at < 300; at += 1) mkdirSync(join(folder, `d${at}/y`), { recursive: true });
  for (const after of ['before', 'while it looks'] as const) {
    const stop = new AbortController();
    const abort = (): void => {
      stop.abort(new Error('stopped'));
    };
    if (after === 'before') abort();
    else setImmediate(abort);
    await expect(matchPattern(folder, pattern, stop.signal), after).rejects.toThrow('stopped');
  }
});
