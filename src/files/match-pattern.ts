/** Which directories a configured path or pattern names, and where a pattern leads nowhere. */
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorCode, systemCode } from '../errors.ts';
import { createGiveWay } from '../give-way.ts';
import { expandBraces } from '../model/braces.ts';
import { isGlob, isPathPattern, nameTest, unescapeGlob } from '../model/glob.ts';

export interface Matches {
  /** Absolute; of a plain path the path itself, whether it is there or not. */
  readonly paths: readonly string[];
  /** Symbolic links to directories that the pattern matches, or that lead where it would match. */
  readonly links: readonly MatchedLink[];
  /** Why not everything could be looked at. */
  readonly code?: string;
  /** The pattern, or those alternatives of its braces, that match nothing. */
  readonly unmatched: readonly Unmatched[];
}

/** A directory that a pattern would match if it followed links; it follows none. */
export interface MatchedLink {
  /** Absolute, as the pattern matches it. */
  readonly path: string;
  /** The directory's real path; undefined when it cannot be told. */
  readonly target: string | undefined;
}

export interface Unmatched {
  readonly pattern: string;
  /** How many of its parts between slashes match something. */
  readonly parts: number;
  /** Absolute: what these parts match; not all of many. */
  readonly reached: readonly string[];
}

type Segment =
  | { readonly is: 'name'; readonly name: string }
  /** `**`: any number of directories. */
  | { readonly is: 'any' }
  | { readonly is: 'pattern'; readonly test: (name: string) => boolean };

interface Found {
  readonly paths: Set<string>;
  readonly links: Map<string, MatchedLink>;
  code: string | undefined;
}

/** More alternatives, as of `{1..1000}`, are reported as a whole. */
const MOST_ALTERNATIVES = 100;
const MOST_REACHED = 100;

/**
 * Reads only. Names on the disk are matched without backtracking.
 * @param pattern relative to the root, or absolute. @throws SyntaxError where checkPathPattern does,
 * or the signal's reason.
 */
