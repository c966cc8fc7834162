/** Fresh folders for tests. Removes only what it created itself. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface Folder {
  /** Absolute, real, at least three components deep, mode 755, empty. */
  readonly path: string;
  /** Removes it with immutable files, closed directories and mounts; a second call does nothing. */
  remove(): void;
}

export function createFolder(): Folder {
  const top = mkdtempSync(join(realpathSync(tmpdir()), 'media-cleanup-test-'));
  const path = join(top, 'stack');
  mkdirSync(path);
  // Tests also run the tool as another user, who has to get in.
  chmodSync(top, 0o755);
  chmodSync(path, 0o755);
  const { dev, ino } = lstatSync(top);
  let removed = false;
  return {
    path,
    remove: () => {
      if (removed) return;
      const now = lstatSync(top);
      if (now.dev !== dev || now.ino !== ino) throw new Error(`${top} is no longer ours`);
      removeTree(top);
      removed = true;
    },
  };
}

/** The path of a folder that is removed when the current test has finished. */
export function testFolder(): string {
  const folder = createFolder();
  onTestFinished(() => folder.remove());
  return folder.path;
}

/**
 * Mounts for all processes, until the folder is removed: for a file system that the test fills and
 * looks at itself. What only the tool shall see goes into `mounts` of `confine` instead.
 * @param args as for mount(8), without the mount point, e.g. `['-t', 'tmpfs', '-o', 'size=1m', 'none']`
 */
export function mountAt(path: string, args: readonly string[]): void {
  if (!/\/media-cleanup-test-[^/]+\/stack\//.test(path)) {
    throw new Error(`${path} is not in a test folder: nothing else gets mounts`);
  }
  mkdirSync(path, { recursive: true });
  execFileSync('mount', [...args, path], { stdio: 'pipe' });
}

function removeTree(top: string): void {
  for (const mountPoint of mountPointsBelow(top)) {
    const { status } = spawnSync('umount', [mountPoint], { stdio: 'ignore' });
    if (status !== 0) execFileSync('umount', ['--lazy', mountPoint], { stdio: 'pipe' });
  }
  if (process.getuid?.() === 0 && process.platform === 'linux') {
    // Fails on file systems without attributes, where there is nothing to take off either.
    spawnSync('chattr', ['-R', '-f', '-i', '-a', top], { stdio: 'ignore' });
  } else {
    spawnSync('find', [
      top,
      '-type',
      'd',
      '!',
      '-perm',
      '-700',
      '-exec',
      'chmod',
      'u+rwx',
      '{}',
      ';',
    ]);
  }
  execFileSync('rm', ['-rf', '--one-file-system', top], { stdio: 'pipe' });
}

/** The last mounted first, as unmounting wants it. */
function mountPointsBelow(top: string): string[] {
  if (process.platform !== 'linux') return [];
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => unescape(line.split(' ')[4] ?? ''))
    .filter((mountPoint) => mountPoint.startsWith(`${top}/`))
    .toReversed();
}

/** proc(5): space, tab, newline and backslash are written as octal numbers. */
function unescape(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
