import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import { systemCode } from '../errors.ts';
import { accessChild, accessDirectory } from './open-directory.ts';
import type { Name, OpenDirectory } from './open-directory.ts';
import { userId } from './process-wide.ts';

/** What this user cannot empty or remove; told before anything is tried. */
export interface Obstacle {
  /** Relative to the configured directory, as bytes; empty for that itself. */
  readonly path: Buffer;
  /** Whether it is a directory that keeps what is in it. */
  readonly keeps: boolean;
  /** EACCES: no permission; EPERM: immutable, or a sticky directory with files of others; EROFS. */
  readonly code: string;
  readonly owner: number;
}

export interface ObstacleFinder {
  /** Told of every entry that is to go; looks at its directory with the first one. */
  entry(at: OpenDirectory, name: Name, what: Stats | OpenDirectory, path: () => Buffer): void;
  /** Told of a directory when all in it was looked at. */
  left(directory: OpenDirectory, path: () => Buffer): void;
}

interface Known {
  told: boolean;
  files: number;
}

const STICKY = 0o1000;

/**
 * Finds what cannot be removed, as far as can be told without trying: append-only files and
 * directories (chattr +a) are not found, since Node.js has no ioctl(2) to ask for that.
 * @param mostFiles in each directory are asked whether they are immutable, which costs a call each.
 */
export function createObstacleFinder(
  onObstacle: (obstacle: Obstacle) => void,
  mostFiles: number,
): ObstacleFinder {
  const known = new WeakMap<OpenDirectory, Known>();
  const user = userId();
  return {
    entry(at, name, what, path) {
      const state = known.get(at) ?? { told: false, files: 0 };
      if (!known.has(at)) {
        known.set(at, state);
        const code = deniedBy(() => {
          accessDirectory(at, constants.W_OK | constants.X_OK);
        });
        if (code !== undefined) tell(at, state, code, parentOf(path(), name));
      }
      if (state.told) return;
      const owner = 'owner' in what ? what.owner : what.uid;
      if (isForeign(at, owner)) tell(at, state, 'EPERM', parentOf(path(), name));
      else if ('uid' in what && !what.isSymbolicLink() && state.files < mostFiles) {
        state.files += 1;
        // Whether a file can be removed is its directory's matter (EACCES), unless it is immutable.
        const code = deniedBy(() => {
          accessChild(at, name, constants.W_OK);
        });
        if (code === 'EPERM') onObstacle({ path: path(), keeps: false, code, owner });
      }
    },
    left(directory, path) {
      // One with something in it has been told already, and an empty one is its parent's matter.
      if (known.has(directory)) return;
      const code = deniedBy(() => {
        accessDirectory(directory, constants.W_OK);
      });
      if (code === 'EPERM') {
        onObstacle({ path: path(), keeps: false, code, owner: directory.owner });
      }
    },
  };

  function tell(at: OpenDirectory, state: Known, code: string, path: Buffer): void {
    state.told = true;
    onObstacle({ path, keeps: true, code, owner: at.owner });
  }

  function isForeign(at: OpenDirectory, owner: number): boolean {
    return (at.mode & STICKY) !== 0 && user !== 0 && user !== at.owner && user !== owner;
  }
}

function parentOf(path: Buffer, name: Name): Buffer {
  return path.subarray(0, Math.max(0, path.length - Buffer.byteLength(name) - 1));
}

export function deniedBy(access: () => void): string | undefined {
  try {
    access();
    return undefined;
  } catch (error) {
    const code = systemCode(error);
    return code === 'ENOENT' || code === 'ELOOP' ? undefined : code;
  }
}
