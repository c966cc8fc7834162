import { statSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { systemCode } from '../errors.ts';
import { MovedError, closeDirectory, currentPath, openTop } from './open-directory.ts';
import type { OpenDirectory } from './open-directory.ts';
import { realPath } from './real-path.ts';

/**
 * A configured directory as it was right after the guards had judged it. It is opened when it is
 * needed and closed again, since a pattern may match more directories than a process may have open;
 * each time it must be the same directory of the same mount at the same path.
 */
export interface KnownDirectory extends Pick<
  OpenDirectory,
  'device' | 'inode' | 'mountId' | 'born' | 'byDescriptor'
> {
  /** Absolute, every link resolved. */
  readonly path: string;
  /** Absolute, as configured: links may lie in it, and must lead here each time. */
  readonly configuredPath: string;
}

/** Something was mounted over the directory, or over one above it, or was unmounted. */
export class MountedOverError extends Error {
  override readonly name = 'MountedOverError';
  readonly code = 'EMOUNTED';
}

/** A link in the configured path leads to another place than the guards saw, or to none. */
export class RedirectedError extends Error {
  override readonly name = 'RedirectedError';
  readonly code = 'EREDIRECTED';
}

/** Open at once, with the window of directories that each walk has open below. */
const MOST_OPEN = 16;

let open = 0;
const waiting: (() => void)[] = [];

/**
 * @throws the system error, MovedError when the path leads elsewhere than the guards saw, or
 * RedirectedError when the configured path does.
 */
export function knowDirectory(path: string, configuredPath = path): KnownDirectory {
  const directory = openTop(path);
  try {
    if (!isAtPath(directory, path)) throw new MovedError('the path leads elsewhere now');
    checkLinks(directory, path, configuredPath);
    const { device, inode, mountId, born, byDescriptor } = directory;
    return { path, configuredPath, device, inode, mountId, born, byDescriptor };
  } finally {
    closeDirectory(directory);
  }
}

/**
 * A directory that was missing when the guards looked, if something is there by now. What a link to
 * another place leads to was judged by no guard.
 * @returns undefined while nothing is at the configured path.
 * @throws the system error, MovedError, RedirectedError.
 */
export function knowIfThere(path: string, configuredPath: string): KnownDirectory | undefined {
  if (placeOf(configuredPath) === undefined) return undefined;
  if (realPath(configuredPath) !== path) throw new RedirectedError('a link leads elsewhere now');
  return knowDirectory(path, configuredPath);
}

/**
 * Does some work in the directory, opened for it. Few are open at once: the others wait.
 * @throws the system error, MovedError, MountedOverError, RedirectedError, or what the work throws.
 */
export async function withDirectory<T>(
  known: KnownDirectory,
  signal: AbortSignal,
  work: (directory: OpenDirectory) => Promise<T>,
): Promise<T> {
  if (open >= MOST_OPEN) {
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
    });
  } else {
    open += 1;
  }
  try {
    signal.throwIfAborted();
    const directory = openKnown(known);
    try {
      return await work(directory);
    } finally {
      closeDirectory(directory);
    }
  } finally {
    const next = waiting.shift();
    if (next === undefined) open -= 1;
    else next();
  }
}

/** The caller closes it. @throws the system error, MovedError, MountedOverError, RedirectedError. */
export function openKnown(known: KnownDirectory): OpenDirectory {
  const { path, configuredPath, device, inode, mountId, born } = known;
  const directory = openAgain(path);
  try {
    if (mountId !== undefined && directory.mountId !== mountId) {
      throw new MountedOverError('another mount is at its path');
    }
    // A new directory may get the inode of one that was removed.
    const isNew = born !== undefined && directory.born !== born;
    const isSame = directory.device === device && directory.inode === inode && !isNew;
    if (!isSame || !isAtPath(directory, path)) throw new MovedError('it was moved or replaced');
    checkLinks(directory, path, configuredPath);
    return directory;
  } catch (error) {
    closeDirectory(directory);
    throw error;
  }
}

function openAgain(path: string): OpenDirectory {
  try {
    return openTop(path);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCode(error))) throw error;
    throw new MovedError('it was moved or replaced');
  }
}

/** By device and inode: a link that is made anew and leads to the same directory is no change. */
function checkLinks(directory: OpenDirectory, path: string, configuredPath: string): void {
  if (configuredPath === path) return;
  const place = placeOf(configuredPath);
  if (place?.dev === directory.device && place.ino === directory.inode) return;
  throw new RedirectedError('a link leads elsewhere now');
}

/** What a path leads to, through its links; undefined: to nothing. */
function placeOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** A link that stands where a directory above it was would lead to another path. */
function isAtPath(directory: OpenDirectory, path: string): boolean {
  if (!directory.byDescriptor) return realPath(path) === path;
  return currentPath(directory)?.toString() === path;
}
