/** One small file, whole or not at all, and never over another one by mistake. */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { errorCode } from '../errors.ts';
import { openPlace } from '../outputs/safe-place.ts';

const MODE = 0o644;

/**
 * With `replace`, an existing file (the one a link leads to) is replaced and keeps its mode.
 * @returns false: there is one, and it was left alone.
 * @throws system errors.
 */
export function writeNewFile(path: string, text: string, replace: boolean): boolean {
  if (replace) return replaceFile(path, text);
  const target = path;
  const aside = join(dirname(target), `.${basename(target)}.${randomUUID()}.tmp`);
  try {
    writeWhole(aside, text, MODE);
    // link(2) fails where rename(2) would replace.
    linkSync(aside, target);
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'EEXIST') return false;
    if (!(code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP')) throw error;
    // A file system without hard links (FAT, some network ones).
    return writeInPlace(target, text);
  } finally {
    rmSync(aside, { force: true });
  }
}

function replaceFile(path: string, text: string): boolean {
  const place = openPlace(resolve(path));
  const aside = join(place.directory, `.${randomUUID()}.tmp`);
  try {
    writeWhole(aside, text, place.found === undefined ? MODE : place.found.mode & 0o777);
    renameSync(aside, place.path);
    return true;
  } finally {
    rmSync(aside, { force: true });
    place.close();
  }
}

function writeInPlace(path: string, text: string): boolean {
  try {
    writeWhole(path, text, MODE);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** O_EXCL follows no link. */
function writeWhole(path: string, text: string, mode: number): void {
  const descriptor = openSync(path, 'wx', mode);
  try {
    let rest = Buffer.from(text);
    while (rest.length > 0) rest = rest.subarray(writeSync(descriptor, rest));
    fchmodSync(descriptor, mode);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
