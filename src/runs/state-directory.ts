import { constants, lstatSync, mkdirSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { Environment } from '../config/find.ts';
import { errorCode } from '../errors.ts';
import { userId } from '../files/process-wide.ts';

/** Where runs and locks are kept. */

/**
 * `--state-dir`, else `$XDG_STATE_HOME/media-cleanup`, else for root `/var/lib/media-cleanup`, else
 * `~/.local/state/media-cleanup` (XDG Base Directory Specification; a relative value is ignored, as
 * it says).
 */
export function stateDirectory(options: {
  readonly flag: string | undefined;
  readonly env: Environment;
  readonly workingDirectory: string;
  readonly home: string | undefined;
}): string {
  const { flag, env, workingDirectory, home } = options;
  if (flag !== undefined) return resolve(workingDirectory, flag);
  const xdg = env['XDG_STATE_HOME'];
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, NAME);
  // A user without a home, as in some containers, keeps nothing there either, and is told so.
  if (userId() === 0 || home === undefined) return join('/var/lib', NAME);
  return join(home, '.local/state', NAME);
}

const NAME = 'media-cleanup';

/**
 * Makes a directory that only its owner can look into, with those above it. One that is there must be
 * ours: into another user's directory that user could put links.
 * @throws the system error; `EFOREIGN` when it is somebody else's.
 */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(path);
  const own = userId();
  const isOurs = own === undefined || uid === own;
  if (!isOurs || (mode & constants.S_IFMT) !== constants.S_IFDIR || (mode & WRITABLE) !== 0) {
    throw Object.assign(new Error('It belongs to another user, or others may write to it'), {
      code: 'EFOREIGN',
    });
  }
}

const WRITABLE = 0o022;

/** For people: what stands in the way of a directory. @throws what is no system error. */
export function stateProblem(error: unknown): string {
  const code = errorCode(error);
  if (code === undefined) throw error;
  return code;
}
