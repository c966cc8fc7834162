/**
 * Configured directories that are not there: of a service that has not been used yet, or a slip in the
 * config that leaves the data where it is.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import leven from 'leven';
import { expandEnvFile, parseDotenv } from '../config/dotenv.ts';
import type { ServiceConfig } from '../config/types.ts';
import type { Unmatched } from '../files/match-pattern.ts';
import type { LocatedDirectory, PatternProblem } from '../files/resolve.ts';
import type { Finding } from '../model/finding.ts';
import type { EarlierRuns } from '../runs/earlier-runs.ts';
import { counted } from '../report/text.ts';

/**
 * @param directories those of the chosen kinds, the ones that are there as well.
 */
export function missingDirectories(
  config: ServiceConfig,
  directories: readonly LocatedDirectory[],
  patterns: readonly PatternProblem[],
  earlier: EarlierRuns,
  all: readonly ServiceConfig[],
): readonly Finding[] {
  const configured = placesOf(all);
  const own = new Set(
    directories.flatMap(({ state, path, configuredPath }) =>
      state.is === 'missing' ? [] : [path, configuredPath],
    ),
  );
  const taken: Taken = { has: (path) => configured.has(path) || own.has(path) };
  const findings: Finding[] = [];
  const plain: string[] = [];
  for (const directory of directories) {
    if (directory.state.is !== 'missing' || directory.config.optional) continue;
    const slip = slipOf(config, directory, taken, earlier);
    if (slip === undefined) plain.push(directory.path);
    else findings.push(slip);
  }
  if (plain.length > 0) findings.push(unused(config, plain));
  for (const problem of patterns) {
    if (problem.code === undefined && !problem.optional)
      findings.push(unmatched(config, problem, taken));
  }
  return findings;
}

/** Directories that are configured themselves. */
type Taken = Pick<ReadonlySet<string>, 'has'>;

const places = new WeakMap<readonly ServiceConfig[], ReadonlySet<string>>();

/** Roots and directories that the config names: none of them is another one's misspelt name. */
export function placesOf(services: readonly ServiceConfig[]): ReadonlySet<string> {
  const known = places.get(services);
  if (known !== undefined) return known;
  const found = services.flatMap(({ root, directories, models }) => [
    root,
    ...[...directories, ...models].map(({ path }) => resolve(root, path)),
  ]);
  const made = new Set(found);
  places.set(services, made);
  return made;
}

/** What speaks for another place than the configured one. */
function slipOf(
  config: ServiceConfig,
  { name, path, configuredPath, config: entry, kind }: LocatedDirectory,
  taken: Taken,
  earlier: EarlierRuns,
): Finding | undefined {
  const problem = (reason: string, instead: string | undefined): Finding => ({
    code: 'EMISSING',
    severity: 'problem',
    target: name,
    item: '.',
    reason: `${configuredPath} does not exist, ${reason}`,
    hint: hintFor(config, kind, entry.path, instead),
  });
  const wiped = earlier.filesIn(path);
  if (wiped !== undefined) {
    const { deleted, cleanupId } = wiped;
    const reason = `and the run ${cleanupId} deleted ${counted(deleted, 'file')} there: is its disk mounted`;
    return problem(reason, undefined);
  }
  const near = nearestDirectory(path, taken);
  if (near !== undefined) {
    return problem(`and ${near} does, which has nearly its name`, near);
  }
  const setting = settingFor(config.root, path, taken);
  if (setting === undefined) return undefined;
  const reason = `and ${setting.file} says ${setting.variable}=${setting.value}, which is ${setting.path}`;
  return problem(reason, setting.path);
}

function hintFor(
  { name, root }: ServiceConfig,
  kind: 'files' | 'models',
  written: string,
  instead: string | undefined,
): string {
  const key = kind === 'models' ? 'models' : 'directories';
  const line = `in the config, services.${name}.${key}`;
  const optional = `{ "path": ${JSON.stringify(written)}, "optional": true }`;
  if (instead === undefined) {
    return `mount or create it; if it is not used any more, ${line}: remove ${JSON.stringify(written)}`;
  }
  const below = relative(root, instead);
  const shown = below.startsWith('..') || isAbsolute(below) ? instead : below;
  return `${line}: ${JSON.stringify(shown)} instead of ${JSON.stringify(written)}; if it may be absent: ${optional}`;
}

function unused({ name }: ServiceConfig, paths: readonly string[]): Finding {
  const isOne = paths.length === 1;
  return {
    code: 'EABSENT',
    severity: 'warning',
    target: 'Directories',
    item: name,
    reason: `${paths.join(', ')} ${isOne ? 'does' : 'do'} not exist: nothing to remove there`,
    hint: `if that is wrong, correct the config; if ${isOne ? 'it' : 'they'} may be absent, write { "path": …, "optional": true }`,
  };
}

