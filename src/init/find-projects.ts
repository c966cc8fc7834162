/** Reads the compose and .env files of a folder and of its `services/*`. Changes nothing. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { parseCompose } from './compose.ts';
import type { ComposeService, ComposeSource } from './compose.ts';
import { judgeFolder } from './data-directories.ts';
import type { FolderState, ProjectPlaces } from './data-directories.ts';
import { expandEnvFile, parseDotenv } from '../config/dotenv.ts';
import type { EnvFile } from '../config/dotenv.ts';
import type { Environment } from '../config/find.ts';
import type { Container, Project } from './group-services.ts';
import type { Interpolated } from '../config/interpolate.ts';
import { knownService } from './known-services.ts';
import type { Note } from './propose.ts';
import { CannotStart, errorCode, errorMessage } from '../errors.ts';
import type { ReadFile } from '../report/initial-config.ts';

export interface Found {
  readonly projects: readonly Project[];
  readonly read: readonly ReadFile[];
  readonly notes: readonly Note[];
}

/** In the order in which Docker Compose looks for them. */
const COMPOSE_FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];
const OVERRIDE_FILES = [
  ...['compose.override.yml', 'compose.override.yaml'],
  ...['docker-compose.override.yml', 'docker-compose.override.yaml'],
];
/** No compose file is this long; what is, was named by mistake. */
const MAX_BYTES = 2 ** 20;
/** Names looked at in a folder that may be proposed. */
const MAX_NAMES = 10_000;
/** Folders below `services` that are looked into. */
const MAX_FOLDERS = 1000;

/**
 * `place`: a folder, or one compose file (which is then read alone, as with `docker compose -f`).
 * @throws CannotStart for a file that cannot be read or is no YAML.
 */
export async function findProjects(
  place: string,
  env: Environment,
  places: ProjectPlaces,
): Promise<Found> {
  const read: ReadFile[] = [];
  const notes: Note[] = [];
  const note = (message: string): void => void notes.push({ service: undefined, message });
  const shownPath = (path: string): string => {
    const below = relative(places.base, path);
    return below === '' || below.startsWith('..') ? path : below;
  };
  const projects: Project[] = [];
  const isFile = statSync(place).isFile();
  const folders = isFile ? [dirname(place)] : [place, ...serviceFolders(place)];
  for (const folder of folders) {
    const files = isFile ? [place] : composeFilesOf(folder);
    projects.push(...(await readProject(folder, files)));
  }
  return { projects, read, notes };

  function composeFilesOf(folder: string): readonly string[] {
    const there = COMPOSE_FILES.filter((name) => isThere(join(folder, name)));
    const [first, ...others] = there;
    if (first === undefined) return [];
    for (const other of others) {
      note(`${shownPath(join(folder, other))} is not read: Compose takes ${first} before it`);
    }
    const override = OVERRIDE_FILES.find((name) => isThere(join(folder, name)));
    return [first, ...(override === undefined ? [] : [override])].map((name) => join(folder, name));
  }

  async function readProject(
    folder: string,
    files: readonly string[],
  ): Promise<readonly Project[]> {
    const dotenv = readEnvFile(join(folder, '.env'));
    const [main] = files;
    const outer = (name: string): string | undefined => env[name];
    const ofDotenv =
      dotenv === undefined ? new Map<string, Interpolated>() : expandEnvFile(dotenv, outer);
    if (main === undefined) return dotenv === undefined ? [] : ofEnvFileAlone(folder, ofDotenv);
    const lookup = (name: string): string | undefined => env[name] ?? ofDotenv.get(name)?.text;
    const sources = files.map((file, index): ComposeSource => {
      const text = readText(file, 'compose');
      read.push({ path: file, kind: index === 0 ? 'compose' : 'override' });
      return { file: shownPath(file), text };
    });
    const compose = await parseCompose(sources, lookup);
    for (const message of compose.notes) note(message);
    for (const { name, profiles } of compose.services) {
      if (profiles.length > 0)
        note(
          `${shownPath(main)}: ${name} runs only with the profile ${profiles.join(', ')}; it is taken into account`,
        );
    }
    const services = compose.services.map((service): Container => {
      const variables = new Map<string, Interpolated>();
      for (const name of service.envFiles) {
        const path = resolve(folder, name);
        const file = path === join(folder, '.env') ? dotenv : readEnvFile(path);
        if (file === undefined) {
          note(
            `${shownPath(main)}: the env_file ${name} of ${service.name} is not there: what it says is missing here`,
          );
          continue;
        }
        for (const [key, value] of expandEnvFile(file, lookup)) variables.set(key, value);
      }
      for (const [key, value] of service.environment) variables.set(key, value);
      return { service, variables };
    });
    const name = compose.name ?? basename(folder);
    return [{ directory: folder, file: shownPath(main), name, services }];
  }

  /** A folder without a compose file, run by hand or by systemd: its `.env` and its subfolders. */
  function ofEnvFileAlone(
    folder: string,
    variables: ReadonlyMap<string, Interpolated>,
  ): readonly Project[] {
    const name = basename(folder);
    const known = knownService([name]);
    const wanted = known === undefined ? namesIn(folder) : [...known.directories, ...known.models];
    const volumes = wanted
      .filter((own) => judgeFolder(join(folder, own), undefined, places, lookAtFolder).is !== 'no')
      .map((own) => ({
        source: { text: `./${own}`, pieces: [], missing: [] },
        target: '',
        readOnly: false,
        kind: 'bind' as const,
      }));
    const service: ComposeService = {
      ...{ name, image: undefined, aliases: [], build: undefined, commands: [] },
      ...{ environment: new Map(), envFiles: [], volumes, ports: [], hostNetwork: true },
      ...{ workingDirectory: undefined, profiles: [] },
    };
    const isAboutRedis = [...variables].some(
      ([key, { text }]) => /REDIS|BROKER/.test(key) || /^rediss?:/.test(text),
    );
    if (!isAboutRedis) return [];
    const file = shownPath(join(folder, '.env'));
    return [{ directory: folder, file, name, services: [{ service, variables }] }];
  }

  function readEnvFile(path: string): EnvFile | undefined {
    if (!isThere(path)) return undefined;
    let text: string;
    try {
      text = readText(path, 'env');
    } catch (error) {
      if (!(error instanceof CannotStart)) throw error;
      note(`${error.message}; what it says is missing here`);
      return undefined;
    }
    if (!read.some((file) => file.path === path)) read.push({ path, kind: 'env' });
    const file = parseDotenv(text);
    if (file.unread.length > 0) {
      note(
        `${shownPath(path)}: no assignment, so not read: line ${file.unread.slice(0, 10).join(', ')}`,
      );
    }
    return file;
  }
}

