import { constants } from 'node:fs';
import { systemCode } from '../errors.ts';
import type { OnFailure } from './inspect.ts';
import { accessChild, accessDirectory, statChild } from './open-directory.ts';
import type { OpenDirectory } from './open-directory.ts';
import { walk } from './walk.ts';
import type { Boundaries } from './walk.ts';

/**
 * Looks for what this user could not remove: directories below that may not be written or searched,
 * read-only and immutable things. Changes nothing. What only the attempt shows (append-only files,
 * sticky directories of others) is not found.
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
  await walk(
    top,
    {
      ...boundaries,
      file(at, name, path) {
        const code = deniedBy(() => {
          if (statChild(at, name)?.isSymbolicLink() === false)
            accessChild(at, name, constants.W_OK);
        });
        // Whether a file can be removed is its directory's matter (EACCES), unless it is immutable.
        if (code === 'EPERM') onFailure(path(), code);
        return 'left';
      },
      blocked(_at, _name, code, path) {
        if (code !== 'EXDEV') onFailure(path(), code);
        return 'left';
      },
      leave(_parent, _name, directory, left, _attempt, path) {
        const code = deniedBy(() => {
          accessDirectory(directory, constants.W_OK | constants.X_OK);
        });
        // An empty directory is its parent's matter.
        if (code !== undefined && left > 0) onFailure(path(), code);
        return 'left';
      },
      unreadable(code, path) {
        onFailure(path(), code);
      },
    },
    signal,
  );
}

function deniedBy(access: () => void): string | undefined {
  try {
    access();
    return undefined;
  } catch (error) {
    const code = systemCode(error);
    return code === 'ENOENT' || code === 'ELOOP' ? undefined : code;
  }
}
