import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** As many links as Linux follows in one path (path_resolution(7)). */
const MOST_LINKS = 40;

/**
 * Makes a function that tells every name that a path has on its way to its real path: its text, and
 * what it becomes with each link in it, one after the other: a system directory is known by the name
 * that people give it, whatever disk a link has moved it to. What is not there is kept as text.
 * Directories are looked at once, however many paths lead through them.
 */
export function createPathNames(): (path: string) => readonly string[] {
  const links = new Map<string, string | undefined>();
  const linkAt = (path: string): string | undefined => {
    if (!links.has(path)) links.set(path, targetOf(path));
    return links.get(path);
  };
  return (path) => {
    const names = [resolve(path)];
    for (let followed = 0; followed < MOST_LINKS; followed += 1) {
      const next = followFirst(names.at(-1) ?? path, linkAt);
      if (next === undefined || names.includes(next)) break;
      names.push(next);
    }
    return names;
  };
}

/** The path with the first link in it replaced by what it leads to; undefined without one. */
function followFirst(
  path: string,
  linkAt: (path: string) => string | undefined,
): string | undefined {
  for (let end = path.indexOf('/', 1); ; end = path.indexOf('/', end + 1)) {
    const at = end === -1 ? path : path.slice(0, end);
    const target = linkAt(at);
    if (target !== undefined) return join(resolve(dirname(at), target), path.slice(at.length));
    if (end === -1) return undefined;
  }
}

function targetOf(path: string): string | undefined {
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    return stat?.isSymbolicLink() === true ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}
