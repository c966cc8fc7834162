import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Mount } from './mounts.ts';

/** Whether the first path is the second or lies in it; both absolute, links resolved. */
export type Within = (inner: string, outer: string) => boolean;

interface Place {
  readonly device: string;
  /** Absolute within the file system. */
  readonly path: string;
}

/**
 * Compares directories by what they are and not by their names alone: a bind mount gives one
 * directory two real paths. What mountinfo says is believed only when device and inode agree,
 * because some network file systems call different exports by one name.
 */
export function createWithin(mounts: readonly Mount[] | undefined): Within {
  const devices = new Set(mounts?.map((mount) => mount.device));
  // Without two mounts of one file system nothing has two paths.
  if (mounts === undefined || devices.size === mounts.length) return below;
  const known = new Map<string, Place | undefined>();
  const placeOf = (path: string): Place | undefined => {
    if (!known.has(path)) known.set(path, locate(path, mounts));
    return known.get(path);
  };
  return (inner, outer) => {
    if (below(inner, outer)) return true;
    const [one, other] = [placeOf(inner), placeOf(outer)];
    if (one === undefined || other === undefined || one.device !== other.device) return false;
    if (!below(one.path, other.path)) return false;
    return isSameFile(inner, join(outer, one.path.slice(other.path.length)));
  };
}

function below(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer === '/' ? '/' : `${outer}/`);
}

function locate(path: string, mounts: readonly Mount[]): Place | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    if (!below(path, mount.point)) continue;
    if (found === undefined || mount.point.length >= found.point.length) found = mount;
  }
  return found && { device: found.device, path: join(found.root, path.slice(found.point.length)) };
}

/** Both there, and one inode of one device. */
export function isSameFile(a: string, b: string): boolean {
  try {
    const [one, other] = [statSync(a, { bigint: true }), statSync(b, { bigint: true })];
    return one.dev === other.dev && one.ino === other.ino;
  } catch {
    return false;
  }
}
