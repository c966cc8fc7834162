import {
  closeSync,
  constants,
  fstatSync,
  futimesSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { errorCode } from '../errors.ts';
import { userId } from '../files/process-wide.ts';

/**
 * Files in the state directory, whose components only this user can change (state-directory.ts). What
 * was put there before that was so is no reason to follow a link or to wait for a pipe.
 */

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const SAFELY = O_NOFOLLOW | O_NONBLOCK;

export interface OwnFile {
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly modified: number;
  readonly inode: number;
}

/** @throws the system error; `EFOREIGN` for what is no file. */
export function readOwnFile(file: string): OwnFile {
  return withFile(openSync(file, O_RDONLY | SAFELY), (descriptor) => {
    const found = fstatSync(descriptor);
    // A directory is an error of its own (EISDIR).
    if (!found.isFile() && !found.isDirectory()) throw foreign(file);
    const text = readFileSync(descriptor, 'utf8');
    return { text, modified: found.mtimeMs, inode: found.ino };
  });
}

/** A new file, mode 0600, in the place of whatever is there. @throws the system error. */
export function writeOwnFile(file: string, text: string): void {
  removeFile(file);
  withFile(openSync(file, O_WRONLY | O_CREAT | O_EXCL | SAFELY, 0o600), (descriptor) => {
    writeFileSync(descriptor, text);
  });
}

/** Mode 0600 when it is new. @throws the system error; `EFOREIGN` when it is not ours alone. */
export function openToAppend(file: string): number {
  const descriptor = openSync(file, O_WRONLY | O_APPEND | O_CREAT | SAFELY, 0o600);
  try {
    expectOurs(file, descriptor);
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** @throws the system error; `EFOREIGN` when it is not ours alone. */
export function appendToOwnFile(file: string, text: string): void {
  withFile(openToAppend(file), (descriptor) => {
    writeFileSync(descriptor, text);
  });
}

/** Sets its time of modification to now. @throws the system error. */
export function touchOwnFile(file: string): void {
  withFile(openSync(file, O_RDONLY | SAFELY), (descriptor) => {
    expectOurs(file, descriptor);
    const now = new Date();
    futimesSync(descriptor, now, now);
  });
}

/** @throws the system error of one that is there and stays. */
export function removeFile(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

function expectOurs(file: string, descriptor: number): void {
  const found = fstatSync(descriptor);
  const own = userId();
  const isOurs = own === undefined || found.uid === own;
  if (!found.isFile() || !isOurs || found.nlink > 1) throw foreign(file);
}

function withFile<T>(descriptor: number, work: (descriptor: number) => T): T {
  try {
    return work(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function foreign(file: string): Error {
  return Object.assign(new Error(`${file} is no file of this user alone`), { code: 'EFOREIGN' });
}
