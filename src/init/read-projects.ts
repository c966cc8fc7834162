/** Reads the compose and .env files of one folder as deployments. Changes nothing. */
import { basename, dirname, join, relative, resolve } from 'node:path';
import { expandEnvFile, parseDotenv } from '../config/dotenv.ts';
import type { EnvFile } from '../config/dotenv.ts';
import type { Environment } from '../config/find.ts';
import type { Interpolated, Lookup } from '../config/interpolate.ts';
import { isRedisUrl } from '../config/redis-url.ts';
import { CannotStart } from '../errors.ts';
import type { ReadFile } from '../report/initial-config.ts';
import { COMPOSE_FOLDERS, composeFilesIn } from './compose-files.ts';
import { parseCompose } from './compose.ts';
import type { ComposeService } from './compose.ts';
import type { ComposeSource } from './compose-document.ts';
import type { ComposeReader } from './compose-model.ts';
import type { ProjectPlaces } from './data-directories.ts';
import { directorySettings } from './directory-settings.ts';
import { foldersInEnvFolder } from './env-folder.ts';
import type { Container, Project } from './group-services.ts';
import { isInfrastructure } from './infrastructure.ts';
import { lineOf } from './origin.ts';
import type { Origin } from './origin.ts';
import type { Note } from './proposal.ts';
import { isThere, namesIn, readText } from './read-folder.ts';
import { addsOnly, isWhole as isWholeDeployment } from './variants.ts';

export interface Found {
  readonly projects: readonly Project[];
  readonly read: readonly ReadFile[];
  readonly notes: readonly Note[];
  /** Compose files that are there and say nothing, because they cannot be read. */
  readonly unread: readonly CannotStart[];
  /** Absolute: folders of one service each that were looked into. */
  readonly folders: readonly string[];
}

export interface Search {
  readonly env: Environment;
  /** Of `--env-file`: replaces the `.env` beside a compose file, as in Compose. Absolute. */
  readonly envFiles: readonly string[];
  readonly places: ProjectPlaces;
}

interface ReadProject {
  readonly project: Project;
  readonly read: readonly ReadFile[];
  readonly notes: readonly ReadNote[];
}

type ReadNote = Omit<Note, 'service'>;

export interface Reader {
  /** @param needs what an `.env` without a compose file must name: here not directories alone. */
  readFolder(folder: string, isOfService: boolean, needs?: 'redis'): Promise<readonly Project[]>;
  readCompose(place: Place, files: readonly string[]): Promise<ReadProject>;
  keep(read: ReadProject): void;
  note(message: string): void;
  found(projects: readonly Project[], folders: readonly string[]): Found;
}

export type Place = Pick<Project, 'folder' | 'directory' | 'isOfService'>;

function placeOf(folder: string, isOfService: boolean): Place {
  return { folder, directory: folder, isOfService };
}

interface ReadEnv {
  readonly path: string;
  readonly file: EnvFile;
}

export function createReader({ env, envFiles, places }: Search): Reader {
  const read = new Map<string, ReadFile>();
  const notes: Note[] = [];
  const add = (one: ReadNote): void => {
    if (!notes.some(({ message }) => message === one.message)) {
      notes.push({ service: undefined, ...one });
    }
  };
  const note = (message: string): void => {
    add({ message });
  };
  const keep = ({ read: files, notes: texts }: ReadProject): void => {
    for (const file of files) read.set(file.path, read.get(file.path) ?? file);
    for (const text of texts) add(text);
  };
  const shownPath = (path: string): string => {
    const below = relative(places.base, path);
    return below === '' || below.startsWith('../../../') ? path : below;
  };
  const unread: CannotStart[] = [];
  const known = new Map<string, ReadEnv | undefined>();
  const readEnv = (path: string): ReadEnv | undefined => {
    if (!known.has(path)) known.set(path, readEnvFile(path, shownPath, note));
    return known.get(path);
  };
  const context: ReadContext = {
    ...{ env, envFiles, shownPath, readEnv },
    included: new Map(),
    imported: new Set(),
  };
  const readCompose: Reader['readCompose'] = async (place, files) =>
    readComposeProject(context, place, files);
  return {
    readCompose,
    keep,
    note,
    async readFolder(folder, isOfService, needs) {
      const projects: Project[] = [];
      let isWhole = true;
      for (const directory of [folder, ...COMPOSE_FOLDERS.map((name) => join(folder, name))]) {
        const place: Place = { folder, directory, isOfService };
        const named = filesOfEnvironment(readEnv(join(directory, '.env')), directory, env);
        try {
          const all = await readDeployments(readCompose, context.imported, place, named, (text) => {
            note(text.replace(directory, () => shownPath(directory)));
          });
          for (const one of all) keep(one);
          projects.push(...all.map(({ project }) => project));
        } catch (error) {
          if (!(error instanceof CannotStart)) throw error;
          unread.push(error);
          notes.push(unreadNote(error, shownPath(folder), isOfService));
          isWhole = false;
        }
      }
      // Its settings alone would be half a service.
      if (!isWhole) return projects;
      const path = join(folder, '.env');
      const inPlace = projects.some(
        ({ directory, services }) =>
          directory === folder && !services.every(({ service }) => isInfrastructure(service)),
      );
      const isUsed = projects.some((project) => project.envFiles.has(path));
      const file = inPlace || isUsed ? undefined : readEnv(path);
      const own = placeOf(folder, isOfService);
      const alone =
        file === undefined ? undefined : ofEnvFileAlone(context, { ...own, needs }, file, places);
      if (alone === undefined) return projects;
      keep(alone);
      return [...projects, alone.project];
    },
    found: (projects, folders) => ({
      ...{ projects: withoutIncluded(projects), read: [...read.values()] },
      ...{ notes, unread, folders },
    }),
  };
}