/** A pattern that matches nothing: an error where one of its plain parts is misspelt. */
function unmatched(
  config: ServiceConfig,
  { pattern, kind, parts, reached }: Unmatched & { readonly kind: 'files' | 'models' },
  taken: Taken,
): Finding {
  const written = pattern.split('/');
  const part = written[parts] ?? '';
  const found = { code: 'EABSENT', target: 'Directories', item: config.name };
  const near = /[*?[\]{}()!\\]/.test(part) ? undefined : nearestBelow(reached, part, taken);
  if (near !== undefined) {
    return {
      ...found,
      code: 'EMISSING',
      severity: 'problem',
      // The name that makes the kind unknown.
      target: 'Pattern',
      item: pattern,
      reason: `${near.missing} does not exist, and ${near.path} does, which has nearly its name`,
      hint: hintFor(config, kind, pattern, written.with(parts, basename(near.path)).join('/')),
    };
  }
  return {
    ...found,
    severity: 'warning',
    reason: `the pattern ${pattern} matches no directory: nothing to remove there`,
    hint: 'if that is wrong, correct the config; if it may match none, write { "path": …, "optional": true }',
  };
}

function nearestBelow(
  folders: readonly string[],
  name: string,
  taken: Taken,
): { readonly missing: string; readonly path: string } | undefined {
  for (const folder of folders) {
    const missing = join(folder, name);
    const path = nearestDirectory(missing, taken);
    if (path !== undefined) return { missing, path };
  }
  return undefined;
}

/** Names in a folder that are compared; larger folders hold data. */
const MOST_NAMES = 2_000;

/**
 * The directory that is called nearly like the first part of a path that does not exist, with the rest
 * of the path behind it where that is there.
 * @param taken directories that are configured themselves.
 */
export function nearestDirectory(path: string, taken: Taken): string | undefined {
  let missing = path;
  while (!isDirectory(dirname(missing))) {
    if (dirname(missing) === missing) return undefined;
    missing = dirname(missing);
  }
  const folder = dirname(missing);
  const wanted = plainName(basename(missing));
  const rest = relative(missing, path);
  const candidates = namesIn(folder)
    .map((name) => ({ name, ...nearness(wanted, plainName(name)) }))
    .filter(({ distance, most }) => distance <= most)
    .toSorted((one, other) => one.distance - other.distance);
  for (const { name } of candidates) {
    const found = join(folder, name, rest);
    if (!taken.has(found) && found !== path && isDirectory(found)) return found;
  }
  return undefined;
}

/**
 * Two letters that changed places are one slip. Two slips make another word of a name of less than
 * six letters, one slip of a name of less than three.
 */
function nearness(
  one: string,
  other: string,
): { readonly distance: number; readonly most: number } {
  const letters = (word: string): string => Array.from(word).toSorted().join('');
  const distance = leven(one, other);
  const isSwapped = distance === 2 && letters(one) === letters(other);
  const longest = Math.max(one.length, other.length);
  return {
    distance: isSwapped ? 1 : distance,
    most: longest < 3 ? 0 : longest < 6 ? 1 : 2,
  };
}

function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_. ]/g, '');
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).slice(0, MOST_NAMES);
  } catch {
    return [];
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

interface Setting {
  readonly file: string;
  readonly variable: string;
  readonly value: string;
  readonly path: string;
}

/** The setting of the service's env files that names another place for the directory. */
function settingFor(root: string, path: string, taken: Taken): Setting | undefined {
  const wanted = singular(plainName(basename(path)));
  for (const file of namesIn(root)
    .filter((name) => /^\.env(?:\.|$)/.test(name))
    .slice(0, 5)) {
    for (const [variable, value] of readSettings(join(root, file))) {
      const words = variable.split('_').filter((word) => word !== '' && !PLACE_WORD.test(word));
      const names = [words.join(''), words.at(-1) ?? '', basename(value)];
      const isAbout = names.some((name) => singular(plainName(name)) === wanted);
      const isPath =
        /_(?:DIR|DIRECTORY|PATH|FOLDER|LOCATION)$/i.test(variable) || value.includes('/');
      const place = isAbout && isPath && value !== '' ? placeOf(root, value) : undefined;
      if (place === undefined || place === path || taken.has(place)) continue;
      return { file: join(root, file), variable, value, path: place };
    }
  }
  return undefined;
}

const PLACE_WORD = /^(?:dir|directory|path|folder|location)$/i;

function singular(name: string): string {
  return name.replace(/s$/, '');
}

/** The directory that a value names: below the root as it is, or a container's path by its end. */
function placeOf(root: string, value: string): string | undefined {
  const direct = resolve(root, value);
  if (isDirectory(direct)) return direct;
  const parts = value.split(sep).filter((part) => part !== '' && part !== '.');
  for (let start = 1; start < parts.length; start += 1) {
    const place = join(root, ...parts.slice(start));
    if (isDirectory(place)) return place;
  }
  return undefined;
}

function readSettings(file: string): ReadonlyMap<string, string> {
  try {
    const entries = expandEnvFile(parseDotenv(readFileSync(file, 'utf8')), () => undefined);
    return new Map([...entries].map(([name, { text }]) => [name, text.trim()]));
  } catch {
    // None, or not for this user: it is looked at as a courtesy.
    return new Map();
  }
}
