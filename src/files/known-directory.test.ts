import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mountAt, testFolder } from '../../test/support/folder.ts';
import { requireOrSkip } from '../../test/support/requirements.ts';
import { knowDirectory, withDirectory } from './known-directory.ts';
import { statChild } from './open-directory.ts';

const SIGNAL = new AbortController().signal;

function scene() {
  const folder = testFolder();
  const path = join(folder, 'above/data');
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'file'), '');
  const known = knowDirectory(path);
  const look = async () =>
    withDirectory(known, SIGNAL, async (open) =>
      Promise.resolve(statChild(open, 'file') !== undefined),
    );
  return { folder, path, look };
}

test('the same directory is opened again, however many there are at once', async () => {
  const { path, look } = scene();
  const before = readdirSync('/proc/self/fd').length;
  let most = 0;
  const known = knowDirectory(path);
  const many = Array.from({ length: 400 }, async () =>
    withDirectory(known, SIGNAL, async () => {
      most = Math.max(most, readdirSync('/proc/self/fd').length - before);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }),
  );
  await Promise.all(many);
  expect(most).toBeLessThan(40);
  expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 12);
  expect(await look()).toBe(true);
});

test.each(['moved away', 'replaced', 'made anew', 'above it a link'])('%s', async (what) => {
  const { folder, path, look } = scene();
  if (what === 'made anew') {
    execFileSync('rm', ['-r', path]);
    mkdirSync(path);
  } else if (what === 'above it a link') {
    renameSync(join(folder, 'above'), join(folder, 'real'));
    symlinkSync('real', join(folder, 'above'));
  } else {
    renameSync(path, join(folder, 'other'));
    if (what === 'replaced') mkdirSync(path);
  }
  await expect(look()).rejects.toMatchObject({ code: 'EMOVED' });
});

test('who waits hears the signal', async () => {
  const { path } = scene();
  const control = new AbortController();
  control.abort(new Error('enough'));
  const known = knowDirectory(path);
  await expect(withDirectory(known, control.signal, async () => Promise.resolve())).rejects.toThrow(
    'enough',
  );
});

test.skipIf(!requireOrSkip('root', 'mount'))(
  'mounted over: another file system, the directory itself, and one above it',
  async () => {
    for (const how of ['tmpfs', 'itself', 'above']) {
      const { path, look } = scene();
      if (how === 'tmpfs') mountAt(path, ['-t', 'tmpfs', 'none']);
      if (how === 'itself') mountAt(path, ['--bind', path]);
      if (how === 'above') {
        mountAt(join(path, '..'), ['-t', 'tmpfs', 'none']);
        mkdirSync(path);
      }
      await expect(look()).rejects.toMatchObject({ code: 'EMOUNTED' });
    }
  },
);
