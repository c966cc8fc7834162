/** Kinds of configured directories: links, patterns, mounts, what stays, what is large. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mountAt } from './support/folder.ts';
import { statOf } from './support/live-stack.ts';
import { ownStack } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
import { findPython } from './setup/needs.ts';
import { entryList, treeHash } from './support/witness.ts';

test('what keep matches stays, at every depth, and does not count as left', async () => {
  const stack = ownStack();
  const keep = ['*.gguf', '.gitignore', 'locked/**', 'a/b/only-here.txt'];
  stack.config({ models: [{ path: 'data', keep }] });
  stack.files(
    ...['data/one.gguf', 'data/two.bin', 'data/.gitignore', 'data/deep/er/three.gguf'],
    ...['data/deep/er/four.bin', 'data/locked/five.bin', 'data/locked/in/six', 'data/x/locked/no'],
    ...['data/a/b/only-here.txt', 'data/b/only-here.txt', 'data/a/b/other.txt', 'data/e.gguf.txt'],
  );
  const { code, service } = await stack.wipe();
  expect(entryList(stack.path('data'))).toEqual([
    ...['.gitignore', 'a', 'a/b', 'a/b/only-here.txt', 'deep', 'deep/er', 'deep/er/three.gguf'],
    ...['locked', 'locked/in', 'locked/in/six', 'locked/five.bin', 'one.gguf'].toSorted(),
  ]);
  expect(code).toBe(0);
  expect(service).toMatchObject({
    models_deleted: 6,
    verified: true,
    errors: [],
    remaining: { files: 0, models: 0 },
  });
});

describe('a marker', () => {
  test('stays, and allows the wipe', async () => {
    const stack = ownStack();
    stack.config({ directories: [{ path: 'data', marker: '.media-cleanup' }] });
    stack.files('data/.media-cleanup', 'data/file', 'data/sub/.media-cleanup');
    const before = statOf(stack.path('data/.media-cleanup'));
    const { code, service } = await stack.wipe();
    expect(entryList(stack.path('data'))).toEqual(['.media-cleanup']);
    expect(statOf(stack.path('data/.media-cleanup'))).toBe(before);
    expect({ code, files: service['files_deleted'] }).toEqual({ code: 0, files: 2 });
  });

  test('that is missing refuses everything', async () => {
    const stack = ownStack();
    stack.config({ directories: ['other', { path: 'data', marker: '.media-cleanup' }] });
    stack.files('data/file', 'data/sub/.media-cleanup', 'other/file');
    const before = treeHash(stack.folder, 'home');
    const { code, stdout } = await stack.wipe({ env: { HOME: stack.path('none') } });
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'refused', error: { code: 'refused' } });
    expect(stdout).toContain(`touch ${stack.path('data/.media-cleanup')}`);
    expect(treeHash(stack.folder, 'home')).toBe(before);
  });
});

test('patterns: each directory that matches, no file; a link is named and stays', async () => {
  const stack = ownStack();
  stack.config({ root: 'media', directories: ['users/*/cache', 'tmp-[0-9]', '{x,y}'] });
  stack.files(
    ...['media/users/one/cache/f', 'media/users/two/cache/sub/f', 'media/users/two/keep/f'],
    ...['media/users/three/file', 'media/tmp-1/f', 'media/tmp-a/f', 'media/y/f', 'media/z/f'],
    ...['victim/f', 'media/users/cache'],
  );
  mkdirSync(stack.path('media/users/linked'));
  symlinkSync('../../../victim', stack.path('media/users/linked/cache'));
  const { code, service } = await stack.wipe();
  expect(code).toBe(1);
  expect(service['errors']).toEqual([expect.stringMatching(/users\/linked\/cache: .*victim/)]);
  expect((service['directories'] as { path: string }[]).map(({ path }) => path)).toEqual(
    ['media/users/one/cache', 'media/users/two/cache', 'media/tmp-1', 'media/y'].map((path) =>
      stack.path(path),
    ),
  );
  expect(entryList(stack.path('media')).filter((name) => !/^(users\/\w+|\w+)$/.test(name))).toEqual(
    [
      ...['tmp-1', 'tmp-a', 'tmp-a/f', 'users/linked/cache', 'users/one/cache', 'users/three/file'],
      ...['users/two/cache', 'users/two/keep', 'users/two/keep/f', 'z/f'],
    ],
  );
  expect(entryList(stack.path('victim'))).toEqual(['f']);
});

test('a directory that is a link: its target is emptied, link and target stay', async () => {
  const stack = ownStack();
  stack.config({ root: 'media', directories: ['uploads'] });
  stack.files('disk/uploads/sub/file', 'disk/beside', 'media/beside');
  symlinkSync('../disk/uploads', stack.path('media/uploads'));
  const before = statOf(stack.path('disk/uploads'));
  const { code, stderr, service } = await stack.wipe();
  expect(code).toBe(0);
  expect(service).toMatchObject({
    files_deleted: 1,
    directories: [{ name: 'Uploads', path: stack.path('disk/uploads') }],
  });
  expect(stderr).toContain(stack.path('disk/uploads'));
  expect(readlinkSync(stack.path('media/uploads'))).toBe('../disk/uploads');
  expect(statOf(stack.path('disk/uploads'))).toBe(before);
  expect(entryList(stack.path('disk'))).toEqual(['beside', 'uploads']);
  expect(entryList(stack.path('media'))).toEqual(['beside', 'uploads']);
});

