import { join } from 'node:path';
import type { Mount } from './mounts.ts';
import { createPlaceOf, identityOfPath, isSameFile, upwards } from './within.ts';

/** What lies around or in a path, in the order in which it was added. */
export interface Related<T> {
  readonly value: T;
  /** What is left of the inner path below the outer one, without a slash before; empty: the same. */
  readonly rest: string;
  readonly order: number;
}

/**
 * Many paths, of which those that hold a path, are the same or lie in it are found in as many steps
 * as the path has parts, however many there are. A path that a bind mount shows elsewhere is the same.
 */
export interface PathIndex<T> {
  /** Paths that were given the same value are several names of one thing. */
  add(path: string, value: T): void;
  /** Those that are the path or hold it; what is the same by its inode alone comes last. */
  around(path: string): readonly Related<T>[];
  /** The first that lies in the path and is not the same; `except` is not looked for. */
  inside(path: string, except?: T): Related<T> | undefined;
}

interface Entry<T> {
  readonly path: string;
  readonly value: T;
  readonly order: number;
}

/** What a path is known by: its text, or its place on a device, which several mounts may show. */
interface Key {
  /** Empty for the text. */
  readonly device: string;
  readonly path: string;
}

export function createPathIndex<T>(mounts: readonly Mount[] | undefined): PathIndex<T> {
  const placeOf = createPlaceOf(mounts);
  const at = new Map<string, Entry<T>[]>();
  const byIdentity = new Map<string, Entry<T>[]>();
  const below = new Map<string, Entry<T>[]>();
  const entries: Entry<T>[] = [];
  const identityOf = rememberIdentities();
  return { add, around, inside };

  function add(path: string, value: T): void {
    const entry = { path, value, order: entries.length };
    entries.push(entry);
    for (const { device, path: place } of keysOf(path)) {
      note(at, device + place, entry);
      for (const above of upwards(place)) if (above !== place) note(below, device + above, entry);
    }
    const identity = identityOf(path);
    if (identity !== undefined) note(byIdentity, identity, entry);
  }

  function around(path: string): readonly Related<T>[] {
    const found = new Map<T, Related<T>>();
    const take = ({ value, order }: Entry<T>, rest: string): void => {
      const known = found.get(value);
      if (known === undefined || order < known.order) found.set(value, { value, order, rest });
    };
    for (const { device, path: place } of keysOf(path)) {
      for (const above of upwards(place)) {
        const rest = place.slice(above === '/' ? 1 : above.length + 1);
        for (const entry of at.get(device + above) ?? []) {
          if (device === '' || isSameFile(path, join(entry.path, rest))) take(entry, rest);
        }
      }
    }
    const identity = identityOf(path);
    // A name in common says more to people than a common inode: these come last.
    const same = (byIdentity.get(identity ?? '') ?? [])
      .filter(({ value }) => !found.has(value))
      .map(({ value, order }) => ({ value, order, rest: '' }));
    return [...[...found.values()].toSorted((a, b) => a.order - b.order), ...same];
  }

  function inside(path: string, except?: T): Related<T> | undefined {
    let first: Related<T> | undefined;
    for (const { device, path: place } of keysOf(path)) {
      const candidates = (list: readonly Entry<T>[]): Related<T> | undefined => {
        for (const { path: inner, value, order } of list) {
          if (value === except) continue;
          const lies = device === '' ? inner : (placeOf(inner)?.path ?? '');
          const rest = lies.slice(place === '/' ? 1 : place.length + 1);
          if (device === '' || isSameFile(inner, join(path, rest))) return { value, order, rest };
        }
        return undefined;
      };
      const listed = below.get(device + place);
      if (listed === undefined) continue;
      // The first ones may have another place than mountinfo says: then all are asked.
      const found =
        candidates(listed) ??
        (device === ''
          ? undefined
          : candidates(entries.filter((entry) => isBelow(entry, device, place))));
      if (found !== undefined && (first === undefined || found.order < first.order)) first = found;
    }
    return first;
  }

  function isBelow({ path }: Entry<T>, device: string, place: string): boolean {
    const key = placeOf(path);
    return key?.device === device && key.path !== place && [...upwards(key.path)].includes(place);
  }

  function keysOf(path: string): readonly Key[] {
    const place = placeOf(path);
    return [{ device: '', path }, ...(place === undefined ? [] : [place])];
  }
}

/** Each path is looked at once. */
function rememberIdentities(): (path: string) => string | undefined {
  const identities = new Map<string, string | undefined>();
  return (path) => {
    if (!identities.has(path)) identities.set(path, identityOfPath(path));
    return identities.get(path);
  };
}

/** Two are enough: one of them may be the one that is asked for. */
function note<T>(map: Map<string, Entry<T>[]>, key: string, entry: Entry<T>): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [entry]);
  else if (list.length < 2 && list[0]?.value !== entry.value) list.push(entry);
}
