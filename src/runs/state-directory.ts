import { constants, lstatSync, mkdirSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { Environment } from '../config/find.ts';
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
 * Makes a directory in the state directory that only its owner can look into, with those above it.
 * What is there must be ours: into another user's directory that user could put links.
 * @returns its path. @throws the system error; `EFOREIGN` when it is somebody else's.
 */
export function makePrivateDirectory(stateDirectory: string, name: 'runs' | 'locks'): string {
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  // A link to it may be the administrator's way to put it elsewhere.
  const above = statSync(stateDirectory);
  const isEverybodys = (above.mode & (constants.S_IWOTH | STICKY)) === constants.S_IWOTH;
  if (isEverybodys || !(isOurs(above.uid) || above.uid === 0)) throw foreign();
  const path = join(stateDirectory, name);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(path);
  const isDirectory = (mode & constants.S_IFMT) === constants.S_IFDIR;
  if (!isDirectory || !isOurs(uid) || (mode & WRITABLE) !== 0) throw foreign();
  return path;
}

const STICKY = 0o1000;
const WRITABLE = 0o022;

function isOurs(uid: number): boolean {
  const own = userId();
  return own === undefined || uid === own;
}

function foreign(): Error {
  return Object.assign(new Error('It belongs to another user'), { code: 'EFOREIGN' });
}
