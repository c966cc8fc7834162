import { mkdirSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DirectoryConfig } from '../config/types.ts';
import { mountAt, testFolder } from '../../test/support/folder.ts';
import { requireOrSkip } from '../../test/support/requirements.ts';
import { claimDirectories, collide } from './directory-claim.ts';
import type { Claim } from './directory-claim.ts';
import { locateDirectories } from './resolve.ts';

async function claim(root: string, ...paths: readonly string[]): Promise<Claim> {
  const directories = paths.map((path) => ({ path }) as DirectoryConfig);
  const { directories: located } = await locateDirectories({
    name: 's',
    root,
    directories,
    models: [],
  });
  return await claimDirectories(root, directories, located);
}

function folderWith(...directories: readonly string[]): string {
  const folder = testFolder();
  for (const directory of directories) mkdirSync(join(folder, directory), { recursive: true });
  return folder;
}

test.each([
  ['by its path', 'real/data', true],
  ['by a link above', 'link/data', true],
  ['by a pattern', 'real/*', true],
  ['by another pattern', 'r?al/{data,x}', true],
  ['as what holds it', 'real', true],
  ['as what is in it', 'real/data/deep/deeper', true],
  ['as what is in it and missing', 'real/data/gone/deeper', true],
  ['as what a pattern matches in it', '*/*/deep', true],
  ['not its sibling', 'real/other', false],
  ['not a missing sibling', 'real/dat', false],
  ['not a pattern beside it', 'real/o*', false],
  ['not a pattern without a match', 'real/data/*/x', false],
])('a directory is claimed %s', async (_, path, expected) => {
  const folder = folderWith('real/data/deep', 'real/other');
  symlinkSync('real', join(folder, 'link'));
  const [one, other] = [await claim(folder, 'real/data'), await claim(folder, path)];
  expect([collide(one, other), collide(other, one)]).toEqual([expected, expected]);
});

test('what is missing is claimed by whatever path, and when it is made meanwhile', async () => {
  const folder = folderWith('real');
  symlinkSync('real', join(folder, 'link'));
  const before = await claim(folder, 'real/gone');
  expect(collide(before, await claim(folder, 'link/gone'))).toBe(true);
  expect(collide(before, await claim(folder, 'real/gone/deeper'))).toBe(true);
  expect(collide(before, await claim(folder, 'real/gone2'))).toBe(false);
  mkdirSync(join(folder, 'real/gone'));
  expect(collide(before, await claim(folder, 'link/gone'))).toBe(true);
});

test('a directory that was made anew, or moved, is still claimed', async () => {
  const folder = folderWith('real/data', 'elsewhere');
  const before = await claim(folder, 'real/data');
  renameSync(join(folder, 'real/data'), join(folder, 'elsewhere/data'));
  mkdirSync(join(folder, 'real/data'));
  expect(collide(before, await claim(folder, 'real/data'))).toBe(true);
  expect(collide(before, await claim(folder, 'elsewhere/data'))).toBe(true);
});

test('one pattern is claimed without a match too, from whatever root', async () => {
  const folder = folderWith('real/jobs', 'other/jobs');
  symlinkSync('real', join(folder, 'link'));
  const one = await claim(folder, 'real/jobs/*/tmp');
  expect(collide(one, await claim(join(folder, 'link'), 'jobs/*/tmp'))).toBe(true);
  expect(collide(one, await claim(folder, 'other/jobs/*/tmp'))).toBe(false);
});

test.skipIf(!requireOrSkip('root', 'mount'))('a bind mount shows the same', async () => {
  const folder = folderWith('real/data/deep', 'real/other');
  mountAt(join(folder, 'view'), ['--bind', join(folder, 'real')]);
  const one = await claim(folder, 'real/data');
  for (const path of ['view/data', 'view/*', 'view/data/deep', 'view/data/gone']) {
    expect(collide(one, await claim(folder, path)), path).toBe(true);
  }
  expect(collide(one, await claim(folder, 'view/other'))).toBe(false);
});
