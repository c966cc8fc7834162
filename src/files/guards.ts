import { statSync } from 'node:fs';
import { join, sep } from 'node:path';
import type { Problem } from '../errors.ts';
import { createGiveWay } from '../give-way.ts';
import { isMountedOver } from './mounts.ts';
import type { Mount } from './mounts.ts';
import type { LocatedDirectory } from './resolve.ts';
import { createPathIndex } from './path-index.ts';
import type { PathIndex } from './path-index.ts';
import { createPathNames } from './path-names.ts';
import { createSystemPlaces } from './system-places.ts';
import type { SystemPlaces } from './system-places.ts';
import { systemRootIn } from './system-root.ts';
import { createWithin } from './within.ts';
import type { Within } from './within.ts';

/** What the machine looks like to the guards; real paths but for the homes. */
export interface GuardContext {
  readonly workingDirectory: string | undefined;
  /** Where the config file is, and where it is named when that is a link. */
  readonly configDirectories: readonly string[];
  /** The tool's own package directory. */
  readonly installation: string;
  /** The Node that runs it. */
  readonly interpreter: string;
  /** Where this run writes of itself: log, report, metrics, state. */
  readonly outputs: readonly OwnPlace[];
  /** As passwd(5) names them. */
  readonly homes: readonly string[];
  /** Undefined where mounts cannot be told (not Linux). */
  readonly mounts: readonly Mount[] | undefined;
}

export interface Refusal extends Problem {
  readonly service: string;
}

export interface OwnPlace {
  /** Absolute, links resolved. */
  readonly path: string;
  /** E.g. `--log-file`. */
  readonly flag: string;
}

/** What is found out once for all directories. */
interface Known {
  readonly context: GuardContext;
  readonly within: Within;
  readonly system: SystemPlaces;
  /** The names of a path on its way to its real path, that one included. */
  readonly namesOf: (path: string) => readonly string[];
  /** The directories of every service. */
  readonly all: PathIndex<LocatedDirectory>;
}

/**
 * Every reason not to empty one of `targets`, each one sentence with the path, why, and what to
 * change. `all` are the directories of every configured service, targets included. Reads only, in
 * steps as many as there are directories.
 * @throws the signal's reason.
 */
export async function refusals(
  targets: readonly LocatedDirectory[],
  all: readonly LocatedDirectory[],
  context: GuardContext,
  signal?: AbortSignal,
): Promise<readonly Refusal[]> {
  const problems: Refusal[] = [];
  const giveWay = createGiveWay(signal);
  const known: Known = {
    context,
    within: createWithin(context.mounts),
    system: createSystemPlaces(context.homes, context.mounts),
    namesOf: createPathNames(),
    all: createPathIndex(context.mounts),
  };
  for (const directory of all) {
    known.all.add(directory.path, directory);
    await giveWay();
  }
  for (const target of targets) {
    const why =
      forbiddenPlace(target, known) ??
      ownPlace(target, known) ??
      overlap(target, known) ??
      wrongKind(target) ??
      foreignSystem(target) ??
      notMounted(target, context) ??
      noMarker(target);
    if (why !== undefined) {
      const message = `${describe(target)} ${why}`;
      problems.push({ service: target.service, path: target.path, message });
    }
    await giveWay();
  }
  return problems;
}

function describe(target: LocatedDirectory): string {
  const link =
    target.path === target.configuredPath ? '' : ` (${target.configuredPath} leads there)`;
  return `Refusing to empty ${target.path}${link} for ${target.service}:`;
}

const REMEDY = 'configure a directory of the service itself';

