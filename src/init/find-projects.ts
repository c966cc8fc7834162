/** Finds and reads the compose and .env files of a folder and of the services in it. Changes nothing. */
import { statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { expandEnvFile, parseDotenv } from '../config/dotenv.ts';
import type { EnvFile } from '../config/dotenv.ts';
import type { Environment } from '../config/find.ts';
import type { Interpolated, Lookup } from '../config/interpolate.ts';
import { CannotStart } from '../errors.ts';
import type { ReadFile } from '../report/initial-config.ts';
import { COMPOSE_FOLDERS, composeFilesIn } from './compose-files.ts';
import { parseCompose } from './compose.ts';
import type { ComposeService, ComposeSource } from './compose.ts';
import { isBelow } from './data-directories.ts';
import type { ProjectPlaces } from './data-directories.ts';
import { directorySettings } from './directory-settings.ts';
import { foldersInEnvFolder } from './env-folder.ts';
import type { Container, Project } from './group-services.ts';
import { lineOf } from './origin.ts';
import type { Origin } from './origin.ts';
import type { Note } from './proposal.ts';
import { SERVICE_FOLDERS } from './service-names.ts';
import { isThere, lookAtFolder, namesIn, readText } from './read-folder.ts';
import { addsOnly, isWhole } from './variants.ts';

export interface Found {
  readonly projects: readonly Project[];
  readonly read: readonly ReadFile[];
  readonly notes: readonly Note[];
}

export interface Search {
  readonly env: Environment;
  /** Of `--env-file`: replaces the `.env` beside a compose file, as in Compose. Absolute. */
  readonly envFiles: readonly string[];
  readonly places: ProjectPlaces;
}

/** Folders below them that are looked into. */
const MAX_FOLDERS = 1000;

/**
 * `place`: a folder, or one compose file (which is then read alone, as with `docker compose -f`).
 * @throws CannotStart for a file that cannot be read or is no YAML.
 */
export async function findProjects(place: string, search: Search): Promise<Found> {
  const reader = createReader(search);
  if (statSync(place).isFile()) {
    const folder = dirname(place);
    const read = await reader.readCompose(folder, folder, [place]);
    reader.keep(read);
    return reader.found([read.project]);
  }
  const projects: Project[] = [];
  const seen = new Set<string>();
  const take = async (folder: string): Promise<void> => {
    const state = lookAtFolder(folder);
    if (state.is !== 'directory' || seen.has(state.real)) return;
    seen.add(state.real);
    projects.push(...(await reader.readFolder(folder)));
  };
  await take(place);
  const own = projects.length;
  for (const folder of serviceFolders(place, own > 0, search.places)) await take(folder);
  // What the compose files build has settings of its own at times.
  for (const context of projects.slice(0, own).flatMap(contextsOf)) {
    if (isBelow(context, place)) await take(context);
  }
  const isStack = SERVICE_FOLDERS.some(
    (name) => lookAtFolder(join(place, name)).is === 'directory',
  );
  const services = projects.filter(({ kind, folder, file }) => {
    const isOfStack = isStack && kind === 'env' && folder === place;
    if (isOfStack) reader.note(`${file} is not read: nothing says which of the services use it`);
    return !isOfStack;
  });
  return reader.found([...services, ...(await surrounding(place, reader))]);
}

/** Folders of one service each: of `services/*`, or of the place when that is `services` itself. */
function serviceFolders(place: string, hasOwn: boolean, places: ProjectPlaces): readonly string[] {
  const holders = SERVICE_FOLDERS.filter(
    (name) => lookAtFolder(join(place, name)).is === 'directory',
  );
  const isHolder = SERVICE_FOLDERS.includes(basename(place));
  const isHome = place === '/' || place === places.home;
  const parents = holders.map((name) => join(place, name));
  if (isHolder || (holders.length === 0 && !hasOwn && !isHome)) parents.push(place);
  return parents.flatMap((parent) =>
    namesIn(parent)
      .toSorted()
      .slice(0, MAX_FOLDERS)
      .filter((name) => !name.startsWith('.') && name !== 'node_modules')
      .map((name) => join(parent, name)),
  );
}

function contextsOf({ directory, services }: Project): readonly string[] {
  return services.flatMap(({ service: { build } }) =>
    build === undefined ? [] : [resolve(directory, build.context)],
  );
}

/**
 * Run in `services` or in the folder of one service: the compose files of the stack around it say
 * where containers reach Redis, and may describe the services too.
 */
async function surrounding(place: string, reader: Reader): Promise<readonly Project[]> {
  const holder = [place, dirname(place)].find((path) => SERVICE_FOLDERS.includes(basename(path)));
  if (holder === undefined) return [];
  const around = dirname(holder);
  try {
    return (await reader.readFolder(around)).filter(({ kind }) => kind === 'compose');
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error;
    reader.note(`${error.message}; what it says of the services here is missing`);
    return [];
  }
}

interface ReadProject {
  readonly project: Project;
  readonly read: readonly ReadFile[];
  readonly notes: readonly string[];
}

interface Reader {
  readFolder(folder: string): Promise<readonly Project[]>;
  readCompose(folder: string, directory: string, files: readonly string[]): Promise<ReadProject>;
  keep(read: ReadProject): void;
  note(message: string): void;
  found(projects: readonly Project[]): Found;
}

interface ReadEnv {
  readonly path: string;
  readonly file: EnvFile;
}

function createReader({ env, envFiles, places }: Search): Reader {
  const read = new Map<string, ReadFile>();
  const notes: Note[] = [];
  const note = (message: string): void => {
    if (!notes.some((other) => other.message === message)) {
      notes.push({ service: undefined, message });
    }
  };
  const keep = ({ read: files, notes: texts }: ReadProject): void => {
    for (const file of files) read.set(file.path, read.get(file.path) ?? file);
    for (const text of texts) note(text);
  };
  const shownPath = (path: string): string => {
    const below = relative(places.base, path);
    return below === '' || below.startsWith('../../../') ? path : below;
  };
  const known = new Map<string, ReadEnv | undefined>();
  const readEnv = (path: string): ReadEnv | undefined => {
    if (!known.has(path)) known.set(path, readEnvFile(path, shownPath, note));
    return known.get(path);
  };
  const context: ReadContext = { env, envFiles, shownPath, readEnv };
  const readCompose: Reader['readCompose'] = async (folder, directory, files) =>
    readComposeProject(context, folder, directory, files);
  return {
    readCompose,
    keep,
    note,
    async readFolder(folder) {
      const projects: Project[] = [];
      for (const directory of [folder, ...COMPOSE_FOLDERS.map((name) => join(folder, name))]) {
        if (directory !== folder && isServiceHolder(directory)) continue;
        const all = await readDeployments(readCompose, folder, directory, (text) => {
          note(text.replace(directory, () => shownPath(directory)));
        });
        for (const one of all) keep(one);
        projects.push(...all.map(({ project }) => project));
      }
      const path = join(folder, '.env');
      const inPlace = projects.some(({ directory }) => directory === folder);
      const isUsed = projects.some((project) => project.envFiles.has(path));
      const file = inPlace || isUsed ? undefined : readEnv(path);
      const alone = file === undefined ? undefined : ofEnvFileAlone(context, folder, file, places);
      if (alone === undefined) return projects;
      keep(alone);
      return [...projects, alone.project];
    },
    found: (projects) => ({ projects, read: [...read.values()], notes }),
  };
}

/** `deploy/services/…` is not looked through. */
function isServiceHolder(directory: string): boolean {
  return SERVICE_FOLDERS.includes(basename(directory));
}

/** The standard files with the variants that only add to them, then each other deployment. */
async function readDeployments(
  readCompose: Reader['readCompose'],
  folder: string,
  directory: string,
  note: (text: string) => void,
): Promise<readonly ReadProject[]> {
  const { standard, variants, passedOver } = composeFilesIn(directory, namesIn(directory));
  for (const other of passedOver) {
    note(`${other} is not read: Compose takes ${basename(standard[0] ?? '')} before it`);
  }
  let files = standard;
  let base = files.length === 0 ? undefined : await readCompose(folder, directory, files);
  const others: ReadProject[] = [];
  for (const variant of variants) {
    try {
      const alone = await readCompose(folder, directory, [variant]);
      if (base === undefined || isWhole(alone.project)) {
        others.push(alone);
        continue;
      }
      const merged = await readCompose(folder, directory, [...files, variant]);
      if (addsOnly(base.project, merged.project)) {
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

interface ReadContext {
  readonly env: Environment;
  readonly envFiles: readonly string[];
  readonly shownPath: (path: string) => string;
  readonly readEnv: (path: string) => ReadEnv | undefined;
}

/**
 * Everything relative is relative to the folder of the first file, Compose's project directory. `.env`
 * is that of this folder, below it that of the folder that `docker compose -f` is most likely run in.
 */
async function readComposeProject(
  { env, envFiles, shownPath, readEnv }: ReadContext,
  folder: string,
  directory: string,
  files: readonly string[],
): Promise<ReadProject> {
  const read: ReadFile[] = [];
  const notes: string[] = [];
  const outer: Lookup = (name) => env[name];
  const wanted =
    envFiles.length > 0
      ? envFiles.toReversed()
      : [...new Set([directory, folder])].map((one) => join(one, '.env'));
  const dotenvs = wanted.flatMap((path) => readEnv(path) ?? []);
  const values = dotenvs.map(({ file }) => expandEnvFile(file, outer));
  const lookup: Lookup = (name) =>
    env[name] ?? values.find((one) => one.has(name))?.get(name)?.text;
  for (const { path } of dotenvs) read.push({ path, kind: 'env' });
  const sources = files.map((file, index): ComposeSource => {
    const text = readText(file, 'compose');
    read.push({ path: file, kind: index === 0 ? 'compose' : 'override' });
    return { file: shownPath(file), text };
  });
  const compose = await parseCompose(sources, lookup);
  notes.push(...compose.notes);
  const main = sources[0]?.file ?? '';
  const used = new Map<string, ReadEnv>();
  const services = compose.services.map((service): Container => {
    if (service.profiles.length > 0) {
      notes.push(
        `${main}: ${service.name} runs only with the profile ${service.profiles.join(', ')}; it is taken into account`,
      );
    }
    const own: ReadEnv[] = [];
    for (const name of service.envFiles) {
      const file = readEnv(resolve(directory, name));
      if (file === undefined) {
        notes.push(
          `${main}: the env_file ${name} of ${service.name} is not there: what it says is missing here`,
        );
        continue;
      }
      read.push({ path: file.path, kind: 'env' });
      used.set(file.path, file);
      own.push(file);
    }
    return container(service, sources, own, dotenvs, lookup, shownPath);
  });
  const project: Project = {
    ...{ kind: 'compose', directory, folder, file: main, name: compose.name, services },
    files: sources.map(({ file }) => file),
    envFiles: new Set(used.keys()),
  };
  return { project, read, notes };
}

function container(
  service: ComposeService,
  sources: readonly ComposeSource[],
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
  const locate = (needle: string): Origin => {
    for (const { file, text } of sources.toReversed()) {
      const line = lineOf(text, service.name, needle);
      if (line !== undefined) return { file, line };
    }
    return { file: sources[0]?.file ?? '', line: undefined };
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
  folder: string,
  { path, file }: ReadEnv,
  places: ProjectPlaces,
): ReadProject | undefined {
  const variables = expandEnvFile(file, (name) => env[name]);
  const isAboutRedis = [...variables].some(
    ([key, { text }]) => /REDIS|BROKER/.test(key) || /^rediss?:/.test(text),
  );
  const settings = directorySettings(variables);
  if (!isAboutRedis && settings.length === 0) return undefined;
  const shown = shownPath(path);
  const volumes = foldersInEnvFolder(folder, settings, places).map((name) => ({
    ...{ written: name, source: { text: `./${name}`, pieces: [], missing: [] } },
    ...{ target: '', readOnly: false, kind: 'bind' as const },
  }));
  const service: ComposeService = {
    ...{ name: basename(folder), image: undefined, aliases: [], build: undefined, commands: [] },
    ...{ environment: new Map(), envFiles: [], volumes, ports: [], hostNetwork: true },
    ...{ workingDirectory: undefined, profiles: [] },
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
    ...{ kind: 'env', directory: folder, folder, file: shown, files: [shown], name: undefined },
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
