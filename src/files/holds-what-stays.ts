import { lstatSync } from 'node:fs';
import { errorCode } from '../errors.ts';
import { startListing } from './listing.ts';
import { closeDirectory, enterDirectory, openChild } from './open-directory.ts';
import type { Name, OpenDirectory } from './open-directory.ts';
import { goHome } from './process-wide.ts';
import type { Boundaries } from './walk.ts';

const SLASH = Buffer.from('/');
/** A model is not nested deeper; what is, goes as it is and not as a whole. */
const DEEPEST = 64;

/**
 * Whether something in a subdirectory stays: a file that is too young, which keeps the whole of it,
 * or something that a pattern keeps. Changes nothing.
 */
export function holdsWhatStays(
  top: OpenDirectory,
  name: Name,
  boundaries: Boundaries,
): 'young' | 'kept' | undefined {
  let found: 'young' | 'kept' | undefined;
  try {
    look(top, name, Buffer.from(name), 0);
  } finally {
    goHome();
  }
  return found;

  function look(parent: OpenDirectory, child: Name, path: Buffer, depth: number): void {
    if (depth > DEEPEST) {
      found ??= 'kept';
      return;
    }
    let directory: OpenDirectory;
    try {
      directory = openChild(parent, child);
    } catch (error) {
      // Another mount, or it may not be read: what is in it stays where it is.
      if (errorCode(error) !== 'ENOENT') found ??= 'kept';
      return;
    }
    // Made or changed just now, by whoever puts files into it.
    if (boundaries.before !== undefined && directory.modified >= boundaries.before) found = 'young';
    const listing = startListing(directory);
    try {
      for (let part = listing.next(); part !== undefined; part = listing.next()) {
        for (const other of [...part.directories, ...part.others]) {
          const at = (): Buffer => Buffer.concat([path, SLASH, Buffer.from(other)]);
          if (boundaries.stays?.(at) === true) found ??= 'kept';
        }
        enterDirectory(directory);
        for (const other of part.others) if (isYoung(other)) found = 'young';
        for (const other of part.directories) {
          if (found === 'young') return;
          look(directory, other, Buffer.concat([path, SLASH, Buffer.from(other)]), depth + 1);
        }
      }
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      found ??= 'kept';
    } finally {
      listing.close();
      closeDirectory(directory);
    }
  }

  function isYoung(name: Name): boolean {
    if (boundaries.before === undefined) return false;
    const stat = lstatSync(name, { throwIfNoEntry: false });
    return stat !== undefined && !stat.isDirectory() && stat.mtimeMs >= boundaries.before;
  }
}
