/** One small file, whole or not at all, and never over another one by mistake. */
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '../errors.ts';

const MODE = 0o644;

/**
 * With `replace`, an existing file (the one a link leads to) is replaced and keeps its mode.
 * @returns false: there is one, and it was left alone.
 * @throws system errors.
 */
export function writeNewFile(path: string, text: string, replace: boolean): boolean {
  const target = replace ? followed(path) : path;
  const aside = join(dirname(target), `.${basename(target)}.${randomUUID()}.tmp`);
  try {
    writeWhole(aside, text);
    if (replace) {
      chmodSync(aside, modeOf(target));
      renameSync(aside, target);
      return true;
    }
    // link(2) fails where rename(2) would replace.
    linkSync(aside, target);
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (!replace && code === 'EEXIST') return false;
    if (replace || !(code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP')) throw error;
    // A file system without hard links (FAT, some network ones).
    return writeInPlace(target, text);
  } finally {
    rmSync(aside, { force: true });
  }
}

function writeInPlace(path: string, text: string): boolean {
  try {
    writeWhole(path, text);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function writeWhole(path: string, text: string): void {
  const descriptor = openSync(path, 'wx', MODE);
  try {
    let rest = Buffer.from(text);
    while (rest.length > 0) rest = rest.subarray(writeSync(descriptor, rest));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  chmodSync(path, MODE);
}

function followed(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return path;
    throw error;
  }
}

function modeOf(path: string): number {
  try {
    return statSync(path).mode & 0o777;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return MODE;
    throw error;
  }
}
