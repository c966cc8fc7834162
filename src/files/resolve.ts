import { lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { errorCode } from '../errors.ts';
import { createGiveWay } from '../give-way.ts';
import type { DirectoryConfig } from '../config/types.ts';
import { matchPattern } from './match-pattern.ts';
import type { MatchedLink, Unmatched } from './match-pattern.ts';

export type DirectoryKind = 'files' | 'models';

/** A configured directory on its real path: links resolved once, here, and never again. */
export interface LocatedDirectory {
  readonly service: string;
  readonly kind: DirectoryKind;
  readonly config: DirectoryConfig;
  /** As shown to people: `Uploads`. */
  readonly name: string;
  /** Absolute, as configured. */
  readonly configuredPath: string;
  /** Absolute, every link resolved; for a missing directory as far as it exists. */
  readonly path: string;
  readonly state:
    | { readonly is: 'directory' }
    | { readonly is: 'missing' }
    | { readonly is: 'other' }
    /** The path could not be followed: `EACCES`, `ELOOP` … */
    | { readonly is: 'unknown'; readonly code: string };
}

/** A pattern that matches no directory, or that could not be followed everywhere. */
export type PatternProblem = {
  readonly kind: DirectoryKind;
  /** As configured, or one alternative of its braces. */
  readonly pattern: string;
  /** The config says that it may match nothing. */
  readonly optional: boolean;
} & (
  | ({ readonly code: undefined } & Unmatched)
  /** `EACCES` … where something could not be looked at. */
  | { readonly code: string }
);

/** A directory that a pattern would match if it followed links. */
export interface PatternLink extends MatchedLink {
  readonly kind: DirectoryKind;
}

interface Paths {
  readonly name: string;
  readonly root: string;
  readonly directories: readonly DirectoryConfig[];
  readonly models: readonly DirectoryConfig[];
}

/** Finds every directory of a service; reads only. @throws the signal's reason. */
export async function locateDirectories(
  service: Paths,
  signal?: AbortSignal,
): Promise<{
  readonly directories: readonly LocatedDirectory[];
  readonly patternProblems: readonly PatternProblem[];
  readonly links: readonly PatternLink[];
}> {
  const found: Omit<LocatedDirectory, 'name'>[] = [];
  const giveWay = createGiveWay(signal);
  const patternProblems: PatternProblem[] = [];
  const linked: PatternLink[] = [];
  for (const kind of ['files', 'models'] as const) {
    for (const config of kind === 'files' ? service.directories : service.models) {
      const { paths, links, code, unmatched } = await matchPattern(
        service.root,
        config.path,
        signal,
      );
      const { path, optional } = config;
      if (code !== undefined) patternProblems.push({ kind, pattern: path, code, optional });
      else patternProblems.push(...unmatched.map((one) => ({ kind, code, optional, ...one })));
      linked.push(...links.map((link) => ({ kind, ...link })));
      const ofEntry = new Set<string>();
      for (const configuredPath of paths) {
        const located = locate(configuredPath);
        await giveWay();
        if (ofEntry.has(located.path)) continue;
        ofEntry.add(located.path);
        found.push({ service: service.name, kind, config, configuredPath, ...located });
      }
    }
  }
  return { directories: withNames(found, service.root), patternProblems, links: linked };
}

function locate(configuredPath: string): Pick<LocatedDirectory, 'path' | 'state'> {
  try {
    const path = realpathSync.native(configuredPath);
    return { path, state: statSync(path).isDirectory() ? { is: 'directory' } : { is: 'other' } };
  } catch (error) {
    const code = errorCode(error) ?? 'EIO';
    if (code !== 'ENOENT') return { path: configuredPath, state: { is: 'unknown', code } };
    return { path: realPathOfMissing(configuredPath), state: { is: 'missing' } };
  }
}

/** The existing part resolved, the rest as written; a dangling link is followed by its text. */
function realPathOfMissing(path: string): string {
  const rest: string[] = [];
  let at = path;
  for (let links = 0; links < 40;) {
    try {
      if (lstatSync(at).isSymbolicLink()) {
        const target = resolve(dirname(at), readlinkSync(at));
        links += 1;
        at = target;
        continue;
      }
      return join(realpathSync.native(at), ...rest);
    } catch {
      if (dirname(at) === at) break;
      rest.unshift(basename(at));
      at = dirname(at);
    }
  }
  return path;
}

/** The last part of the path with a capital, as the services' own reports say it; longer if two are alike. */
function withNames(
  found: readonly Omit<LocatedDirectory, 'name'>[],
  root: string,
): LocatedDirectory[] {
  const short = found.map((directory) => capital(basename(directory.configuredPath)));
  const uses = new Map<string, number>();
  for (const name of short) uses.set(name, (uses.get(name) ?? 0) + 1);
  return found.map((directory, index) => {
    const name = short[index] as string;
    if (uses.get(name) === 1) return { ...directory, name };
    const below = relative(root, directory.configuredPath);
    const long = below.startsWith('..') || isAbsolute(below) ? directory.configuredPath : below;
    return { ...directory, name: capital(long) };
  });
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
