import { constants } from 'node:fs';
import type { OnFailure } from './inspect.ts';
import { createObstacleFinder, deniedBy } from './obstacle.ts';
import { accessDirectory, statChild } from './open-directory.ts';
import type { OpenDirectory } from './open-directory.ts';
import { walk } from './walk.ts';
import type { Boundaries } from './walk.ts';

/**
 * Looks for what this user could not remove: what obstacles there are, and what cannot be looked at.
 * Changes nothing.
 * @throws the signal's reason.
 */
export async function checkWritable(
  top: OpenDirectory,
  boundaries: Boundaries,
  onFailure: OnFailure,
  signal: AbortSignal,
): Promise<void> {
  const here = deniedBy(() => {
    accessDirectory(top, constants.R_OK | constants.W_OK | constants.X_OK);
  });
  if (here !== undefined) {
    onFailure(Buffer.alloc(0), here);
    return;
  }
  const obstacles = createObstacleFinder(({ path, code }) => {
    onFailure(path, code);
  }, Number.POSITIVE_INFINITY);
  const unread = new Set<string>();
  const fail = (path: Buffer, code: string): void => {
    unread.add(path.toString('latin1'));
    onFailure(path, code);
  };
  await walk(
    top,
    {
      ...boundaries,
      file(at, name, path) {
        const stat = statChild(at, name);
        if (stat?.isDirectory() === true) return 'directory';
        if (stat !== undefined) obstacles.entry(at, name, stat, path);
        return 'left';
      },
      blocked(_at, _name, code, path) {
        if (code !== 'EXDEV') fail(path(), code);
        return 'left';
      },
      leave(parent, name, directory, _left, _attempt, path) {
        obstacles.entry(parent, name, directory, path);
        if (!unread.has(path().toString('latin1'))) obstacles.left(directory, path);
        return 'left';
      },
      unreadable(code, path) {
        fail(path(), code);
      },
    },
    signal,
  );
}
