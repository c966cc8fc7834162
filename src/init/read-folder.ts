/** Names and small text files of a project. Changes nothing, follows links, waits for no pipe. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { CannotStart, errorCode, errorMessage } from '../errors.ts';
import type { FolderState } from './data-directories.ts';

/** No compose file is this long; a longer file was named by mistake. */
const MAX_BYTES = 2 ** 20;
/** Names looked at in a folder that may be proposed. */
const MAX_NAMES = 10_000;

/** What a path is, links followed. */
export function lookAtFolder(path: string): FolderState {
  try {
    if (!statSync(path).isDirectory()) return { is: 'other' };
    return { is: 'directory', real: realpathSync(path), names: readNames(path) };
  } catch (error) {
    const code = errorCode(error);
    // A dangling link is there: what it will lead to one day is not known.
    if (code === 'ENOENT' && !isThere(path)) return { is: 'missing' };
    return { is: code === 'ENOENT' || code === 'ENOTDIR' ? 'other' : 'unreadable' };
  }
}

export function namesIn(path: string): readonly string[] {
  const state = lookAtFolder(path);
  return state.is === 'directory' ? state.names : [];
}

/** In part only of a folder with very many: reading millions of names takes minutes. */
function readNames(path: string): readonly string[] {
  const folder = opendirSync(path);
  try {
    const names: string[] = [];
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
      names.push(entry.name);
      if (names.length === MAX_NAMES) break;
    }
    return names;
  } finally {
    folder.closeSync();
  }
}

export function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    if (code === 'EACCES') return false;
    throw error;
  }
}

export function readText(path: string, what: 'compose' | 'env'): string {
  const fail = (reason: string, cause?: unknown): CannotStart =>
    new CannotStart('config', `cannot read the ${what} file ${path}: ${reason}`, [], cause);
  let descriptor: number | undefined;
  try {
    // Not blocking, because a pipe by that name would wait for a writer.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw fail('it is not a file');
    if (status.size > MAX_BYTES)
      throw fail('it is larger than 1 MiB: name a smaller one with --from');
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(descriptor));
  } catch (error) {
    if (error instanceof CannotStart) throw error;
    if (error instanceof TypeError) throw fail('it is not UTF-8 text', error);
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'it is a symbolic link that leads nowhere',
      EACCES: 'permission denied, run as a user who may read it',
      ELOOP: 'it is a symbolic link that leads back to itself',
    };
    throw fail(reasons[errorCode(error) ?? ''] ?? errorMessage(error), error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
