import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
} from 'node:fs';
import type { BigIntStats, Stats } from 'node:fs';
import { mountIdOf } from './mounts.ts';
import { errorCode } from '../errors.ts';
import { changeDirectory, executable, goHome, isIn, workingPath } from './process-wide.ts';

/** Stands in text for bytes that are no UTF-8. */
export const REPLACEMENT = '\uFFFD';

/** Of an entry: text, or the bytes where they are no UTF-8. */
export type Name = string | Buffer;

/**
 * The one door to the file system below a configured directory. A directory is entered only through
 * its parent's descriptor, without following links, and everything in it is reached through its own
 * descriptor (`/proc/self/fd/<n>/<name>`, proc_pid_fd(5)): whoever swaps a directory for a link while
 * we work changes nothing about where we are.
 */
export interface OpenDirectory {
  readonly descriptor: number;
  /** What a name is put behind to reach it, e.g. `/proc/self/fd/17/`. */
  readonly base: Buffer;
  readonly device: bigint;
  readonly inode: bigint;
  readonly mountId: number | undefined;
  /** When it was made, in nanoseconds since 1970; undefined where that cannot be told for certain. */
  readonly born: bigint | undefined;
  /** Allocated bytes of the directory itself when it was opened. */
  readonly ownBytes: number;
  /** What stat calls its size when it was opened: grows with the number of its entries. */
  readonly size: number;
  /** When entries were last added or removed, in milliseconds since 1970, when it was opened. */
  readonly modified: number;
  readonly owner: number;
  readonly mode: number;
  /** False where there is no /proc: names are then resolved by path, with the identity checked. */
  readonly byDescriptor: boolean;
}

/** The child is another mount: never entered. */
export class MountPointError extends Error {
  override readonly name = 'MountPointError';
  readonly code = 'EXDEV';
}

/** The directory is not where it was when it was opened. */
export class MovedError extends Error {
  override readonly name = 'MovedError';
  readonly code = 'EMOVED';
}

/** Where there is no /proc, a directory can be entered by text only. */
export class NotTextError extends Error {
  override readonly name = 'NotTextError';
  readonly code = 'EILSEQ';
}

const OPEN_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const SLASH = Buffer.from('/');
const EMPTY = Buffer.alloc(0);

export function hasDescriptorPaths(): boolean {
  return existsSync('/proc/self/fd');
}

/** Opens a resolved path that is no link itself. Throws the system error (ELOOP for a link). */
export function openTop(path: string, byDescriptor = hasDescriptorPaths()): OpenDirectory {
  return describe(openSync(path, OPEN_FLAGS), Buffer.from(path), byDescriptor);
}

/**
 * Opens `name` in `parent`.
 * @throws the system error: ELOOP or ENOTDIR when it is (now) a link or a file, or
 * {@link MountPointError} when a file system is mounted on it.
 */
export function openChild(parent: OpenDirectory, name: Name): OpenDirectory {
  const { byDescriptor } = parent;
  const at = isIn(parent) ? name : pathOf(parent, name);
  const path = byDescriptor ? EMPTY : Buffer.concat([parent.base, Buffer.from(name)]);
  const child = describe(openSync(at, OPEN_FLAGS), path, byDescriptor);
  if (isOtherMount(parent, child)) {
    closeDirectory(child);
    throw new MountPointError('a file system is mounted here');
  }
  return child;
}

/** By the device only where there is nothing better: a subvolume of btrfs has one of its own. */
function isOtherMount(parent: OpenDirectory, child: OpenDirectory): boolean {
  return parent.mountId === undefined || child.mountId === undefined
    ? child.device !== parent.device
    : child.mountId !== parent.mountId;
}

/**
 * Opens what another process of ours holds open under this number. Links are followed here, and only
 * here: the kernel's own leads to the very directory. The caller compares the identity.
 */
export function openHandedOver(owner: number, descriptor: number): OpenDirectory {
  const path = `/proc/${owner}/fd/${descriptor}`;
  return describe(
    openSync(path, constants.O_RDONLY | constants.O_DIRECTORY),
    Buffer.from(path),
    true,
  );
}