export async function matchPattern(
  root: string,
  pattern: string,
  signal?: AbortSignal,
): Promise<Matches> {
  if (!isPathPattern(pattern)) {
    return { paths: [resolve(root, unescapeGlob(pattern))], links: [], unmatched: [] };
  }
  const alternatives = expandBraces(pattern);
  const all = startFinding();
  const without: string[] = [];
  for (const one of alternatives) {
    const found = await find(root, one, fixedParts(pattern), signal);
    for (const path of found.paths) all.paths.add(path);
    for (const [path, link] of found.links) all.links.set(path, link);
    all.code ??= found.code;
    if (found.paths.size + found.links.size === 0) without.push(one);
  }
  if (alternatives.length > MOST_ALTERNATIVES) {
    const isNone = all.paths.size + all.links.size === 0;
    without.splice(0, Infinity, ...(isNone ? [pattern] : []));
  }
  const unmatched: Unmatched[] = [];
  for (const one of without) {
    unmatched.push({ pattern: one, ...(await reachedBy(root, one, fixedParts(pattern), signal)) });
  }
  return {
    paths: [...all.paths].toSorted(),
    links: [...all.links.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    ...(all.code === undefined ? {} : { code: all.code }),
    unmatched,
  };
}

/** How many parts of a pattern come before its first special one: a link among them is meant. */
function fixedParts(pattern: string): number {
  const parts = pattern.split('/');
  const special = parts.findIndex((part) => isGlob(part) || part.replace(/\\./g, '').includes('{'));
  return special === -1 ? parts.length : special;
}

/** The directory that a pattern names before its first special part, absolute, and the rest. */
export function fixedBase(root: string, pattern: string): { base: string; rest: string } {
  return split(root, pattern, fixedParts(pattern));
}

function split(root: string, pattern: string, fixed: number): { base: string; rest: string } {
  const parts = pattern.split('/');
  const before = parts.slice(0, fixed).map(unescapeGlob);
  const base = resolve(root, before.length === 1 && before[0] === '' ? '/' : before.join('/'));
  return { base, rest: parts.slice(fixed).join('/') };
}

function parse(pattern: string): readonly Segment[] {
  return pattern.split('/').flatMap((part): readonly Segment[] => {
    if (part === '' || part === '.') return [];
    if (part === '**') return [{ is: 'any' }];
    if (!isGlob(part)) return [{ is: 'name', name: unescapeGlob(part) }];
    return [{ is: 'pattern', test: nameTest(part) }];
  });
}

function leadingNames(segments: readonly Segment[]): readonly string[] {
  const names: string[] = [];
  for (const segment of segments) {
    if (segment.is !== 'name') break;
    names.push(segment.name);
  }
  return names;
}

function startFinding(): Found {
  return { paths: new Set(), links: new Map(), code: undefined };
}

/** @param pattern without braces. @param fixed how many of its parts are followed as they are. */
async function find(
  root: string,
  pattern: string,
  fixed: number,
  signal: AbortSignal | undefined,
): Promise<Found> {
  const found = startFinding();
  const giveWay = createGiveWay(signal);
  const { base, rest } = split(root, pattern, fixed);
  const segments = parse(rest);
  const top = join(base, ...leadingNames(segments));
  const seen = new Set<string>();
  if (segments.length > 0 || (await isDirectory(base))) await enter(base, 0, false);
  return found;

  async function enter(directory: string, index: number, isLinked: boolean): Promise<void> {
    const segment = segments[index];
    const key = `${index}:${directory}`;
    signal?.throwIfAborted();
    if (seen.has(key)) return;
    seen.add(key);
    if (segment === undefined || (segment.is === 'any' && isLinked)) {
      if (isLinked) found.links.set(directory, { path: directory, target: await real(directory) });
      else found.paths.add(directory);
      return;
    }
    if (segment.is === 'name') {
      await follow(join(directory, segment.name), index + 1, isLinked);
      return;
    }
    if (segment.is === 'any') {
      if (index + 1 < segments.length) await enter(directory, index + 1, isLinked);
      // `a/**` means what is below `a`; `*/**` means what `*` matches, too.
      else if (directory !== top) found.paths.add(directory);
    }
    for (const entry of await list(directory)) {
      const path = join(directory, entry.name);
      await giveWay();
      if (segment.is === 'any') {
        if (!entry.isDirectory()) continue;
        await enter(path, index, isLinked);
      } else if (segment.test(entry.name)) {
        if (entry.isDirectory()) await enter(path, index + 1, isLinked);
        else if (entry.isSymbolicLink()) await follow(path, index + 1, isLinked);
      }
    }
  }

  /** Goes on in what may be a directory, a link to one, or nothing. */
  async function follow(path: string, index: number, isLinked: boolean): Promise<void> {
    try {
      const entry = await lstat(path);
      if (entry.isDirectory()) await enter(path, index, isLinked);
      else if (entry.isSymbolicLink() && (await stat(path)).isDirectory()) {
        await enter(path, index, true);
      }
    } catch (error) {
      tolerate(error);
    }
  }

  async function list(directory: string) {
    try {
      return await readdir(directory, { withFileTypes: true });
    } catch (error) {
      tolerate(error);
      return [];
    }
  }

  /** One sibling that may not be read: the others match all the same, and it is said. */
  function tolerate(error: unknown): void {
    const code = systemCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ELOOP') found.code ??= code;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}

async function real(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}

/** How far a pattern that matches nothing leads. */
async function reachedBy(
  root: string,
  pattern: string,
  fixed: number,
  signal: AbortSignal | undefined,
): Promise<Omit<Unmatched, 'pattern'>> {
  const parts = pattern.split('/');
  let reached: readonly string[] = [pattern.startsWith('/') ? '/' : root];
  for (let count = pattern.startsWith('/') ? 1 : 0; count < parts.length; count++) {
    const part = parts.slice(0, count + 1).join('/');
    const { paths } = await find(root, part, Math.min(fixed, count + 1), signal);
    if (paths.size === 0) return { parts: count, reached };
    reached = [...paths].toSorted().slice(0, MOST_REACHED);
  }
  return { parts: parts.length, reached };
}
