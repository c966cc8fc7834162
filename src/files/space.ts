import { spawnSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import type { OpenDirectory } from './open-directory.ts';

/** What is free on a file system, in bytes and inodes; what only root may use included. */
export interface Space {
  readonly bytes: number;
  readonly inodes: number;
}

/** Blocks are counted in fragments, which are smaller than blocks there; Node.js does not tell them. */
const WITH_FRAGMENTS = /^(?:fuse|virtiofs)/;
const PATIENCE_MS = 2000;

/**
 * statfs(2) of the file system that a directory is on; undefined where it does not answer.
 * @param type as in mountinfo.
 */
export function spaceOf(directory: OpenDirectory, type: string): Space | undefined {
  try {
    const { bsize, bfree, ffree } = statfsSync(directory.base);
    const unit = WITH_FRAGMENTS.test(type) ? fragmentSize(directory) : bsize;
    return unit === undefined ? undefined : { bytes: unit * bfree, inodes: ffree };
  } catch {
    return undefined;
  }
}

/** By stat(1), of GNU or of BusyBox. */
function fragmentSize({ descriptor }: OpenDirectory): number | undefined {
  const { stdout, status } = spawnSync('stat', ['-f', '-c', '%S', '/proc/self/fd/3/.'], {
    stdio: ['ignore', 'pipe', 'ignore', descriptor],
    encoding: 'utf8',
    timeout: PATIENCE_MS,
  });
  const size = status === 0 ? Number(stdout) : Number.NaN;
  return size > 0 ? size : undefined;
}
