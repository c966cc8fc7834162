import { randomBytes } from 'node:crypto';
import { constants, writeSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { lstat, open, readlink, realpath, rename, stat, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../errors.ts';
import { userId } from '../files/process-wide.ts';

/**
 * Replaces a file so that a reader finds the old text or the new one, never a part. We often run as
 * root and the place may be /tmp, so strangers' links and files there are refused (proc_sys_fs(5):
 * protected_symlinks, protected_regular), whatever the kernel is set to.
 */

/** How long a pipe may stay full before its reader counts as stuck. */
const STUCK_MS = 5_000;
const MAX_LINKS = 40;

/**
 * Writes all of `text` as UTF-8, by way of a file beside it that is renamed when it is on the disk.
 * A link stays a link: what it leads to is written. An existing file keeps owner and mode; a new one
 * gets `mode`, whatever the umask. Pipes, devices and descriptors are written to directly.
 * @throws the system error, with its `code`; then the old file is as it was and no other is left.
 */
export async function writeAtomically(file: string, text: string, mode = 0o600): Promise<void> {
  const place = await followLinks(resolve(file));
  const descriptor = await ownDescriptor(place);
  const bytes = Buffer.from(text);
  if (descriptor !== undefined) {
    await writeAll(descriptor, bytes);
    return;
  }
  const old = await whatIsThere(place, stat);
  if (old !== undefined) await refuseStrangers(place, old);
  if (old?.isBlockDevice() === true) throw systemError('EINVAL', 'this is a disk', place);
  if (old === undefined || old.isFile()) await replace(place, bytes, old, mode);
  else await writeDirectly(place, bytes);
}

async function replace(
  place: string,
  bytes: Buffer,
  old: Stats | undefined,
  mode: number,
): Promise<void> {
  const temporary = join(dirname(place), `.media-cleanup-${randomBytes(12).toString('hex')}.tmp`);
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
    await rename(temporary, place);
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
async function writeDirectly(place: string, bytes: Buffer): Promise<void> {
  const handle = await open(place, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
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

/** The path that the links end at; nothing need be there. Its directory holds no link. */
async function followLinks(file: string): Promise<string> {
  let path = file;
  for (let links = 0; links < MAX_LINKS; links += 1) {
    const place = join(await realpath(dirname(path)), basename(path));
    if ((await ownDescriptor(place)) !== undefined) return place;
    const found = await whatIsThere(place, lstat);
    if (found?.isSymbolicLink() !== true) return place;
    await refuseStrangers(place, found);
    path = resolve(dirname(place), await readlink(place));
  }
  throw systemError('ELOOP', 'too many symbolic links', file);
}

/** Of /dev/stdout and its like: opening the file behind it anew would write over what is in it. */
async function ownDescriptor(place: string): Promise<number | undefined> {
  if (!/^\d+$/.test(basename(place))) return undefined;
  const own = await realpath('/proc/self/fd').catch(() => '/dev/fd');
  return [own, '/dev/fd'].includes(dirname(place)) ? Number(basename(place)) : undefined;
}

/** In a sticky directory that everybody may write to, what a third user put there is a trap. */
async function refuseStrangers(place: string, found: Stats): Promise<void> {
  const directory = await stat(dirname(place));
  const isShared = (directory.mode & 0o1002) === 0o1002;
  if (!isShared || found.uid === directory.uid || found.uid === userId()) return;
  throw systemError('EACCES', 'another user put it into a directory open to all', place);
}

async function whatIsThere(
  place: string,
  look: (place: string) => Promise<Stats>,
): Promise<Stats | undefined> {
  try {
    return await look(place);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function systemError(code: string, reason: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${reason}, write '${path}'`), { code, path });
}
