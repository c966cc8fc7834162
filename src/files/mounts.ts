import { readFileSync } from 'node:fs';
import type { PathTest } from './walk.ts';

export interface Mount {
  /** Absolute path that it is mounted on. */
  readonly point: string;
  /** `major:minor`; the same for every mount of one file system. */
  readonly device: string;
  /** Which directory of the file system is mounted: not `/` for most bind mounts. */
  readonly root: string;
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
    return [{ device, root: unescape(root), point: unescape(point) }];
  });
}

/** Space, tab, newline and backslash stand as octal escapes in mountinfo. */
function unescape(field: string): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** Whether something is mounted on a path below `directory`; undefined when nothing is. */
export function mountTest(
  directory: string,
  mounts: readonly Mount[] | undefined,
): PathTest | undefined {
  const start = `${directory}/`;
  const below = new Set(
    mounts
      ?.filter(({ point }) => point.startsWith(start))
      .map(({ point }) => point.slice(start.length)),
  );
  return below.size === 0 ? undefined : (path) => below.has(path().toString());
}

/**
 * The mount that an open descriptor is on, from `/proc/self/fdinfo` (Linux 3.15): equal for two
 * descriptors only when no mount point lies between them. Undefined where it cannot be told.
 */
export function mountIdOf(descriptor: number): number | undefined {
  try {
    const text = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1');
    const id = /^mnt_id:\s*(\d+)/m.exec(text)?.[1];
    return id === undefined ? undefined : Number(id);
  } catch {
    return undefined;
  }
}
