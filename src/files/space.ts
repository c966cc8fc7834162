import { statfsSync } from 'node:fs';
import type { OpenDirectory } from './open-directory.ts';

/** What is free on a file system, in bytes and inodes; what only root may use included. */
export interface Space {
  readonly bytes: number;
  readonly inodes: number;
}

/** statfs(2) of the file system that a directory is on; undefined where it does not answer. */
export function spaceOf(directory: OpenDirectory): Space | undefined {
  try {
    const { bsize, bfree, ffree } = statfsSync(directory.base);
    return { bytes: bsize * bfree, inodes: ffree };
  } catch {
    return undefined;
  }
}
