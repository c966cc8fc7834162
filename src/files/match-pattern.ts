/** Which directories a configured path or pattern names, and where a pattern leads nowhere. */
import { realpathSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { systemCode } from '../errors.ts';

export interface Matches {
  /** Absolute; of a plain path the path itself, whether it is there or not. */
  readonly paths: readonly string[];
  /** Why not everything could be looked at. */
  readonly code?: string;
  /** The pattern, or those alternatives of its braces, that match nothing. */
  readonly unmatched: readonly Unmatched[];
}

export interface Unmatched {
  readonly pattern: string;
  /** How many of its parts between slashes match something. */
  readonly parts: number;
  /** Absolute: what these parts match; not all of many. */
  readonly reached: readonly string[];
}

const SPECIAL = /[*?[\]{}()!]/;
/** More alternatives, as of `{1..1000}`, are matched as a whole. */
const MOST_ALTERNATIVES = 100;
const MOST_REACHED = 100;

/** Reads only. @param pattern relative to the root, or absolute; as fast-glob reads it. */
export async function matchPattern(root: string, pattern: string): Promise<Matches> {
  const plain = (): Matches => ({
    paths: [resolve(root, pattern.replace(/\\(.)/g, '$1'))],
    unmatched: [],
  });
  // fast-glob costs 30 ms to load, and most paths are plain.
  if (!isPattern(pattern)) return plain();
  const { generateTasks, isDynamicPattern } = (await import('fast-glob')).default;
  if (!isDynamicPattern(pattern)) return plain();
  const found = await find(root, pattern);
  const alternatives = generateTasks(pattern).flatMap(({ positive }) => positive);
  const unmatched: Unmatched[] = [];
  for (const one of alternatives.length > MOST_ALTERNATIVES ? [pattern] : alternatives) {
    const isMatched =
      alternatives.length === 1 ? found.paths.length > 0 : (await find(root, one)).paths.length > 0;
    if (!isMatched) unmatched.push({ pattern: one, ...(await reachedBy(root, one)) });
  }
  return { ...found, unmatched };
}

function isPattern(text: string): boolean {
  return SPECIAL.test(text.replace(/\\./g, ''));
}

async function find(root: string, pattern: string): Promise<Omit<Matches, 'unmatched'>> {
  const { glob } = (await import('fast-glob')).default;
  const search = (suppressErrors: boolean): Promise<string[]> =>
    glob(pattern, {
      cwd: root,
      onlyDirectories: true,
      followSymbolicLinks: false,
      dot: true,
      absolute: true,
      unique: true,
      suppressErrors,
    });
  const parts = pattern.split('/');
  const special = parts.findIndex((part) => SPECIAL.test(part));
  const fixed = special === -1 ? parts : parts.slice(0, special);
  const base = resolve(root, fixed.length === 1 && fixed[0] === '' ? '/' : fixed.join('/'));
  const settle = (matches: readonly string[]): readonly string[] =>
    matches
      .map((path) => resolve(path))
      .filter((path) => leadsThroughNoLink(base, path))
      .toSorted();
  try {
    return { paths: settle(await search(false)) };
  } catch (error) {
    // One sibling that may not be read: the others match all the same, and it is said.
    return { paths: settle(await search(true)), code: systemCode(error) };
  }
}

/** How far a pattern that matches nothing leads. */
async function reachedBy(root: string, pattern: string): Promise<Omit<Unmatched, 'pattern'>> {
  const parts = pattern.split('/');
  let reached: readonly string[] = [pattern.startsWith('/') ? '/' : root];
  for (let count = pattern.startsWith('/') ? 1 : 0; count < parts.length; count++) {
    const { paths } = await find(root, parts.slice(0, count + 1).join('/'));
    if (paths.length === 0) return { parts: count, reached };
    reached = paths.slice(0, MOST_REACHED);
  }
  return { parts: parts.length, reached };
}

/**
 * A link planted beside the real directories must not become a target, and fast-glob follows one
 * that braces name (`{a,planted}/cache`).
 */
function leadsThroughNoLink(base: string, path: string): boolean {
  try {
    return realpathSync.native(path) === join(realpathSync.native(base), relative(base, path));
  } catch {
    return true;
  }
}