describe.skipIf(!requireOrSkip('root', 'mount'))('mounts', () => {
  test('mustBeMounted holds on a mounted disk, which is emptied', async () => {
    const stack = ownStack();
    stack.config({ directories: [{ path: 'disk', mustBeMounted: true }] });
    stack.files('disk/underneath');
    mountAt(stack.path('disk'), ['-t', 'tmpfs', '-o', 'size=1m', 'none']);
    stack.files('disk/on-the-disk', 'disk/sub/file');
    const { code, service } = await stack.wipe();
    expect({ code, files: service['files_deleted'] }).toEqual({ code: 0, files: 2 });
    expect(entryList(stack.path('disk'))).toEqual([]);
    execFileSync('umount', [stack.path('disk')]);
    expect(entryList(stack.path('disk'))).toEqual(['underneath']);
    expect((await stack.wipe()).code).toBe(3);
    expect(entryList(stack.path('disk'))).toEqual(['underneath']);
  });

  test('one below a directory is not entered, and reported', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/file', 'elsewhere/precious', 'data/sub/file');
    const from = stack.path('elsewhere');
    const mounts = [{ kind: 'bind' as const, at: stack.path('data/sub/bound'), from }];
    const before = treeHash(from);
    const { code, service } = await stack.wipe({ mounts });
    expect(service).toMatchObject({
      files_deleted: 2,
      errors: ['Data/sub/bound: Is a mount point: not entered, not removed'],
      verified: false,
    });
    expect(treeHash(from)).toBe(before);
    expect(entryList(stack.path('data'))).toEqual(['sub', 'sub/bound']);
    expect(code).toBe(1);
  });

  test('one that may stay, by its key or by keep, leaves it verified', async () => {
    const stack = ownStack();
    const config = (entry: object): void =>
      stack.config({ directories: [{ path: 'data', ...entry }] });
    stack.files('elsewhere/precious', 'data/sub/file');
    const from = stack.path('elsewhere');
    const mounts = [{ kind: 'bind' as const, at: stack.path('data/sub/bound'), from }];
    for (const entry of [{ mountsMayStay: true }, { keep: ['bound'] }, { keep: ['sub/bound'] }]) {
      config(entry);
      const { code, service } = await stack.wipe({ mounts });
      expect(service).toMatchObject({ errors: [], verified: true });
      expect(code).toBe(0);
    }
    config({});
    expect(await stack.wipe({ mounts })).toMatchObject({ code: 1 });
  });

  test('a file that another is mounted on is one too', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/file', 'elsewhere/precious', 'data/mounted');
    const prepare = 'mount --bind elsewhere/precious data/mounted';
    expect(await stack.plan({ prepare })).toMatchObject({ files_deleted: 1 });
    const { code, service } = await stack.wipe({ prepare });
    expect(service).toMatchObject({
      files_deleted: 1,
      errors: ['Data/mounted: Is a mount point: not entered, not removed'],
      verified: false,
    });
    expect(entryList(stack.path('data'))).toEqual(['mounted']);
    expect(code).toBe(1);
  });
});

describe('large trees', () => {
  test('20 000 files in nested directories, with little memory', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    mkdirSync(stack.path('data'));
    const script = 'mkdir -p d{0..9}/e{0..9}/f{0..3} && touch d{0..9}/e{0..9}/f{0..3}/{1..50}';
    execFileSync('bash', ['-c', script], { cwd: stack.path('data') });
    const env = { NODE_OPTIONS: '--max-old-space-size=24' };
    const { code, service } = await stack.wipe({ env });
    expect({ code, files: service['files_deleted'] }).toEqual({ code: 0, files: 20_000 });
    expect(entryList(stack.path('data'))).toEqual([]);
  });

  test('1 500 levels deep, longer than any path can be', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    mkdirSync(stack.path('data'));
    const script =
      'import os\nfor _ in range(1500):\n  os.mkdir("deep"); os.chdir("deep"); open("f", "w").close()';
    execFileSync(findPython().path, ['-c', script], { cwd: stack.path('data') });
    const env = { NODE_OPTIONS: '--max-old-space-size=32' };
    // Half a minute on a machine that does nothing else: no bound of speed, only against hanging.
    const { code, service } = await stack.wipe({ env, timeout: 240_000 });
    expect({ code, files: service['files_deleted'] }).toEqual({ code: 0, files: 1500 });
    expect(entryList(stack.path('data'))).toEqual([]);
  }, 300_000);
});
