import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../errors.ts';
import { mountIdOf, unescapeBytes } from './mounts.ts';

/** Where a file lies, the same however many mounts and mount namespaces show it. */
export interface Place {
  /** `major:minor` as in mountinfo. */
  readonly device: string;
  /** Absolute within the file system, as latin1: paths are bytes. */
  readonly path: string;
}

interface MountPoint {
  readonly device: string;
  readonly root: string;
  readonly point: string;
}

/**
 * Makes a function that tells where an opened file or directory lies: from the path that its link in
 * `/proc/self/fd` shows, the mount that it was opened on (`mnt_id` in fdinfo, Linux 3.15) and the
 * mountinfo of `pid`, the process that it was taken from. It may be in another mount namespace: mount
 * ids are unique among all of them, and the link shows the path from the root of that namespace.
 * `suffix` is what stands behind the path in the link and does not belong to it.
 *
 * Undefined where it cannot be told: a path longer than PATH_MAX, or a mount that is not in the
 * process's mountinfo, such as one detached with `umount --lazy`.
 */
export function createPlaceOfDescriptor(): (
  descriptor: number,
  pid: number | 'self',
  suffix?: string,
) => Place | undefined {
  const mounts = new Map<number, MountPoint>();
  const read = new Set<number | 'self'>();
  return (descriptor, pid, suffix = '') => {
    const id = mountIdOf(descriptor);
    const link = linkOf(`/proc/self/fd/${descriptor}`);
    if (id === undefined || link?.endsWith(suffix) !== true) return undefined;
    if (!mounts.has(id) && !read.has(pid)) {
      read.add(pid);
      for (const [key, mount] of readMountPoints(pid)) mounts.set(key, mount);
    }
    const mount = mounts.get(id);
    const path = link.slice(0, link.length - suffix.length);
    if (mount === undefined || !isBelow(path, mount.point)) return undefined;
    return { device: mount.device, path: join(mount.root, path.slice(mount.point.length)) };
  };
}

/** Whether the first path is the second or lies in it. */
export function isBelow(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer === '/' ? '/' : `${outer}/`);
}

/** What a link in /proc leads to, as latin1; undefined when it is gone or may not be read. */
export function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path, 'latin1');
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}

function readMountPoints(pid: number | 'self'): ReadonlyMap<number, MountPoint> {
  const mounts = new Map<number, MountPoint>();
  // mountinfo leaves out what is above the root that a process was given with chroot(2).
  const top = linkOf(`/proc/${pid}/root`) ?? '/';
  let text;
  try {
    text = readFileSync(`/proc/${pid}/mountinfo`, 'latin1');
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return mounts;
  }
  for (const line of text.split('\n')) {
    const [id, , device, root, point] = line.split(' ');
    if (id === undefined || device === undefined || root === undefined || point === undefined)
      continue;
    mounts.set(Number(id), {
      device,
      // The mounted directory has itself been removed; the mount goes on.
      root: unescapeBytes(root).replace(/\/\/deleted$/, ''),
      point: join(top, unescapeBytes(point)).replace(/(?<=.)\/$/, ''),
    });
  }
  return mounts;
}