function describe(descriptor: number, path: Buffer, byDescriptor: boolean): OpenDirectory {
  try {
    const stat = fstatSync(descriptor, { bigint: true });
    return {
      descriptor,
      base: byDescriptor
        ? Buffer.from(`/proc/self/fd/${descriptor}/`)
        : Buffer.concat([path, SLASH]),
      device: stat.dev,
      inode: stat.ino,
      mountId: mountIdOf(descriptor),
      born: bornOf(stat),
      ownBytes: Number(stat.blocks) * 512,
      size: Number(stat.size),
      modified: Number(stat.mtimeMs),
      owner: Number(stat.uid),
      mode: Number(stat.mode),
      byDescriptor,
    };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

let tellsBirth: boolean | undefined;

/** Without statx(2) Node.js gives the time of the last change for it, of every file. */
function bornOf({ birthtimeNs }: BigIntStats): bigint | undefined {
  tellsBirth ??= hasOwnBirth(executable());
  return tellsBirth && birthtimeNs > 0n ? birthtimeNs : undefined;
}

function hasOwnBirth(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return stat !== undefined && stat.birthtimeNs !== stat.ctimeNs;
}

/**
 * Where an opened directory is now, as bytes. Undefined where that cannot be told: no /proc, or a
 * path longer than PATH_MAX.
 */
export function currentPath(directory: OpenDirectory): Buffer | undefined {
  if (!directory.byDescriptor) return undefined;
  try {
    return readlinkSync(directory.base.subarray(0, -1), { encoding: 'buffer' });
  } catch {
    return undefined;
  }
}

/** Whether an opened directory has been removed. */
export function isUnlinked({ descriptor }: OpenDirectory): boolean {
  return fstatSync(descriptor).nlink === 0;
}

/** Whether the directory so many levels above an opened one is this, by device and inode. */
export function isAncestor(
  { device, inode }: Pick<OpenDirectory, 'device' | 'inode'>,
  below: OpenDirectory,
  levels: number,
): boolean {
  const up = Buffer.concat([below.base, Buffer.from('../'.repeat(levels))]);
  const stat = lstatSync(up, { throwIfNoEntry: false, bigint: true });
  return stat?.dev === device && stat.ino === inode;
}

export function closeDirectory(directory: OpenDirectory): void {
  closeSync(directory.descriptor);
}

/** Undefined when there is no such name any more. */
export function statChild(directory: OpenDirectory, name: Name): Stats | undefined {
  return lstatSync(pathOf(directory, name), { throwIfNoEntry: false });
}

/** Unique among all files of all file systems: device and inode. */
export function identityOfChild(directory: OpenDirectory, name: Buffer): string | undefined {
  const stat = lstatSync(pathOf(directory, name), { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
}

/** access(2) of an opened directory. @throws EACCES, EROFS, EPERM (immutable). */
export function accessDirectory(directory: OpenDirectory, mode: number): void {
  accessSync(pathOf(directory, ''), mode);
}

/** access(2) of a name; one that is a link is asked about what it leads to. */
export function accessChild(directory: OpenDirectory, name: Name, mode: number): void {
  accessSync(pathOf(directory, name), mode);
}

/** Without descriptors it enters the directory: then a bare name is what cannot be swapped. */
function pathOf(directory: OpenDirectory, name: Name): Name {
  if (directory.byDescriptor) {
    return Buffer.concat([directory.base, typeof name === 'string' ? Buffer.from(name) : name]);
  }
  enterDirectory(directory);
  return name.length === 0 ? '.' : name;
}

/**
 * Makes it the working directory, so that bare names are its entries, whatever happens to its path:
 * until the next `await`. `goHome` afterwards.
 * @throws the system error (EACCES: it may not be searched), or {@link MovedError}.
 */
export function enterDirectory(directory: OpenDirectory): void {
  if (directory.byDescriptor) {
    if (!isIn(directory)) changeDirectory(`/proc/self/fd/${directory.descriptor}`, directory);
    return;
  }
  const path = directory.base.subarray(0, -1);
  if (!Buffer.from(path.toString()).equals(path)) throw new NotTextError('its path is no UTF-8');
  try {
    changeDirectory(path.toString());
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw new MovedError('the directory was moved or replaced');
    throw error;
  }
  // By its path, anything may have become of it; what was entered stays what it is.
  checkIdentity(directory, '.');
}

/**
 * Enters a directory that is not the working directory yet.
 * @returns its path, for a third of what `currentPath` costs; undefined where text cannot tell.
 */
export function enterAndLocate(directory: OpenDirectory): string | undefined {
  enterDirectory(directory);
  if (!directory.byDescriptor) return undefined;
  const path = workingPath();
  return path?.includes(REPLACEMENT) === true ? undefined : path;
}

/** The same for calls that end later, when another directory may have been entered. */
export function entryForLater(directory: OpenDirectory, name: Name): Name {
  return typeof name === 'string' && directory.byDescriptor
    ? `/proc/self/fd/${directory.descriptor}/${name}`
    : pathOf(directory, name);
}

/** @throws MovedError when a directory that is known by its path alone is not there any more. */
export function checkPlace(directory: OpenDirectory): void {
  if (!directory.byDescriptor) checkIdentity(directory, directory.base.subarray(0, -1));
}

function checkIdentity(directory: OpenDirectory, path: Name): void {
  const stat = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  if (stat?.dev !== directory.device || stat.ino !== directory.inode) {
    goHome();
    throw new MovedError('the directory was moved or replaced');
  }
}
