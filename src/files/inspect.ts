import { systemCode } from '../errors.ts';
import { isAside } from './aside.ts';
import { holdsWhatStays } from './holds-what-stays.ts';
import { createObstacleFinder } from './obstacle.ts';
import type { Obstacle } from './obstacle.ts';
import { identityOfChild, statChild } from './open-directory.ts';
import type { OpenDirectory } from './open-directory.ts';
import { walk } from './walk.ts';
import type { Boundaries } from './walk.ts';

/** Called for what could not be looked at or removed; `item` is relative to the directory, as bytes. */
export type OnFailure = (item: Buffer, code: string) => void;

const FILES_BETWEEN_REPORTS = 500;
/** In each directory, whether they are immutable: it costs a call each. */
const FILES_ASKED = 100;

export interface DirectoryContents {
  /** Everything but directories, at every depth, except what stays. */
  readonly files: number;
  /**
   * Allocated bytes that a wipe would free: files and subdirectories as `du` counts them, but a
   * file with another name outside frees nothing.
   */
  readonly bytes: number;
  /** Below it, that would go too. */
  readonly directories: number;
  /** Inodes that would be freed with them. */
  readonly inodes: number;
  /** Mount points below, relative, as bytes; not looked into. */
  readonly mounts: readonly Buffer[];
}

/**
 * Counts what a wipe of the directory would remove. Changes nothing, not even access times of files.
 * @throws the signal's reason.
 */
export async function inspectDirectory(
  top: OpenDirectory,
  how: {
    readonly boundaries: Boundaries;
    /** A directory in it goes as a whole or not at all: one in which something is too young stays. */
    readonly wholeEntries: boolean;
    /** How many names of a file with several were seen so far, over all directories; grows. */
    readonly seenNames: Map<string, number>;
    readonly onFailure: OnFailure;
    /** Running totals, every few hundred files. */
    readonly progress?: (files: number, bytes: number) => void;
    /** Called for what this user cannot remove; for a directory that keeps its entries once. */
    readonly onObstacle?: ((obstacle: Obstacle) => void) | undefined;
    /** Paths, as latin1, of files that are deleted already and cannot go yet. */
    readonly pending?: ReadonlySet<string>;
    /** Called for every file, with its path relative to the directory. */
    readonly found?: (item: () => Buffer) => void;
    readonly foundDirectory?: (item: () => Buffer) => void;
    readonly signal: AbortSignal;
  },
): Promise<DirectoryContents> {
  const { seenNames, onFailure, signal } = how;
  const boundaries = how.wholeEntries ? wholeBoundaries(top, how.boundaries) : how.boundaries;
  const isTooYoung = (milliseconds: number, path: () => Buffer): boolean =>
    boundaries.before !== undefined &&
    milliseconds >= boundaries.before &&
    !(how.wholeEntries && isAside(path()));
  let files = 0;
  let bytes = 0;
  let inodes = 0;
  let directories = 0;
  const mounts: Buffer[] = [];
  const obstacles = how.onObstacle && createObstacleFinder(how.onObstacle, FILES_ASKED);
  await walk(
    top,
    // 'gone' here means: a wipe would remove it.
    {
      ...boundaries,
      file(at, name, path) {
        try {
          const stat = statChild(at, name);
          if (stat === undefined) return 'gone';
          if (stat.isDirectory()) return 'directory';
          if (isTooYoung(stat.mtimeMs, path)) return 'left';
          if (how.pending?.has(path().toString('latin1')) === true) return 'left';
          files += 1;
          obstacles?.entry(at, name, stat, path);
          how.found?.(path);
          if (files % FILES_BETWEEN_REPORTS === 0) how.progress?.(files, bytes);
          if (isLastName(at, name, stat.nlink)) {
            bytes += stat.blocks * 512;
            inodes += 1;
          }
          return 'gone';
        } catch (error) {
          onFailure(path(), systemCode(error));
          return 'left';
        }
      },
      blocked(_at, _name, code, path) {
        if (code === 'EXDEV') mounts.push(path());
        else onFailure(path(), code);
        return 'left';
      },
      leave(parent, name, directory, left, _attempt, path) {
        if (left > 0) return 'left';
        obstacles?.entry(parent, name, directory, path);
        obstacles?.left(directory, path);
        if (isTooYoung(directory.modified, path)) return 'left';
        inodes += 1;
        directories += 1;
        how.foundDirectory?.(path);
        bytes += directory.ownBytes;
        return 'gone';
      },
      unreadable(code, path) {
        onFailure(path(), code);
      },
    },
    signal,
  );
  return { files, bytes, directories, inodes, mounts };

  /** Whether this is the last of a file's names, so that its blocks would go with it. */
  function isLastName(at: OpenDirectory, name: Buffer, names: number): boolean {
    if (names === 1) return true;
    const identity = identityOfChild(at, name);
    if (identity === undefined) return false;
    const seen = (seenNames.get(identity) ?? 0) + 1;
    seenNames.set(identity, seen);
    return seen === names;
  }
}

function wholeBoundaries(top: OpenDirectory, boundaries: Boundaries): Boundaries {
  if (boundaries.before === undefined) return boundaries;
  return {
    ...boundaries,
    stays(path) {
      if (boundaries.stays?.(path) === true) return true;
      const name = path();
      if (name.includes('/') || isAside(name)) return false;
      return holdsWhatStays(top, name, boundaries) === 'young';
    },
  };
}