function forbiddenPlace(target: LocatedDirectory, known: Known): string | undefined {
  const { path } = target;
  const { system, within } = known;
  const names = [path, ...known.namesOf(target.configuredPath)];
  if (within('/', path)) return `it is the root of the file system; ${REMEDY}.`;
  for (const name of names) {
    const tree = system.treeAround(name);
    if (tree !== undefined) return `it belongs to the system directory ${tree}; ${REMEDY}.`;
  }
  for (const name of names) {
    const found = system.placeIn(name);
    if (found === undefined) continue;
    const is = found.is ? 'it is' : 'it contains';
    return `${is} the system directory ${found.place}; ${REMEDY}.`;
  }
  const parts = path.split(sep).filter((part) => part !== '');
  if (parts.length < 2) return `it is a top-level directory; ${REMEDY}, at least one level deeper.`;
  for (const name of names) {
    const found = system.homeIn(name);
    if (found !== undefined) {
      const is = found.home === undefined ? 'it is' : `it contains ${found.home},`;
      return `${is} a home directory; configure a directory inside it.`;
    }
    const home = system.homeAround(name);
    if (home !== undefined)
      return `it belongs to what ${home}, a home directory, keeps of its own (keys, containers); ${REMEDY}.`;
  }
  return undefined;
}

function ownPlace({ path }: LocatedDirectory, { context, within }: Known): string | undefined {
  for (const [other, what] of [
    [context.workingDirectory, 'the working directory'],
    ...context.configDirectories.map(
      (directory) => [directory, "the config file's own directory"] as const,
    ),
    [context.installation, "media-cleanup's own installation"],
    [context.interpreter, 'the Node.js that runs media-cleanup'],
  ] as const) {
    if (other === undefined || !within(other, path)) continue;
    const is = within(path, other) ? `it is ${what}` : `it contains ${what} (${other})`;
    const change =
      what === 'the working directory'
        ? 'start media-cleanup from another directory, or configure a deeper one'
        : 'configure a deeper directory';
    return `${is}; ${change}.`;
  }
  const written = context.outputs.find((output) => within(output.path, path));
  if (written !== undefined) {
    return `${written.flag} (${written.path}) lies in it; name another place.`;
  }
  const ownParts = ['bin', 'dist', 'node_modules', 'src'].map((part) =>
    join(context.installation, part),
  );
  if (ownParts.some((own) => within(path, own)) || /\/node_modules(\/|$)/.test(path)) {
    return "it is part of a program's installation (media-cleanup's own, or a node_modules); configure a directory of the service itself.";
  }
  return undefined;
}

function overlap(target: LocatedDirectory, { all }: Known): string | undefined {
  const outer = all.around(target.path).find(({ value }) => value !== target);
  const inner = all.inside(target.path, target);
  const isOuter = outer !== undefined && (inner === undefined || outer.order < inner.order);
  const related = isOuter ? outer : inner;
  if (related === undefined) return undefined;
  const { value: other, rest } = related;
  const owner =
    other.service === target.service
      ? `its own ${other.kind} directory ${other.path}`
      : `${other.path}, which belongs to ${other.service}`;
  const remedy = 'give each directory to one entry of the config only.';
  if (!isOuter) return `it contains ${owner}; ${remedy}`;
  return rest === ''
    ? `it is the same directory as ${owner}; ${remedy}`
    : `it is inside ${owner}; ${remedy}`;
}

function foreignSystem({ path, state }: LocatedDirectory): string | undefined {
  const root = state.is === 'directory' ? systemRootIn(path) : undefined;
  if (root === undefined) return undefined;
  const where = root === '.' ? 'in it' : `in its ${root}`;
  return `a whole system lies ${where} (etc, bin, lib …): the root of another disk, a container or a backup; ${REMEDY}.`;
}

function wrongKind(target: LocatedDirectory): string | undefined {
  if (target.state.is !== 'other') return undefined;
  return 'it is not a directory; configure the directory that holds it.';
}

function notMounted(target: LocatedDirectory, context: GuardContext): string | undefined {
  if (!target.config.mustBeMounted) return undefined;
  if (context.mounts === undefined) {
    return 'mustBeMounted is set, and mounts can be told on Linux only; use a marker instead.';
  }
  if (isMountedOver(target.path, context.mounts)) return undefined;
  return 'mustBeMounted is set and nothing is mounted on it; mount it, or remove mustBeMounted.';
}

function noMarker(target: LocatedDirectory): string | undefined {
  const { marker } = target.config;
  if (marker === undefined) return undefined;
  const file = join(target.path, marker);
  if (isFile(file)) return undefined;
  return `its marker file ${marker} is not in it, so it may be the wrong disk; mount the right one, or create the marker with: touch ${file}`;
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
