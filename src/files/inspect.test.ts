import { linkSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../test/support/folder.ts';
import { treeHash } from '../../test/support/witness.ts';
import { inspectDirectory } from './inspect.ts';
import { closeDirectory, openTop } from './open-directory.ts';

/** What is counted is compared with find and with the wipe itself in erase.test.ts. */
async function inspect(
  path: string,
  how: {
    seen?: Map<string, number>;
    signal?: AbortSignal;
    stays?: (path: () => Buffer) => boolean;
  } = {},
) {
  const top = openTop(path);
  try {
    return await inspectDirectory(top, {
      boundaries: { stays: how.stays },
      wholeEntries: false,
      seenNames: how.seen ?? new Map<string, number>(),
      onFailure: (item, code) => {
        throw new Error(`${item.toString()}: ${code}`);
      },
      signal: how.signal ?? new AbortController().signal,
    });
  } finally {
    closeDirectory(top);
  }
}

/** Allocated bytes of these paths together. */
function blocks(...paths: string[]): number {
  return paths.reduce((sum, path) => sum + statSync(path).blocks * 512, 0);
}

test('changes nothing, not even a time of access', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'a'));
  writeFileSync(join(folder, 'a/file'), 'x');
  const before = [treeHash(folder), statSync(join(folder, 'a/file')).atimeMs];
  const bytes = blocks(join(folder, 'a'), join(folder, 'a/file'));
  expect(await inspect(folder)).toEqual({ files: 1, bytes, directories: 1, inodes: 2, mounts: [] });
  expect([treeHash(folder), statSync(join(folder, 'a/file')).atimeMs]).toEqual(before);
});

test('a file with names in two directories counts twice, its blocks once', async () => {
  const folder = testFolder();
  for (const name of ['one', 'two']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'one/file'), 'x');
  linkSync(join(folder, 'one/file'), join(folder, 'two/file'));
  const seen = new Map<string, number>();
  const bytes = blocks(join(folder, 'one/file'));
  expect(await inspect(join(folder, 'one'), { seen })).toMatchObject({ files: 1, bytes: 0 });
  expect(await inspect(join(folder, 'two'), { seen })).toMatchObject({ files: 1, bytes });
});

test('a file with another name outside would free nothing', async () => {
  const folder = testFolder();
  for (const name of ['inside', 'outside']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'inside/file'), 'x');
  linkSync(join(folder, 'inside/file'), join(folder, 'outside/file'));
  expect(await inspect(join(folder, 'inside'))).toMatchObject({ files: 1, bytes: 0 });
});

test('what stays is not counted, nor the directories that hold it', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'a/b'), { recursive: true });
  for (const name of ['a/b/kept', 'a/x', 'y']) writeFileSync(join(folder, name), 'x');
  const stays = (path: () => Buffer): boolean => path().toString() === 'a/b/kept';
  const bytes = blocks(join(folder, 'a/x'), join(folder, 'y'));
  expect(await inspect(folder, { stays })).toMatchObject({ files: 2, bytes });
});

test('an abort is thrown', async () => {
  const folder = testFolder();
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(inspect(folder, { signal })).rejects.toThrow('enough');
});