function unreadNote({ message }: CannotStart, folder: string, isOfService: boolean): Note {
  return isOfService
    ? { service: basename(folder), message: `${folder} is not read: ${message}` }
    : { service: undefined, message: `${message}; what it says of the services is missing here` };
}

/** A service of an included file that was read by itself as well is described there alone. */
function withoutIncluded(projects: readonly Project[]): readonly Project[] {
  const paths = new Set(projects.flatMap((project) => project.paths));
  return projects.map((project) => ({
    ...project,
    services: project.services.filter(
      ({ service: { includedFrom } }) => includedFrom === undefined || !paths.has(includedFrom),
    ),
  }));
}

/** COMPOSE_FILE of `.env`: the files that `docker compose` reads there, instead of the usual ones. */
function filesOfEnvironment(
  dotenv: ReadEnv | undefined,
  directory: string,
  env: Environment,
): readonly string[] {
  if (dotenv === undefined) return [];
  const values = expandEnvFile(dotenv.file, (name) => env[name]);
  const separator = values.get('COMPOSE_PATH_SEPARATOR')?.text ?? ':';
  const text = values.get('COMPOSE_FILE')?.text ?? '';
  const files = text === '' ? [] : text.split(separator).map((name) => resolve(directory, name));
  return files.every(isThere) ? files : [];
}

/** The standard files with the variants that only add to them, then each other deployment. */
async function readDeployments(
  readCompose: Reader['readCompose'],
  imported: ReadonlySet<string>,
  place: Place,
  named: readonly string[],
  note: (text: string) => void,
): Promise<readonly ReadProject[]> {
  const { standard, variants, passedOver } = composeFilesIn(
    place.directory,
    namesIn(place.directory),
  );
  for (const other of passedOver) {
    note(`${other} is not read: Compose takes ${basename(standard[0] ?? '')} before it`);
  }
  let files = named.length > 0 ? named : standard;
  let base = files.length === 0 ? undefined : await readCompose(place, files);
  const others: ReadProject[] = [];
  for (const variant of variants.filter((path) => !named.includes(path))) {
    // A part of another file, and no deployment.
    if (imported.has(variant)) continue;
    try {
      const alone = await readCompose(place, [variant]);
      if (base === undefined || isWholeDeployment(alone.project)) {
        others.push(alone);
        continue;
      }
      const merged = await readCompose(place, [...files, variant]);
      if (named.length === 0 && addsOnly(base.project, merged.project)) {
        files = [...files, variant];
        base = merged;
      } else others.push(merged);
    } catch (error) {
      if (!(error instanceof CannotStart)) throw error;
      note(`${error.message}; it is left out`);
    }
  }
  return [...(base === undefined ? [] : [base]), ...others];
}

const UNSET = 'not set and without a default, so empty (looked for in the environment and in .env)';
const PROFILE = 'runs only with the profile';
const NO_ENV_FILE = 'is not there: what it says is missing here';

