import { relative } from 'node:path';

/** Directories as places. Every path is absolute, its links resolved. */

/** Whether the path is the directory or lies in it. */
export function isIn(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

/** The deepest directory that holds all of them; of a single one its own path. */
export function commonPlace(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => path.split('/'));
  const differs = first.findIndex((part, index) => others.some((other) => other[index] !== part));
  return first.slice(0, differs === -1 ? undefined : differs).join('/') || '/';
}

/** A path as it is written from the directory, where that is shorter. */
export function shortest(path: string, directory: string): string {
  const written = relative(directory, path);
  return written !== '' && written.length < path.length ? written : path;
}
