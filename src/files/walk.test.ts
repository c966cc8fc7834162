import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../test/support/folder.ts';
import { closeDirectory, openTop } from './open-directory.ts';
import { walk } from './walk.ts';
import type { Visitor } from './walk.ts';

const never = new AbortController().signal;

/** Walks `path` and lists what the visitor was told; changes nothing. */
async function record(path: string, changes: Partial<Visitor> = {}, signal = never) {
  const seen: string[] = [];
  const top = openTop(path);
  try {
    const left = await walk(
      top,
      {
        file(_at, _name, at) {
          seen.push(`file ${at().toString('latin1')}`);
          return 'gone';
        },
        blocked(_at, _name, code, at) {
          seen.push(`blocked ${at().toString('latin1')} ${code}`);
          return 'left';
        },
        leave(_parent, _name, _directory, left, _attempt, at) {
          seen.push(`leave ${at().toString('latin1')}${left > 0 ? ` with ${left}` : ''}`);
          return left > 0 ? 'left' : 'gone';
        },
        unreadable(code, at) {
          seen.push(`unreadable ${at().toString('latin1')} ${code}`);
        },
        ...changes,
      },
      signal,
    );
    return { seen, left };
  } finally {
    closeDirectory(top);
  }
}

/** `depth` directories called `d`, a file `f` beside each, and `bottom` in the last. */
function makeDeep(folder: string, depth: number): void {
  const script = `
import os
for level in range(${depth}):
    open("f", "w").close()
    os.mkdir("d")
    os.chdir("d")
open("bottom", "w").close()`;
  execFileSync('/usr/bin/python3', ['-c', script], { cwd: folder });
}

/** But for the few in /proc that are kept open for the next question. */
function openDescriptors(): number {
  const names = readdirSync('/proc/self/fd');
  return names.filter((name) => !placeOf(name).includes('/fdinfo/')).length;
}

function placeOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    // That of the listing itself.
    return '';
  }
}

test('files first, then directories, each left after what is in it', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'a/b'), { recursive: true });
  for (const name of ['top', 'a/one', 'a/b/two']) writeFileSync(join(folder, name), '');
  symlinkSync('/etc', join(folder, 'a/link'));
  const { seen, left } = await record(folder);
  expect(left).toBe(0);
  expect(seen.slice(0, 1)).toEqual(['file top']);
  expect(seen.slice(1, 3).toSorted()).toEqual(['file a/link', 'file a/one']);
  expect(seen.slice(3)).toEqual(['file a/b/two', 'leave a/b', 'leave a']);
});

test('names in raw bytes arrive as they are', async () => {
  const folder = testFolder();
  const script = `mkdir -p "$(printf 'd-\\377')" && : > "$(printf 'd-\\377/f-\\376\\nx')" && : > "$(head -c 255 /dev/zero | tr '\\0' n)"`;
  execFileSync('bash', ['-c', script], { cwd: folder });
  const { seen } = await record(folder);
  expect(seen).toEqual([`file ${'n'.repeat(255)}`, 'file d-\xff/f-\xfe\nx', 'leave d-\xff']);
});

test('what stays is not visited, and its parents are left with it', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'a/keep/deep'), { recursive: true });
  writeFileSync(join(folder, 'a/keep/deep/x'), '');
  writeFileSync(join(folder, 'a/y'), '');
  const { seen, left } = await record(folder, { stays: (at) => at().toString() === 'a/keep' });
  expect(seen).toEqual(['file a/y', 'leave a with 1']);
  expect(left).toBe(1);
});

test('a directory swapped for a link between listing and entering is handed over as a file', async () => {
  const folder = testFolder();
  const victim = join(folder, 'victim');
  mkdirSync(join(folder, 'top/swap'), { recursive: true });
  mkdirSync(victim);
  writeFileSync(join(victim, 'precious'), '');
  writeFileSync(join(folder, 'top/first'), '');
  const seen: string[] = [];
  // Files of a directory come before its subdirectories: the moment of the attacker.
  await record(join(folder, 'top'), {
    file(_at, _name, at) {
      const path = at().toString();
      seen.push(path);
      if (path === 'first') {
        rmdirSync(join(folder, 'top/swap'));
        symlinkSync(victim, join(folder, 'top/swap'));
      }
      return 'gone';
    },
  });
  expect(seen).toEqual(['first', 'swap']);
});