interface ReadContext {
  readonly env: Environment;
  readonly envFiles: readonly string[];
  readonly shownPath: (path: string) => string;
  readonly readEnv: (path: string) => ReadEnv | undefined;
  /** By the path of a file that another includes: what `${…}` is there. */
  readonly included: Map<string, Lookup>;
  /** Paths of files that others extend or include. */
  readonly imported: Set<string>;
}

/**
 * Everything relative is relative to the folder of the first file, Compose's project directory. `.env`
 * is that of this folder, below it that of the folder that `docker compose -f` is most likely run in.
 */
async function readComposeProject(
  { env, envFiles, shownPath, readEnv, included, imported }: ReadContext,
  place: Place,
  files: readonly string[],
): Promise<ReadProject> {
  const { folder, directory } = place;
  const read: ReadFile[] = [];
  const notes: ReadNote[] = [];
  const outer: Lookup = (name) => env[name];
  const wanted =
    envFiles.length > 0
      ? envFiles.toReversed()
      : [...new Set([directory, folder])].map((one) => join(one, '.env'));
  const dotenvs = wanted.flatMap((path) => readEnv(path) ?? []);
  const values = dotenvs.map(({ file }) => expandEnvFile(file, outer));
  // Included, its project's variables come before those of the folder.
  const around = included.get(files[0] ?? '');
  const lookup: Lookup = (name) =>
    env[name] ?? around?.(name) ?? values.find((one) => one.has(name))?.get(name)?.text;
  for (const { path } of dotenvs) read.push({ path, kind: 'env' });
  const sources = files.map((file, index): ComposeSource => {
    const text = readText(file, 'compose');
    read.push({ path: file, kind: index === 0 ? 'compose' : 'override' });
    return { file: shownPath(file), path: file, text };
  });
  const reader = importReader({ shownPath, readEnv }, outer);
  const compose = await parseCompose(sources, directory, lookup, reader);
  for (const { path } of compose.imported) {
    read.push({ path, kind: 'compose' });
    imported.add(path);
  }
  for (const { includedFrom } of compose.services) {
    if (includedFrom !== undefined) included.set(includedFrom, lookup);
  }
  const main = sources[0]?.file ?? '';
  const searched = [...compose.imported, ...sources];
  notes.push(...compose.notes.map((message) => ({ message })));
  for (const name of compose.unset) {
    const item = `${name} (${main})`;
    notes.push({ message: `${main}: ${name} is ${UNSET}`, group: { text: UNSET, item } });
  }
  const used = new Map<string, ReadEnv>();
  const isSilent = !compose.services.some(namesRedis);
  const services = compose.services.map((service): Container => {
    if (service.profiles.length > 0) {
      const item = `${service.name} (${service.profiles.join(', ')})`;
      const message = `${main}: ${service.name} ${PROFILE} ${service.profiles.join(', ')}; init uses its settings`;
      notes.push({ message, group: { text: `${PROFILE}, and init uses its settings`, item } });
    }
    const own: ReadEnv[] = [];
    for (const name of service.envFiles) {
      const file = readEnv(resolve(directory, name));
      if (file === undefined) {
        const item = `${name} of ${service.name} (${main})`;
        const message = `${main}: the env_file ${name} of ${service.name} ${NO_ENV_FILE}`;
        notes.push({ message, group: { text: `an env_file ${NO_ENV_FILE}`, item } });
        continue;
      }
      read.push({ path: file.path, kind: 'env' });
      used.set(file.path, file);
      own.push(file);
    }
    // Copied into the image with the program: where nothing else names a Redis, this file does.
    const [copied] = dotenvs;
    if (isSilent && copied !== undefined && own.length === 0 && service.build !== undefined) {
      used.set(copied.path, copied);
      own.push(copied);
    }
    return container(service, { main, searched }, own, dotenvs, lookup, shownPath);
  });
  const project: Project = {
    ...place,
    ...{ kind: 'compose', file: main, name: compose.name, services },
    ...{ files: sources.map(({ file }) => file), paths: files },
    envFiles: new Set(used.keys()),
  };
  return { project, read, notes };
}

function importReader(
  { shownPath, readEnv }: Pick<ReadContext, 'shownPath' | 'readEnv'>,
  outer: Lookup,
): ComposeReader {
  return {
    read: (path) => ({ file: shownPath(path), path, text: readText(path, 'compose') }),
    variables: (paths) => {
      const found = paths.flatMap((path) => readEnv(path) ?? []);
      const sets = found.map(({ file }) => expandEnvFile(file, outer)).toReversed();
      return (name) => sets.find((one) => one.has(name))?.get(name)?.text;
    },
  };
}

