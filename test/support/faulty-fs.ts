/**
 * A disk that fails where a test wants it: FUSE around a directory. For all processes, so that it is
 * also there for what runs confined; it ends with the test.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { findCommand, findPython } from '../setup/needs.ts';
import { ended, hasEnded, killAtExit } from './processes.ts';

export interface FaultyDisk {
  /**
   * Mount point. What a name starts with decides:
   * - `eio-`, `estale-`, `busy-`: unlink answers EIO, ESTALE, EBUSY;
   * - `eio-list-` of a directory: reading its names answers EIO;
   * - `held-`: unlink renames it to `.nfs` and 16 hex digits, as an NFS client does with a file that
   *   is open; `.nfs`: unlink answers EBUSY, as there;
   * - `refill-3-`, `refill-endless-` of a directory: when its last file goes, or its removal is tried
   *   while it is empty, a new file is there: so many times, or always;
   * - `untyped-` of a directory: its listing does not say what its names are (DT_UNKNOWN).
   */
  readonly path: string;
  /** The same without faults, to fill it and to look at it. */
  readonly backing: string;
}

const SCRIPT = fileURLToPath(new URL('faulty_fs.py', import.meta.url));
const PATIENCE_MS = 10_000;

/** Guard the test with `requireOrSkip('fuse')`. @throws Error when it could not be mounted. */
export async function faultyDisk(folder: string): Promise<FaultyDisk> {
  const path = join(folder, 'disk');
  const backing = join(folder, 'backing');
  mkdirSync(path);
  mkdirSync(backing);
  const { dev } = statSync(path);
  const child = spawn(findPython().path, [SCRIPT, backing, path], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  killAtExit(child);
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  onTestFinished(async () => {
    // Ends the process too; lazily, so that a test that failed in the middle leaves nothing either.
    spawnSync(findCommand('fusermount') ?? 'fusermount', ['-u', '-z', path], { stdio: 'ignore' });
    const timer = setTimeout(() => child.kill('SIGKILL'), 2_000);
    await ended(child);
    clearTimeout(timer);
  });
  const deadline = performance.now() + PATIENCE_MS;
  while (statSync(path).dev === dev) {
    if (hasEnded(child) || performance.now() > deadline) {
      throw new Error(`the faulty disk could not be mounted: ${complaints}`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
  return { path, backing };
}