/** Folders of `services`, each once, also by links. */
function serviceFolders(base: string): readonly string[] {
  const found = new Map<string, string>();
  const services = join(base, 'services');
  for (const name of namesIn(services).toSorted().slice(0, MAX_FOLDERS)) {
    const state = lookAtFolder(join(services, name));
    if (state.is === 'directory' && !name.startsWith('.') && !found.has(state.real)) {
      found.set(state.real, join(services, name));
    }
  }
  return [...found.values()];
}

/** What a path is, links followed. */
export function lookAtFolder(path: string): FolderState {
  try {
    if (!statSync(path).isDirectory()) return { is: 'other' };
    return { is: 'directory', real: realpathSync(path), names: readNames(path) };
  } catch (error) {
    const code = errorCode(error);
    // A dangling link is there: what it will lead to one day is not known.
    if (code === 'ENOENT' && !isThere(path)) return { is: 'missing' };
    return { is: code === 'ENOENT' || code === 'ENOTDIR' ? 'other' : 'unreadable' };
  }
}

function namesIn(path: string): readonly string[] {
  const state = lookAtFolder(path);
  return state.is === 'directory' ? state.names : [];
}

/** In part only of a folder with very many: reading millions of names takes minutes. */
function readNames(path: string): readonly string[] {
  const folder = opendirSync(path);
  try {
    const names: string[] = [];
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
      names.push(entry.name);
      if (names.length === MAX_NAMES) break;
    }
    return names;
  } finally {
    folder.closeSync();
  }
}

function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    if (code === 'EACCES') return false;
    throw error;
  }
}

function readText(path: string, what: 'compose' | 'env'): string {
  const fail = (reason: string, cause?: unknown): CannotStart =>
    new CannotStart('config', `cannot read the ${what} file ${path}: ${reason}`, [], cause);
  let descriptor: number | undefined;
  try {
    // Not blocking, because a pipe by that name would wait for a writer.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw fail('it is not a file');
    if (status.size > MAX_BYTES)
      throw fail('it is larger than 1 MiB: name a smaller one with --from');
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(descriptor));
  } catch (error) {
    if (error instanceof CannotStart) throw error;
    if (error instanceof TypeError) throw fail('it is not UTF-8 text', error);
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'it is a symbolic link that leads nowhere',
      EACCES: 'permission denied, run as a user who may read it',
      ELOOP: 'it is a symbolic link that leads back to itself',
    };
    throw fail(reasons[errorCode(error) ?? ''] ?? errorMessage(error), error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
