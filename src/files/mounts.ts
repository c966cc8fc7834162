import { systemCode } from '../errors.ts';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';

export interface Mount {
  /** Absolute path that it is mounted on. */
  readonly point: string;
  /** The same as bytes, written as latin1: two paths can be one when read as text. */
  readonly pointBytes: string;
  /** `major:minor`; the same for every mount of one file system. */
  readonly device: string;
  /** Which directory of the file system is mounted: not `/` for most bind mounts. */
  readonly root: string;
  /** `ext4`, `tmpfs` … */
  readonly type: string;
}

/**
 * The mounts of this process's namespace, later ones over earlier ones, from `/proc/self/mountinfo`
 * (proc_pid_mountinfo(5), fields 3 to 5). `st_dev` does not tell: a bind mount of the same file
 * system has the same device number. Undefined where there is no such file (not Linux).
 */
export function readMounts(): readonly Mount[] | undefined {
  try {
    return parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1'));
  } catch {
    return undefined;
  }
}

/** @param text of mountinfo, as latin1: paths are bytes. */
export function parseMountInfo(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [, , device, root, point] = line.split(' ');
    if (device === undefined || root === undefined || point === undefined) return [];
    const type = line.split(' - ')[1]?.split(' ')[0] ?? '';
    return [
      {
        device,
        root: unescape(root),
        point: unescape(point),
        pointBytes: unescapeBytes(point),
        type,
      },
    ];
  });
}

function unescape(field: string): string {
  return Buffer.from(unescapeBytes(field), 'latin1').toString('utf8');
}

/** Space, tab, newline and backslash stand as octal escapes in mountinfo. As latin1, both. */
export function unescapeBytes(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/**
 * Makes a function that tells the paths below a directory, relative to it, as latin1, that something is
 * mounted on: in as many steps as there are, however many mounts a machine has.
 */
export function createMountsBelow(
  mounts: readonly Mount[] | undefined,
): (directory: string) => readonly string[] {
  const points = [...new Set(mounts?.map(({ pointBytes }) => pointBytes))].toSorted((a, b) =>
    a < b ? -1 : 1,
  );
  return (directory) => {
    const start = Buffer.from(`${directory}/`).toString('latin1');
    let [low, high] = [0, points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((points[middle] ?? '') < start) low = middle + 1;
      else high = middle;
    }
    const below: string[] = [];
    for (let at = low; points[at]?.startsWith(start) === true; at += 1) {
      below.push((points[at] ?? '').slice(start.length));
    }
    return below;
  };
}

/**
 * Whether something else than the directory itself is mounted on it. A bind mount onto itself, which
 * systemd makes for each `ReadWritePaths=`, shows what lies there without it.
 */
export function isMountedOver(path: string, mounts: readonly Mount[]): boolean {
  const own = mounts.findLast(({ point }) => point === path);
  if (own === undefined) return false;
  const above = mounts.reduce<Mount | undefined>((found, mount) => {
    const { point } = mount;
    const holds = point !== path && path.startsWith(point === '/' ? '/' : `${point}/`);
    return holds && point.length >= (found?.point.length ?? 0) ? mount : found;
  }, undefined);
  if (above?.device !== own.device) return true;
  return join(above.root, path.slice(above.point.length)) !== own.root;
}

/**
 * The mount that an open descriptor is on, from `/proc/self/fdinfo` (Linux 3.15): equal for two
 * descriptors only when no mount point lies between them. Undefined where it cannot be told.
 */
export function mountIdOf(descriptor: number): number | undefined {
  try {
    const text = readDescriptorInfo(descriptor);
    const id = /^mnt_id:\s*(\d+)/m.exec(text)?.[1];
    return id === undefined ? undefined : Number(id);
  } catch (error) {
    // Not "no mount": nothing can be told with no descriptor left.
    if (['EMFILE', 'ENFILE', 'ENOMEM'].includes(systemCode(error))) throw error;
    return undefined;
  }
}

const buffer = Buffer.alloc(256);
/** By the number that they tell of: made anew by the kernel at every reading, whatever it is now. */
const openInfos = new Map<number, number>();
const MOST_OPEN = 8;

/** This is read for every directory, and opening it takes five times as long as reading it. */
function readDescriptorInfo(descriptor: number): string {
  const known = openInfos.get(descriptor);
  const file = known ?? openSync(`/proc/self/fdinfo/${descriptor}`, 'r');
  try {
    return buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0));
  } finally {
    if (known === undefined) {
      if (openInfos.size < MOST_OPEN) openInfos.set(descriptor, file);
      else closeSync(file);
    }
  }
}
