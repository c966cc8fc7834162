import { isAbsolute, resolve } from 'node:path';
import { checkPathPattern, globTest } from '../model/glob.ts';
import { formatPath } from './json-path.ts';
import type { JsonPath } from './json-path.ts';
import type { ProblemCollector } from './problems.ts';
import type { DirectoryDraft, ServiceDraft } from './schema.ts';
import type { DirectoryConfig } from './types.ts';

/**
 * `directories` or `models` of a service. `seen` holds the paths of the service that are taken,
 * resolved against `root`, and grows. The file system is not looked at: paths may be globs.
 */
export function resolveDirectories(
  draft: ServiceDraft['directories'],
  path: JsonPath,
  root: string,
  seen: Map<string, JsonPath>,
  problems: ProblemCollector,
): DirectoryConfig[] {
  return (draft ?? []).flatMap((entry, index): DirectoryConfig[] => {
    const place = [...path, index];
    if (entry === undefined) return [];
    const directory = typeof entry === 'string' ? { path: entry } : entry;
    const pathPlace = typeof entry === 'string' ? place : [...place, 'path'];
    checkConditions(directory, place, problems);
    if (directory.path === undefined) return [];
    const problem = problems.isBroken(pathPlace)
      ? undefined
      : (pathProblem(directory.path) ?? unreadable(directory.path, checkPathPattern));
    if (problem !== undefined) problems.add(pathPlace, problem);
    else if (!problems.isBroken(pathPlace)) {
      const resolved = resolve(root, directory.path);
      const earlier = seen.get(resolved);
      if (earlier === undefined) seen.set(resolved, pathPlace);
      else
        problems.add(
          pathPlace,
          `is the same directory as ${formatPath(earlier)}: remove one of the two`,
        );
    }
    return [
      {
        path: directory.path,
        mustBeMounted: directory.mustBeMounted ?? false,
        marker: directory.marker,
        keep: (directory.keep ?? []).filter((pattern) => pattern !== undefined),
        optional: directory.optional ?? false,
        ...(directory.mountsMayStay === true ? { mountsMayStay: true } : {}),
      },
    ];
  });
}

/** What is wrong with a path or pattern as text, for `root` as well. */
export function pathProblem(path: string): string | undefined {
  if (path.trim() === '') return 'must not be empty: give the path of a directory';
  if (path.includes('\0')) return 'holds a NUL character, which no path has: remove it';
  if (/^~(?:\/|$)/.test(path)) return '`~` has no meaning here: write the path in full';
  return undefined;
}

function checkConditions(
  directory: DirectoryDraft,
  place: JsonPath,
  problems: ProblemCollector,
): void {
  const { marker } = directory;
  if (marker !== undefined && (/^\.{0,2}$/.test(marker.trim()) || /[/\0]/.test(marker))) {
    problems.add(
      [...place, 'marker'],
      'must be the plain name of a file in the directory, without `/`',
    );
  }
  for (const [index, pattern] of (directory.keep ?? []).entries()) {
    if (pattern === undefined) continue;
    const problem = keepProblem(pattern);
    if (problem !== undefined) problems.add([...place, 'keep', index], problem);
  }
}

function keepProblem(pattern: string): string | undefined {
  if (pattern.trim() === '') return 'must not be empty: give a pattern, or remove it';
  if (pattern.includes('\0')) return 'holds a NUL character, which no name has: remove it';
  if (isAbsolute(pattern)) return 'must be relative to the directory: remove the leading `/`';
  if (pattern.startsWith('!'))
    return 'must not begin with `!`: each pattern says what stays; remove it, or escape it as `\\!`';
  if (!isBalanced(pattern))
    return 'has a bracket without its partner, so it would keep nothing: close it, or escape it with `\\`';
  if (pattern.split('/').includes('..'))
    return 'must not hold `..`: only what is inside the directory can be kept';
  return unreadable(pattern, globTest);
}

function unreadable(pattern: string, read: (pattern: string) => unknown): string | undefined {
  try {
    read(pattern);
    return undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return `cannot be read as a pattern (${error.message}): write it in another way, or a \`\\\` before characters that stand for themselves`;
  }
}

/** Brackets of a pattern, `\\` before one taken into account. */
function isBalanced(pattern: string): boolean {
  const open: string[] = [];
  for (const [character] of pattern.replace(/\\./gs, '').matchAll(/[[\](){}]/g)) {
    if ('[({'.includes(character)) open.push(character);
    else if (open.pop() !== { ']': '[', ')': '(', '}': '{' }[character]) return false;
  }
  return open.length === 0;
}
