import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Mount } from './mounts.ts';

/** Whether the first path is the second or lies in it; both absolute, links resolved. */
export type Within = (inner: string, outer: string) => boolean;

/** Where a path lies, the same for every mount that shows it. */
export interface Place {
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
  const placeOf = createPlaceOf(mounts);
  return (inner, outer) => {
    if (below(inner, outer)) return true;
    const [one, other] = [placeOf(inner), placeOf(outer)];
    if (one === undefined || other === undefined || one.device !== other.device) return false;
    if (!below(one.path, other.path)) return false;
    return isSameFile(inner, join(outer, one.path.slice(other.path.length)));
  };
}

/**
 * Makes a function that tells the place of a path. Undefined where nothing has two paths: without two
 * mounts of one file system, or where mounts cannot be told.
 */
export function createPlaceOf(
  mounts: readonly Mount[] | undefined,
): (path: string) => Place | undefined {
  const devices = new Set(mounts?.map((mount) => mount.device));
  if (mounts === undefined || devices.size === mounts.length) return () => undefined;
  // The last one that is mounted on a point covers the others.
  const byPoint = new Map(mounts.map((mount) => [mount.point, mount]));
  const known = new Map<string, Place | undefined>();
  return (path) => {
    if (!known.has(path)) known.set(path, locate(path, byPoint));
    return known.get(path);
  };
}

function below(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer === '/' ? '/' : `${outer}/`);
}

/** The path itself and every directory above it, the nearest first; @param path absolute. */
export function* upwards(path: string): Generator<string, void, undefined> {
  let at = path;
  while (at.length > 1) {
    yield at;
    at = at.slice(0, at.lastIndexOf('/'));
  }
  yield '/';
}

function locate(path: string, byPoint: ReadonlyMap<string, Mount>): Place | undefined {
  for (const point of upwards(path)) {
    const mount = byPoint.get(point);
    if (mount === undefined) continue;
    const rest = path.slice(point === '/' ? 0 : point.length);
    return { device: mount.device, path: join(mount.root, rest) };
  }
  return undefined;
}

/** Both there, and one inode of one device. */
export function isSameFile(a: string, b: string): boolean {
  const identity = identityOfPath(a);
  return identity !== undefined && identity === identityOfPath(b);
}

/** Device and inode of what a path leads to; undefined where nothing is there. */
export function identityOfPath(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
