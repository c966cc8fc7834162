import { errorCode, systemCode } from '../errors.ts';
import type { OnFailure } from './inspect.ts';
import { removeEmptyChild, statChild, unlinkChild } from './open-directory.ts';
import type { OpenDirectory } from './open-directory.ts';
import { walk } from './walk.ts';
import type { Boundaries } from './walk.ts';

export interface Erased {
  /** What unlink removed; directories are not counted. */
  readonly deleted: number;
  /**
   * Allocated bytes of what really went, subdirectories included, as `du` shows the difference. A
   * file with several names counts when the last one goes.
   */
  readonly bytesFreed: number;
  /** Mount points below, relative, as bytes; not entered, not removed. */
  readonly mounts: readonly Buffer[];
}

export interface EraseObserver {
  readonly failure: OnFailure;
  /** Running totals, every few hundred items. */
  readonly progress: (deleted: number, bytesFreed: number) => void;
  /** Every single item, for `--verbose`. */
  readonly item?: (path: Buffer) => void;
}

/** How often a directory that fills up while it is emptied is read again. */
const ATTEMPTS = 4;
const ITEMS_BETWEEN_REPORTS = 200;

/**
 * Removes everything in an opened directory, at every depth; the directory itself, its owner and
 * its mode stay. Never follows a link, never enters another mount, never leaves the descriptor.
 * A failure is reported and its siblings go on.
 *
 * On abort the item at hand is finished and what was removed so far is returned.
 */
export async function eraseDirectory(
  top: OpenDirectory,
  boundaries: Boundaries,
  observer: EraseObserver,
  signal: AbortSignal,
): Promise<Erased> {
  let deleted = 0;
  let bytesFreed = 0;
  const mounts: Buffer[] = [];
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const before = deleted;
      const left = await pass();
      // Some file systems skip names when entries go while a directory is read, so an emptied
      // directory is read until nothing turns up; what failed once is not tried again.
      if (left > 0 || deleted === before) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  observer.progress(deleted, bytesFreed);
  return { deleted, bytesFreed, mounts };

  async function pass(): Promise<number> {
    return await walk(
      top,
      {
        ...boundaries,
        file: unlink,
        blocked(at, name, code, path) {
          if (code === 'EXDEV') {
            mounts.push(path());
            return 'left';
          }
          // A directory that may not be read can still be empty.
          try {
            removeEmptyChild(at, name);
            return 'gone';
          } catch (error) {
            if (errorCode(error) === 'ENOENT') return 'gone';
            observer.failure(path(), code);
            return 'left';
          }
        },
        leave(parent, name, directory, left, attempt, path) {
          if (left > 0) return 'left';
          try {
            removeEmptyChild(parent, name);
            bytesFreed += directory.ownBytes;
            return 'gone';
          } catch (error) {
            const code = systemCode(error);
            if (code === 'ENOENT') return 'gone';
            if ((code === 'ENOTEMPTY' || code === 'EEXIST') && attempt + 1 < ATTEMPTS)
              return 'again';
            observer.failure(path(), code);
            return 'left';
          }
        },
        unreadable(code, path) {
          observer.failure(path(), code);
        },
      },
      signal,
    );
  }

  function unlink(
    at: OpenDirectory,
    name: Buffer,
    path: () => Buffer,
  ): 'gone' | 'left' | 'directory' {
    try {
      const stat = statChild(at, name);
      if (stat === undefined) return 'gone';
      if (stat.isDirectory()) return 'directory';
      unlinkChild(at, name);
      deleted += 1;
      if (stat.nlink === 1) bytesFreed += stat.blocks * 512;
    } catch (error) {
      const code = systemCode(error);
      if (code === 'ENOENT') return 'gone';
      if (code === 'EISDIR') return 'directory';
      // Only a name that something is mounted on answers EBUSY to unlink (unlink(2)).
      if (code === 'EBUSY') mounts.push(path());
      else observer.failure(path(), code);
      return 'left';
    }
    observer.item?.(path());
    if (deleted % ITEMS_BETWEEN_REPORTS === 0) observer.progress(deleted, bytesFreed);
    return 'gone';
  }
}
