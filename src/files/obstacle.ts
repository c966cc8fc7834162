import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import { systemCode } from '../errors.ts';
import { accessDirectory } from './open-directory.ts';
import type { OpenDirectory } from './open-directory.ts';
import { userId } from './process-wide.ts';

/** A directory whose entries this user cannot remove; told before anything is tried. */
export interface Obstacle {
  /** Relative to the configured directory, as bytes; empty for that itself. */
  readonly path: Buffer;
  /** EACCES: no permission; EPERM: immutable, or a sticky directory with files of others; EROFS. */
  readonly code: string;
  readonly owner: number;
}

const STICKY = 0o1000;

/**
 * Why an entry of the directory cannot be removed, as far as can be told without trying: append-only
 * directories are not.
 */
export function obstacleOf(directory: OpenDirectory, stat: Stats | undefined): string | undefined {
  try {
    accessDirectory(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = systemCode(error);
    return code === 'ENOENT' ? undefined : code;
  }
  const user = userId();
  const sticky = (directory.mode & STICKY) !== 0 && user !== 0 && user !== directory.owner;
  return sticky && stat !== undefined && stat.uid !== user ? 'EPERM' : undefined;
}
