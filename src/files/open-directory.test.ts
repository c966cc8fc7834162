import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, symlinkSync, writeFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { mountAt, testFolder } from '../../test/support/folder.ts';
import { requireOrSkip } from '../../test/support/requirements.ts';
import { fileList } from '../../test/support/witness.ts';
import {
  closeDirectory,
  currentPath,
  enterAndLocate,
  enterDirectory,
  openChild,
  openTop,
  statChild,
} from './open-directory.ts';
import { goHome } from './process-wide.ts';
import type { OpenDirectory } from './open-directory.ts';

function kept(directory: OpenDirectory): OpenDirectory {
  onTestFinished(() => closeDirectory(directory));
  return directory;
}

function codeOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
}

describe.each([true, false])('by descriptor: %s', (byDescriptor) => {
  test('a link, a file, a FIFO and nothing are not entered', () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'real'));
    symlinkSync('real', join(folder, 'link'));
    writeFileSync(join(folder, 'file'), '');
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    const top = kept(openTop(folder, byDescriptor));
    for (const name of ['link', 'file', 'fifo']) {
      expect(codeOf(() => openChild(top, Buffer.from(name)))).toMatch(/^(ELOOP|ENOTDIR)$/);
    }
    expect(codeOf(() => openChild(top, Buffer.from('none')))).toBe('ENOENT');
    expect(codeOf(() => openTop(join(folder, 'link'), byDescriptor))).toMatch(/^(ELOOP|ENOTDIR)$/);
    kept(openChild(top, Buffer.from('real')));
  });

  test('a directory swapped for a link after it was opened leads nobody astray', () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'top/a/b'), { recursive: true });
    mkdirSync(join(folder, 'victim/b'), { recursive: true });
    for (const place of ['top/a', 'top/a/b', 'victim', 'victim/b']) {
      writeFileSync(join(folder, place, 'name'), place);
    }
    const top = kept(openTop(join(folder, 'top'), byDescriptor));
    const a = kept(openChild(top, Buffer.from('a')));
    const b = kept(openChild(a, Buffer.from('b')));
    renameSync(join(folder, 'top/a'), join(folder, 'top/moved'));
    symlinkSync(join(folder, 'victim'), join(folder, 'top/a'));
    for (const directory of [a, b]) {
      const code = codeOf(() => {
        enterDirectory(directory);
        unlinkSync('name');
      });
      goHome();
      expect(code).toBe(byDescriptor ? undefined : 'EMOVED');
    }
    if (!byDescriptor) {
      expect(codeOf(() => statChild(a, Buffer.from('name')))).toBe('EMOVED');
      expect(codeOf(() => openChild(a, Buffer.from('b')))).toBe('EMOVED');
    }
    expect(fileList(join(folder, 'victim'))).toEqual(['b/name', 'name']);
  });
});

test('says where a directory is now', () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'before'));
  const directory = kept(openTop(join(folder, 'before')));
  renameSync(join(folder, 'before'), join(folder, 'after'));
  expect(currentPath(directory)?.toString()).toBe(join(folder, 'after'));
  expect(currentPath({ ...directory, byDescriptor: false })).toBeUndefined();
});

describe.skipIf(!requireOrSkip('root', 'mount'))('mount points', () => {
  test.each([
    ['tmpfs', ['-t', 'tmpfs', 'none']],
    ['bind of the same file system', ['--bind', 'FOLDER/elsewhere']],
    ['bind of the parent itself', ['--bind', 'FOLDER/top']],
  ])('%s is not entered', (_, args) => {
    const folder = testFolder();
    mkdirSync(join(folder, 'elsewhere'));
    mkdirSync(join(folder, 'top'));
    mountAt(
      join(folder, 'top/mount'),
      args.map((word) => word.replace('FOLDER', folder)),
    );
    for (const byDescriptor of [true, false]) {
      const top = kept(openTop(join(folder, 'top'), byDescriptor));
      expect(codeOf(() => openChild(top, Buffer.from('mount')))).toBe('EXDEV');
    }
  });
});

test('where a directory is, is told after it was moved, and not in text that is no UTF-8', () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'top/a'), { recursive: true });
  const top = kept(openTop(join(folder, 'top')));
  const a = kept(openChild(top, 'a'));
  const odd = kept(openTop(join(folder, 'top')));
  try {
    expect(enterAndLocate(a)).toBe(join(folder, 'top/a'));
    renameSync(join(folder, 'top'), join(folder, 'moved'));
    enterDirectory(top);
    expect(enterAndLocate(a)).toBe(join(folder, 'moved/a'));
    execFileSync('bash', ['-c', `mv moved $'\\xff'`], { cwd: folder });
    expect(enterAndLocate(odd)).toBeUndefined();
    goHome();
    expect(enterAndLocate(odd)).toBeUndefined();
  } finally {
    goHome();
  }
});

test('a name is looked for in the directory itself, whichever was entered last', () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'a/same'), { recursive: true });
  mkdirSync(join(folder, 'b/same'), { recursive: true });
  const a = kept(openTop(join(folder, 'a')));
  const b = kept(openTop(join(folder, 'b')));
  try {
    enterDirectory(a);
    const ofB = kept(openChild(b, 'same'));
    const ofA = kept(openChild(a, 'same'));
    goHome();
    expect(currentPath(kept(openChild(a, 'same')))?.toString()).toBe(join(folder, 'a/same'));
    expect([ofA, ofB].map((at) => currentPath(at)?.toString())).toEqual(
      ['a/same', 'b/same'].map((name) => join(folder, name)),
    );
  } finally {
    goHome();
  }
});
