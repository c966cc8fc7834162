import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { mountAt, testFolder } from '../../test/support/folder.ts';
import { requireOrSkip } from '../../test/support/requirements.ts';
import { allocatedBytes, countFiles, entryList, treeHash } from '../../test/support/witness.ts';
import { fillDirectory } from '../../test/support/stack.ts';
import { eraseDirectory } from './erase.ts';
import type { Answer, Work } from './erase-context.ts';
import type { FileWorkers } from './file-workers.ts';
import { entryForLater } from './open-directory.ts';
import type { OpenDirectory } from './open-directory.ts';
import { inspectDirectory } from './inspect.ts';
import { closeDirectory, openTop } from './open-directory.ts';
import { NO_RULES } from './rules.ts';

interface Options {
  readonly keep?: readonly string[];
  readonly byDescriptor?: boolean;
  /** Directories in it are renamed aside first. */
  readonly whole?: boolean;
  readonly workers?: FileWorkers;
  readonly signal?: AbortSignal;
  readonly onItem?: (path: string) => void;
  readonly onProgress?: (deleted: number) => void;
}

/** Erases a directory, which must be in a fresh test folder. */
async function erase(path: string, options: Options = {}) {
  if (!/\/media-cleanup-test-[^/]+\/stack\//.test(path)) throw new Error(`not a test's: ${path}`);
  const failures: string[] = [];
  const top = openTop(path, options.byDescriptor ?? true);
  try {
    const erased = await eraseDirectory(
      top,
      {
        rules: { ...NO_RULES, keep: options.keep ?? [], whole: options.whole ?? false },
        workers: options.workers,
      },
      {
        failure: (at, code) => failures.push(`${at.toString('latin1')} ${code}`),
        progress: (deleted) => options.onProgress?.(deleted),
        ...(options.workers === undefined
          ? { item: (at: Buffer) => options.onItem?.(at.toString('latin1')) }
          : {}),
      },
      options.signal ?? new AbortController().signal,
    );
    return { ...erased, mounts: erased.mounts.map(String), failures };
  } finally {
    closeDirectory(top);
  }
}

async function inspect(path: string) {
  const top = openTop(path);
  const failures: string[] = [];
  try {
    const contents = await inspectDirectory(top, {
      boundaries: {},
      wholeEntries: false,
      seenNames: new Map(),
      onFailure: (at, code) => failures.push(`${at.toString('latin1')} ${code}`),
      signal: new AbortController().signal,
    });
    return { ...contents, mounts: contents.mounts.map(String), failures };
  } finally {
    closeDirectory(top);
  }
}

/** `top` to be emptied and `victim` beside it, which nothing may touch. */
function scene(): { folder: string; top: string; victim: string } {
  const folder = testFolder();
  const [top, victim] = [join(folder, 'top'), join(folder, 'victim')];
  mkdirSync(top);
  mkdirSync(join(victim, 'deep'), { recursive: true });
  writeFileSync(join(victim, 'deep/precious'), 'x'.repeat(5000));
  return { folder, top, victim };
}

/** How the names of new files come up while a directory is read differs between file systems. */
const FILE_SYSTEMS = requireOrSkip('root', 'mount') ? ['disk', 'tmpfs'] : ['disk'];

describe.each([true, false])('by descriptor: %s', (byDescriptor) => {
  test('files of every kind go, what links lead to stays, and the count is that of find', async () => {
    const { top, victim } = scene();
    fillDirectory(top, victim);
    // Without descriptors a directory is entered by text; see below.
    if (!byDescriptor) execFileSync('bash', ['-c', 'mv dir-* dir'], { cwd: top });
    chmodSync(top, 0o2750);
    const [files, blocks, hash] = [countFiles(top), allocatedBytes(top), treeHash(victim)];
    const find = ['.', '-mindepth', '1', '-type', 'd', '-printf', '%b\n'];
    const subdirectories = execFileSync('find', find, { cwd: top })
      .toString()
      .split('\n')
      .reduce((sum, line) => sum + Number(line), 0);
    const before = await inspect(top);
    const erased = await erase(top, { byDescriptor });
    expect(erased).toMatchObject({ deleted: files, mounts: [], failures: [] });
    expect(erased.bytesFreed).toBe(blocks + subdirectories * 512);
    expect(before).toMatchObject({ files, bytes: erased.bytesFreed, failures: [] });
    expect(entryList(top)).toEqual([]);
    expect(lstatSync(top).mode & 0o7777).toBe(0o2750);
    expect(treeHash(victim)).toBe(hash);
    expect(await erase(top, { byDescriptor })).toMatchObject({ deleted: 0, bytesFreed: 0 });
  });

  test('a directory swapped for a link while others are erased', async () => {
    const { top, victim } = scene();
    for (const name of ['a', 'b']) {
      mkdirSync(join(top, name, 'deep'), { recursive: true });
      writeFileSync(join(top, name, 'deep/precious'), '');
    }
    const hash = treeHash(victim);
    let swapped = '';
    const erased = await erase(top, {
      byDescriptor,
      onItem(path) {
        if (swapped !== '') return;
        // The one that is being erased, with its descriptor open, and so is its subdirectory.
        swapped = path.charAt(0);
        renameSync(join(top, swapped), join(top, '..', 'aside'));
        symlinkSync(victim, join(top, swapped));
        for (const more of ['1', '2']) writeFileSync(join(top, '..', 'aside/deep', more), '');
      },
    });
    expect(swapped).not.toBe('');
    expect(treeHash(victim)).toBe(hash);
    expect(erased.deleted).toBeGreaterThanOrEqual(2);
    expect(readdirSync(join(top, '../aside/deep'))).toEqual(['1', '2']);
  });
});

test('without descriptors, a directory whose name is no text is an error of its own', async () => {
  const { top } = scene();
  execFileSync('bash', ['-c', "mkdir $'dir-\\xff' plain; touch $'dir-\\xff/in' plain/in"], {
    cwd: top,
  });
  const erased = await erase(top, { byDescriptor: false });
  expect(erased).toMatchObject({ deleted: 1, failures: ['dir-\xff EILSEQ'] });
  expect(entryList(top)).toEqual(['dir-\\xff', 'dir-\\xff/in']);
});

test('a racer that swaps directories and links all the time gets nothing outside removed', async () => {
  const { folder, top, victim } = scene();
  const hash = treeHash(victim);
  const racer = spawn(
    '/usr/bin/python3',
    [
      '-c',
      `
import os
def attempt(work, *args):
    try: work(*args)
    except OSError: pass
while True:
    for name in ("s1", "s2", "s3"):
        new = f"new-{os.urandom(4).hex()}"
        os.makedirs(f"{new}/deep/deeper")
        open(f"{new}/deep/precious", "w").close()
        attempt(os.rename, new, f"top/{name}")
        attempt(os.rename, f"top/{name}", f"{new}-aside")
        attempt(os.symlink, os.path.abspath("victim"), f"top/{name}")
        attempt(os.unlink, f"top/{name}")
`,
    ],
    { cwd: folder, stdio: 'ignore' },
  );
  const ended = new Promise((resolve) => racer.once('exit', resolve));
  onTestFinished(async () => {
    racer.kill('SIGKILL');
    await ended;
  });
  const end = Date.now() + 1500;
  let deleted = 0;
  while (Date.now() < end) deleted += (await erase(top)).deleted;
  racer.kill('SIGKILL');
  await ended;
  expect(deleted).toBeGreaterThan(0);
  expect(treeHash(victim)).toBe(hash);
}, 20_000);

test('a hard link frees its blocks with its last name, and nothing while one is elsewhere', async () => {
  const { folder, top } = scene();
  writeFileSync(join(top, 'one'), 'x'.repeat(10_000));
  linkSync(join(top, 'one'), join(top, 'two'));
  writeFileSync(join(top, 'shared'), 'x'.repeat(50_000));
  linkSync(join(top, 'shared'), join(folder, 'elsewhere'));
  expect(await erase(top)).toMatchObject({ deleted: 3, bytesFreed: 12_288 });
  expect(lstatSync(join(folder, 'elsewhere'))).toMatchObject({ size: 50_000, nlink: 1 });
});

test('a sparse file frees its blocks, not its size', async () => {
  const { top } = scene();
  execFileSync('truncate', ['-s', '1T', 'sparse'], { cwd: top });
  expect(await erase(top)).toMatchObject({ deleted: 1, bytesFreed: 0 });
});

test('what is kept stays with its parents, the rest goes', async () => {
  const { top } = scene();
  mkdirSync(join(top, 'a/logs/old'), { recursive: true });
  for (const name of ['x.bin', 'y', 'a/logs/old/z', 'a/w']) writeFileSync(join(top, name), '');
  const erased = await erase(top, { keep: ['*.bin', 'logs/'] });
  expect(erased).toMatchObject({ deleted: 2, failures: [] });
  expect(entryList(top)).toEqual(['a', 'a/logs', 'a/logs/old', 'a/logs/old/z', 'x.bin']);
});

test.each(FILE_SYSTEMS)(
  'a directory on %s that fills while it is emptied',
  async (type) => {
    const { top } = scene();
    if (type !== 'disk') mountAt(top, ['-t', type, 'none']);
    writeFileSync(join(top, 'first'), '');
    let made = 0;
    const erased = await erase(top, {
      onItem() {
        made += 1;
        // A writer as fast as we are.
        if (made < 100_000) writeFileSync(join(top, `again-${made}`), '');
      },
    });
    expect(erased.deleted).toBeLessThan(10_000);
  },
  60_000,
);

test.each(FILE_SYSTEMS)(
  'a subdirectory on %s that fills is tried a few times',
  async (type) => {
    const { top } = scene();
    if (type !== 'disk') mountAt(top, ['-t', type, 'none']);
    mkdirSync(join(top, 'busy'));
    writeFileSync(join(top, 'busy/0'), '');
    let made = 0;
    const erased = await erase(top, {
      onItem() {
        made += 1;
        if (made < 100_000) writeFileSync(join(top, `busy/${made}`), '');
      },
    });
    expect(erased.deleted).toBeLessThan(10_000);
    expect(existsSync(join(top, 'busy'))).toBe(true);
    expect(erased.failures).toContain('busy ENOTEMPTY');
  },
  60_000,
);

test('an abort in the middle keeps the count of what went', async () => {
  const { top } = scene();
  for (let index = 0; index < 3000; index += 1) writeFileSync(join(top, String(index)), '');
  const controller = new AbortController();
  const erased = await erase(top, {
    signal: controller.signal,
    onProgress(deleted) {
      if (deleted >= 400) controller.abort(new Error('enough'));
    },
  });
  expect(erased.deleted).toBeGreaterThanOrEqual(400);
  expect(countFiles(top)).toBe(3000 - erased.deleted);
  const none = await erase(top, { signal: controller.signal });
  expect(none).toMatchObject({ deleted: 0, failures: [] });
}, 30_000);

test('what is moved into a kept directory stays', async () => {
  const { top } = scene();
  for (const name of ['kept', 'sub']) mkdirSync(join(top, name));
  for (let index = 0; index < 2000; index += 1) writeFileSync(join(top, 'sub', String(index)), '');
  let seen = 0;
  const onItem = (): void => {
    seen += 1;
    if (seen === 100) renameSync(join(top, 'sub'), join(top, 'kept/sub'));
  };
  const erased = await erase(top, { keep: ['kept'], onItem });
  // Up to 64 names lie between two looks.
  expect(readdirSync(join(top, 'kept/sub')).length).toBeGreaterThanOrEqual(2000 - 100 - 64);
  expect(erased.failures).toEqual(['sub EMOVED']);
});

describe.skipIf(!requireOrSkip('root', 'mount'))('mounts below', () => {
  test('what is mounted on while it is emptied is told as a mount point', async () => {
    const { folder, top } = scene();
    for (const path of [join(top, 'sub'), join(folder, 'other')]) mkdirSync(path);
    for (let index = 0; index < 500; index += 1) writeFileSync(join(top, 'sub', String(index)), '');
    writeFileSync(join(folder, 'other/precious'), '');
    let seen = 0;
    const onItem = (): void => {
      seen += 1;
      if (seen === 100) mountAt(join(top, 'sub'), ['--bind', join(folder, 'other')]);
    };
    const { mounts, failures } = await erase(top, { onItem });
    expect(readdirSync(join(folder, 'other'))).toEqual(['precious']);
    expect({ mounts, failures }).toEqual({ mounts: ['sub'], failures: [] });
  });

  test('tmpfs, bind mounts and a mounted file are reported and left, siblings go', async () => {
    const { top, victim } = scene();
    const hash = treeHash(victim);
    mkdirSync(join(top, 'in'));
    for (const name of ['file', 'in/file', 'in/mounted']) writeFileSync(join(top, name), 'x');
    mountAt(join(top, 'tmpfs'), ['-t', 'tmpfs', 'none']);
    writeFileSync(join(top, 'tmpfs/stays'), '');
    mountAt(join(top, 'in/bind'), ['--bind', victim]);
    execFileSync('mount', ['--bind', join(victim, 'deep/precious'), join(top, 'in/mounted')]);
    const seen = await inspect(top);
    const erased = await erase(top);
    for (const { mounts, failures } of [
      erased,
      { ...seen, mounts: [...seen.mounts, 'in/mounted'] },
    ]) {
      expect(new Set(mounts)).toEqual(new Set(['in/bind', 'in/mounted', 'tmpfs']));
      expect(failures).toEqual([]);
    }
    expect(erased.deleted).toBe(2);
    expect(treeHash(victim)).toBe(hash);
    expect(existsSync(join(top, 'tmpfs/stays'))).toBe(true);
  });
});

describe.skipIf(!requireOrSkip('chattr'))('what cannot be removed', () => {
  test('an immutable file and directory are reported, siblings at every depth go', async () => {
    const { top } = scene();
    mkdirSync(join(top, 'closed'));
    mkdirSync(join(top, 'open'));
    for (const name of ['a', 'b', 'closed/c', 'closed/d', 'open/e', 'open/f']) {
      writeFileSync(join(top, name), '');
    }
    for (const name of ['a', 'open/e', 'closed']) {
      execFileSync('chattr', ['+i', join(top, name)], { stdio: 'pipe' });
    }
    const erased = await erase(top);
    expect(erased.failures.toSorted()).toEqual([
      'a EPERM',
      'closed/c EPERM',
      'closed/d EPERM',
      'open/e EPERM',
    ]);
    expect(erased.deleted).toBe(2);
  });
});

/** Others who take all the work they are given. */
function helpers(give: (directory: OpenDirectory, work: Work) => Promise<Answer>): FileWorkers {
  return {
    window: () => 1,
    slice: () => 25,
    isFar: () => false,
    meter: undefined,
    sharing: () => ({
      wantsNames: () => true,
      wantsTrees: () => 2,
      give: async (directory, _path, work) => await give(directory, work),
      callBack: () => undefined,
      seen: () => undefined,
      treeDone: () => undefined,
    }),
    lost: () => 0,
    close: () => undefined,
  };
}

describe('what was given to others', () => {
  test.each([false, true])('and came back undone goes all the same: whole: %s', async (whole) => {
    const { top } = scene();
    for (let index = 0; index < 20; index += 1) {
      mkdirSync(join(top, String(index), 'deep'), { recursive: true });
      writeFileSync(join(top, String(index), 'deep/file'), '');
    }
    let given = 0;
    const workers = helpers(async (_directory, { trees }) => {
      given += trees.length;
      return await Promise.resolve({
        left: 0,
        unfinished: trees,
        begun: [],
        tried: undefined,
        refused: [],
      });
    });
    const erased = await erase(top, { workers, whole });
    // Each of the 40 directories a second time, and no third.
    expect(given).toBeGreaterThan(0);
    expect(given).toBeLessThanOrEqual(80);
    expect(erased).toMatchObject({ deleted: 20, inodesFreed: 60, failures: [] });
    expect(entryList(top)).toEqual([]);
  });

  test('is counted once when nobody knows how much of it was done', async () => {
    const { top } = scene();
    for (let index = 0; index < 2000; index += 1) writeFileSync(join(top, String(index)), 'x');
    const workers = helpers(async (directory, { names }) => {
      for (const name of names.slice(0, 100)) unlinkSync(entryForLater(directory, name));
      return await Promise.resolve({
        left: 0,
        unfinished: [],
        begun: [],
        tried: undefined,
        refused: [],
      });
    });
    const erased = await erase(top, { workers });
    expect(erased).toMatchObject({ deleted: 2000, inodesFreed: 2000, failures: [] });
    expect(entryList(top)).toEqual([]);
  }, 30_000);

  test('is not looked for in a directory that was moved away meanwhile', async () => {
    const { top } = scene();
    mkdirSync(join(top, 'flat'));
    for (let index = 0; index < 3000; index += 1)
      writeFileSync(join(top, 'flat', String(index)), '');
    // It is moved with the first piece of work, and what was given is done all the same.
    const workers = helpers(async (directory, { names }) => {
      if (existsSync(join(top, 'flat'))) renameSync(join(top, 'flat'), join(top, '../moved'));
      for (const name of names) unlinkSync(entryForLater(directory, name));
      return await Promise.resolve({
        left: 0,
        unfinished: [],
        begun: [],
        tried: names.length,
        refused: [],
      });
    });
    const erased = await erase(top, { workers });
    expect(readdirSync(join(top, '../moved')).length).toBe(3000 - erased.deleted);
    expect(erased.deleted).toBeLessThanOrEqual(600);
    expect(erased.failures).toEqual(['flat EMOVED']);
  }, 30_000);
});