test('a directory that somebody removes meanwhile is no error', async () => {
  const folder = testFolder();
  for (const name of ['a', 'b']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'file'), '');
  const { seen, left } = await record(folder, {
    file() {
      rmdirSync(join(folder, 'a'));
      return 'gone';
    },
  });
  expect(seen).toEqual(['leave b']);
  expect(left).toBe(0);
});

test.runIf(process.platform === 'linux')(
  'a directory that is moved out of the tree is not worked on any more',
  async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'top/job/deep'), { recursive: true });
    for (let index = 0; index < 1000; index += 1) {
      writeFileSync(join(folder, `top/job/file-${index}`), '');
    }
    writeFileSync(join(folder, 'top/job/deep/file'), '');
    let files = 0;
    const { seen, left } = await record(join(folder, 'top'), {
      file() {
        files += 1;
        if (files === 100) renameSync(join(folder, 'top/job'), join(folder, 'published'));
        return 'gone';
      },
    });
    expect(files).toBeLessThan(200);
    expect(seen).toContain('unreadable job EMOVED');
    expect(seen.filter((line) => line.startsWith('file'))).toEqual([]);
    expect(left).toBe(1);
  },
);

test.runIf(process.platform === 'linux')('the top itself moved away ends the work', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'top/a'), { recursive: true });
  for (let index = 0; index < 300; index += 1) writeFileSync(join(folder, `top/${index}`), '');
  let files = 0;
  const { seen } = await record(join(folder, 'top'), {
    file() {
      files += 1;
      if (files === 1) renameSync(join(folder, 'top'), join(folder, 'rescued'));
      return 'gone';
    },
  });
  expect(files).toBeLessThanOrEqual(64);
  expect(seen[0]).toBe('unreadable  EMOVED');
});

test('1 500 levels with few descriptors open, and none left open', async () => {
  const folder = testFolder();
  const depth = 1500;
  makeDeep(folder, depth);
  const before = openDescriptors();
  let [files, left, most] = [0, 0, 0];
  const result = await record(folder, {
    file() {
      files += 1;
      if (files % 50 === 0) most = Math.max(most, openDescriptors());
      return 'gone';
    },
    leave() {
      left += 1;
      if (left % 50 === 0) most = Math.max(most, openDescriptors());
      return 'gone';
    },
  });
  expect([files, left, result.left]).toEqual([depth + 1, depth, 0]);
  expect(most - before).toBeLessThan(160);
  expect(openDescriptors()).toBe(before);
}, 30_000);

test('a branch that is moved while its upper directories are closed is given up', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'top'));
  makeDeep(join(folder, 'top'), 300);
  const { seen } = await record(join(folder, 'top'), {
    file(_at, name) {
      if (name.toString() === 'bottom') renameSync(join(folder, 'top/d'), join(folder, 'moved'));
      return 'gone';
    },
  });
  const others = seen.filter((line) => !line.startsWith('leave d/'));
  expect(others).toEqual([expect.stringMatching(/^unreadable .*EMOVED/)]);
});

test('an abort ends it after the item at hand, with every descriptor closed', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'a/b/c'), { recursive: true });
  for (const name of ['1', 'a/2', 'a/b/3', 'a/b/c/4']) writeFileSync(join(folder, name), '');
  const controller = new AbortController();
  const seen: string[] = [];
  const before = openDescriptors();
  const walking = record(
    folder,
    {
      file(_at, name) {
        seen.push(name.toString());
        if (name.toString() === '3') controller.abort(new Error('enough'));
        return 'gone';
      },
    },
    controller.signal,
  );
  await expect(walking).rejects.toThrow('enough');
  expect(seen).toEqual(['1', '2', '3']);
  expect(openDescriptors()).toBe(before);
});