/** By its own entries; an env_file is enough to say that it has its settings. */
function namesRedis({ environment, envFiles }: ComposeService): boolean {
  return (
    envFiles.length > 0 ||
    [...environment].some(([key, { text }]) => /REDIS|BROKER/.test(key) || isRedisUrl(text))
  );
}

function container(
  service: ComposeService,
  { main, searched }: { readonly main: string; readonly searched: readonly ComposeSource[] },
  envFiles: readonly ReadEnv[],
  dotenvs: readonly ReadEnv[],
  lookup: Lookup,
  shownPath: (path: string) => string,
): Container {
  const variables = new Map<string, Interpolated>();
  const lines = new Map<string, Origin & { readonly folder: string }>();
  for (const { path, file } of envFiles) {
    for (const [key, value] of expandEnvFile(file, lookup)) {
      variables.set(key, value);
      const line = file.entries.get(key)?.line;
      lines.set(key, { file: shownPath(path), line, folder: dirname(path) });
    }
  }
  for (const [key, value] of service.environment) {
    variables.set(key, value);
    lines.delete(key);
  }
  const locate = (...needles: readonly string[]): Origin => {
    for (const { file, text } of searched.toReversed()) {
      const line = lineOf(text, service.name, needles);
      if (line !== undefined) return { file, line };
    }
    return { file: main, line: undefined };
  };
  return {
    service,
    variables,
    locate,
    originOf: (name) => lines.get(name) ?? locate(name),
    folderOf: (name) => lines.get(name)?.folder,
    envFileOf: (name) =>
      [...dotenvs, ...envFiles.toReversed()].find(({ file }) => file.entries.has(name))?.path,
  };
}

/** A folder without a compose file, run by hand or by systemd: its `.env` and its subfolders. */
function ofEnvFileAlone(
  { env, shownPath }: ReadContext,
  { needs, ...place }: Place & { readonly needs: 'redis' | undefined },
  { path, file }: ReadEnv,
  places: ProjectPlaces,
): ReadProject | undefined {
  const { folder } = place;
  const variables = expandEnvFile(file, (name) => env[name]);
  const isAboutRedis = [...variables].some(
    ([key, { text }]) => /REDIS|BROKER/.test(key) || isRedisUrl(text),
  );
  const settings = directorySettings(variables).filter(({ isVetoed }) => !isVetoed);
  if (!isAboutRedis && (needs === 'redis' || settings.length === 0)) return undefined;
  const shown = shownPath(path);
  const volumes = foldersInEnvFolder(folder, settings, places).map((name) => ({
    ...{ written: name, source: { text: `./${name}`, pieces: [], missing: [] } },
    ...{ target: '', readOnly: false, kind: 'bind' as const },
  }));
  const service: ComposeService = {
    ...{ name: basename(folder), image: undefined, aliases: [], build: undefined, commands: [] },
    ...{ environment: new Map(), envFiles: [], volumes, ports: [], hostNetwork: true },
    ...{ workingDirectory: undefined, profiles: [] },
    ...{ unread: [], includedFrom: undefined },
  };
  const whole: Origin = { file: shown, line: undefined };
  const one: Container = {
    service,
    variables,
    locate: () => whole,
    originOf: (name) => ({ file: shown, line: file.entries.get(name)?.line }),
    folderOf: () => folder,
    envFileOf: (name) => (file.entries.has(name) ? path : undefined),
  };
  const project: Project = {
    ...place,
    ...{ kind: 'env', file: shown, files: [shown], paths: [path], name: undefined },
    ...{ services: [one], envFiles: new Set([path]) },
  };
  return { project, read: [{ path, kind: 'env' }], notes: [] };
}

function readEnvFile(
  path: string,
  shownPath: (path: string) => string,
  note: (message: string) => void,
): ReadEnv | undefined {
  if (!isThere(path)) return undefined;
  let text: string;
  try {
    text = readText(path, 'env');
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error;
    note(`${error.message}; what it says is missing here`);
    return undefined;
  }
  const file = parseDotenv(text);
  if (file.unread.length > 0) {
    note(
      `${shownPath(path)}: no assignment, so not read: line ${file.unread.slice(0, 10).join(', ')}`,
    );
  }
  return { path, file };
}
