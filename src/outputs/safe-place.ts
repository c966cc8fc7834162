/**
 * Opens places that another user may have prepared: we often run as root, and what is asked for may
 * lie in /tmp or in somebody's home. Every component is entered by the descriptor of the one above it
 * and never through a link that was not judged, so that nothing can be exchanged on the way.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  realpathSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { errorCode } from '../errors.ts';
import { userId } from '../files/process-wide.ts';

/** A directory that is held open. Without /proc (macOS) it is held by its real path. */
interface HeldDirectory {
  readonly descriptor: number;
  readonly byDescriptor: boolean;
  /** Without links. */
  readonly real: string;
}

export interface Place {
  /** What to open: by descriptor where that can be. Its last component is not followed yet. */
  readonly path: string;
  /** The path of its directory, by descriptor in the same way. */
  readonly directory: string;
  /** Without links, for messages. */
  readonly real: string;
  readonly above: Stats;
  /** Undefined: nothing is there. */
  readonly found: Stats | undefined;
  /** The number of the descriptor of ours that the place is, as /dev/stdout is. */
  readonly ownDescriptor: number | undefined;
  close(): void;
}

/** Why one must not go on; undefined: one may. */
type Judge = (above: Stats, found: Stats, path: string) => string | undefined;

// Linux, open(2): O_PATH needs no permission to read the directory.
const O_PATH = 0o10000000;
const MAX_LINKS = 40;

/**
 * Where an output is to be written, links followed: of links, files and pipes those that a stranger
 * put there are refused (proc_sys_fs(5): protected_symlinks, protected_hardlinks, protected_regular),
 * whatever the kernel is set to.
 * @throws the system error; `EFOREIGN` for a trap.
 */
export function openPlace(file: string): Place {
  return walk(file, trap, undefined);
}

/** Whether what was opened at a place is what may be written; it could have come after the look. */
export function isTrapAt({ above }: Place, opened: Stats): boolean {
  return trap(above, opened, '') !== undefined;
}

/**
 * Walks to a directory of which nobody else can change any component: root or this user owns each,
 * and others may write to none that is not sticky. What is missing is made with mode 0700.
 * @throws the system error; `EFOREIGN`, with the component in its message.
 */
export function makeOwnDirectory(directory: string): void {
  walk(`${directory}/.`, foreign, 0o700).close();
}

export interface Foreign {
  /** Names the component. */
  readonly reason: string;
  /** The command that mends it. */
  readonly remedy: string;
}

/** Why another user could change a file or a directory, as far as it is there; undefined: none can. */
export function whyForeign(path: string): Foreign | undefined {
  try {
    walk(path, foreign, undefined).close();
  } catch (error) {
    if (errorCode(error) !== 'EFOREIGN') return undefined;
    const { message, path: place, isOwned } = error as Error & ForeignPlace;
    const command = isOwned ? 'chmod go-w' : 'chown -h root';
    return { reason: message, remedy: `${command} ${place}` };
  }
  return undefined;
}

interface ForeignPlace {
  readonly path: string;
  /** The owner is no stranger, so that it is the mode. */
  readonly isOwned: boolean;
}

/** @param make the mode of missing directories; undefined: they are an error. */
function walk(file: string, judge: Judge, make: number | undefined): Place {
  let rest = file.split('/').filter((name) => name !== '');
  let held = holdRoot();
  let links = 0;
  const enter = (name: string): void => {
    const next = hold(held, name);
    closeSync(held.descriptor);
    held = next;
  };
  try {
    const refuse = (above: Stats, found: Stats, path: string): void => {
      const reason = judge(above, found, path);
      if (reason !== undefined) throw foreignError(reason, path, isOurs(found.uid));
    };
    const top = fstatSync(held.descriptor);
    refuse(top, top, '/');
    for (;;) {
      const name = rest.shift() ?? '.';
      const isLast = rest.length === 0;
      const above = fstatSync(held.descriptor);
      if (isLast && isOwnDescriptor(held.real, name)) {
        return placeOf(held, name, above, undefined, Number(name));
      }
      const path = pathIn(held, name);
      let found = whatIsThere(path);
      if (found === undefined && make !== undefined && name !== '.') {
        makeDirectory(path, make);
        found = lstatSync(path);
      }
      if (found !== undefined) refuse(above, found, join(held.real, name));
      if (found?.isSymbolicLink() === true) {
        links += 1;
        if (links > MAX_LINKS) throw systemError('ELOOP', 'too many symbolic links', file);
        const target = readlinkSync(path);
        rest = [...target.split('/').filter((part) => part !== ''), ...rest];
        if (!target.startsWith('/')) continue;
        closeSync(held.descriptor);
        held = holdRoot();
        continue;
      }
      if (isLast) return placeOf(held, name, above, found, undefined);
      enter(name);
    }
  } catch (error) {
    closeSync(held.descriptor);
    throw error;
  }
}

