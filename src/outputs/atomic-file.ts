import { randomBytes } from 'node:crypto';
import { constants, writeSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../errors.ts';
import { isTrapAt, openPlace } from './safe-place.ts';
import type { Place } from './safe-place.ts';

/**
 * Replaces a file so that a reader finds the old text or the new one, never a part. What a stranger
 * may have put there is refused (see safe-place.ts).
 */

/** How long a pipe may stay full before its reader counts as stuck. */
const STUCK_MS = 5_000;

/**
 * Writes all of `text` as UTF-8, by way of a file beside it that is renamed when it is on the disk.
 * A link stays a link: what it leads to is written. An existing file keeps owner and mode; a new one
 * gets `mode`, whatever the umask. Pipes, devices and descriptors are written to directly.
 * @throws the system error, with its `code`; then the old file is as it was and no other is left.
 */
export async function writeAtomically(file: string, text: string, mode = 0o600): Promise<void> {
  const place = openPlace(resolve(file));
  const bytes = Buffer.from(text);
  try {
    if (place.ownDescriptor !== undefined) {
      await writeAll(place.ownDescriptor, bytes);
      return;
    }
    if (place.found?.isBlockDevice() === true) {
      throw systemError('EINVAL', 'this is a disk', place.real);
    }
    if (place.found === undefined || place.found.isFile()) await replace(place, bytes, mode);
    else await writeDirectly(place, bytes);
  } finally {
    place.close();
  }
}

async function replace(
  { directory, path, found: old }: Place,
  bytes: Buffer,
  mode: number,
): Promise<void> {
  const temporary = join(directory, `.media-cleanup-${randomBytes(12).toString('hex')}.tmp`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const handle = await open(temporary, flags, 0o600);
  try {
    try {
      await handle.writeFile(bytes);
      if (old !== undefined) await keepOwner(handle, old);
      await handle.chmod(old === undefined ? mode : old.mode & 0o777);
      await handle.sync();
    } finally {
      // Before the rename: a network file system may say only now that the disk is full.
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

/** Only root may give a file away; another user's group is kept where that is allowed. */
async function keepOwner(handle: FileHandle, old: Stats): Promise<void> {
  const { uid, gid } = await handle.stat();
  if (uid === old.uid && gid === old.gid) return;
  await handle.chown(old.uid, old.gid).catch(() => undefined);
}

/** A pipe without reader is an error (ENXIO), and not a wait for one. */
async function writeDirectly(place: Place, bytes: Buffer): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
  const handle = await open(place.path, flags | constants.O_NOFOLLOW);
  try {
    if (isTrapAt(place, await handle.stat())) {
      throw systemError('EFOREIGN', 'another user has put it there', place.real);
    }
    await writeAll(handle.fd, bytes);
  } finally {
    await handle.close();
  }
}

/** @throws EAGAIN when a pipe stays full for `STUCK_MS`. */
async function writeAll(descriptor: number, bytes: Buffer): Promise<void> {
  let lastProgress = Date.now();
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(descriptor, bytes, at);
      lastProgress = Date.now();
    } catch (error) {
      if (errorCode(error) !== 'EAGAIN' || Date.now() - lastProgress > STUCK_MS) throw error;
      await sleep(10);
    }
  }
}

function systemError(code: string, reason: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${reason}, write '${path}'`), { code, path });
}
