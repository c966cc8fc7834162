import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { Environment } from '../config/find.ts';
import { userId } from '../files/process-wide.ts';
import { makeOwnDirectory, othersWrite } from '../outputs/safe-place.ts';

/** Where runs and locks are kept. */

/**
 * `--state-dir`, else `$XDG_STATE_HOME/media-cleanup`, else for root `/var/lib/media-cleanup`, else
 * `~/.local/state/media-cleanup` (XDG Base Directory Specification; a relative value is ignored, as
 * it says). Root with the environment of another user, as after sudo, takes its own.
 */
export function stateDirectory(options: {
  readonly flag: string | undefined;
  readonly env: Environment;
  readonly workingDirectory: string;
  readonly home: string | undefined;
}): string {
  const { flag, env, workingDirectory, home } = options;
  if (flag !== undefined) return resolve(workingDirectory, flag);
  const xdg = isRootForAnother(env, home) ? undefined : env['XDG_STATE_HOME'];
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, NAME);
  // A user without a home, as in some containers, keeps nothing there either, and is told so.
  if (userId() === 0 || home === undefined) return join('/var/lib', NAME);
  return join(home, '.local/state', NAME);
}

const NAME = 'media-cleanup';

/** Of sudo(8), doas(1) and pkexec(1); of su and `sudo -E` the home is left. */
function isRootForAnother(env: Environment, home: string | undefined): boolean {
  if (userId() !== 0) return false;
  const callers = [env['SUDO_UID'], env['PKEXEC_UID'], env['DOAS_USER']];
  if (callers.some((caller) => caller && caller !== '0' && caller !== 'root')) return true;
  return home !== undefined && (statSync(home, { throwIfNoEntry: false })?.uid ?? 0) !== 0;
}

/**
 * Makes a directory in the state directory that only its owner can look into, with those above it.
 * Nobody else may be able to change any of them: another user could put links there.
 * @returns its path. @throws the system error; `EFOREIGN` when somebody else could, saying where.
 */
export function makePrivateDirectory(stateDirectory: string, name: 'runs' | 'locks'): string {
  makeOwnDirectory(stateDirectory);
  const path = join(stateDirectory, name);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = lstatSync(path);
  const own = userId();
  if (!found.isDirectory()) throw foreign(`${path} is no directory`);
  if (own !== undefined && found.uid !== own) {
    throw foreign(`${path} belongs to user ${found.uid}`);
  }
  if (othersWrite(found)) throw foreign(`Others may write to ${path}`);
  return path;
}

function foreign(reason: string): Error {
  return Object.assign(new Error(reason), { code: 'EFOREIGN' });
}