function placeOf(
  held: HeldDirectory,
  name: string,
  above: Stats,
  found: Stats | undefined,
  ownDescriptor: number | undefined,
): Place {
  return {
    path: pathIn(held, name),
    directory: pathIn(held, '.'),
    real: join(held.real, name),
    above,
    found,
    ownDescriptor,
    close: () => {
      closeSync(held.descriptor);
    },
  };
}

function holdRoot(): HeldDirectory {
  const byDescriptor = existsSync('/proc/self/fd');
  const descriptor = openSync('/', constants.O_DIRECTORY | (byDescriptor ? O_PATH : 0));
  return { descriptor, byDescriptor, real: '/' };
}

function hold(held: HeldDirectory, name: string): HeldDirectory {
  const flags = constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const descriptor = openSync(pathIn(held, name), flags | (held.byDescriptor ? O_PATH : 0));
  const real = name === '..' ? dirname(held.real) : join(held.real, name);
  return { descriptor, byDescriptor: held.byDescriptor, real };
}

function pathIn({ descriptor, byDescriptor, real }: HeldDirectory, name: string): string {
  return byDescriptor ? `/proc/self/fd/${descriptor}/${name}` : join(real, name);
}

function whatIsThere(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function makeDirectory(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Another run was faster.
    if (errorCode(error) !== 'EEXIST') throw error;
  }
}

/** Of /dev/stdout and its like: opening the file behind it anew would write over what is in it. */
function isOwnDescriptor(directory: string, name: string): boolean {
  if (!/^\d+$/.test(name)) return false;
  return directory === '/dev/fd' || directory === ownDescriptors();
}

function ownDescriptors(): string | undefined {
  try {
    return realpathSync('/proc/self/fd');
  } catch {
    return undefined;
  }
}

const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/** Root may do what it likes in any case. */
function isOurs(uid: number): boolean {
  return uid === 0 || uid === userId();
}

/** In a directory that only root and this user can write to, everything is meant to be there. */
const trap: Judge = (above, found) => {
  if (isOurs(above.uid) && (above.mode & OTHERS_WRITE) === 0) return undefined;
  // It is entered, and what is in it is judged then.
  if (found.isDirectory()) return undefined;
  const reason = 'another user may have put it there';
  // Any user may have made a hard link to a link or a file of ours.
  if (found.nlink > 1) return reason;
  if (isOurs(found.uid)) return undefined;
  if (found.isSymbolicLink()) return reason;
  const isShared = (above.mode & (STICKY | 0o002)) === (STICKY | 0o002);
  return isShared && found.uid !== above.uid ? reason : undefined;
};

const foreign: Judge = (_, found, path) => {
  if (!isOurs(found.uid)) return `${path} belongs to user ${found.uid}`;
  if (found.isSymbolicLink() || !othersWrite(found)) return undefined;
  if (found.isDirectory() && (found.mode & STICKY) !== 0) return undefined;
  return `${path} may be written to by others (mode ${(found.mode & 0o7777).toString(8)})`;
};

/** The group of a user alone, as many systems give it, counts as the user; root has none such. */
export function othersWrite({ mode, uid, gid }: Stats): boolean {
  const isPrivate = uid !== 0 && uid === userId() && gid === uid;
  return (mode & (isPrivate ? 0o002 : OTHERS_WRITE)) !== 0;
}

function foreignError(reason: string, path: string, isOwned: boolean): Error {
  const place: ForeignPlace = { path, isOwned };
  return Object.assign(new Error(reason), { code: 'EFOREIGN', ...place });
}

function systemError(code: string, reason: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${reason}, open '${path}'`), { code, path });
}
