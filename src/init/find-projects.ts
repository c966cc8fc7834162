/** Finds the compose and .env files of a folder and of the services in it. Changes nothing. */
import { statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { COMPOSE_FOLDERS, composeFilesIn } from './compose-files.ts';
import { isBelow } from './data-directories.ts';
import type { ProjectPlaces } from './data-directories.ts';
import type { Project } from './group-services.ts';
import { lookAtFolder, namesIn } from './read-folder.ts';
import { createReader } from './read-projects.ts';
import type { Found, Reader, Search } from './read-projects.ts';
import { SERVICE_FOLDERS } from './service-names.ts';

/** Folders below them that are looked into. */
const MAX_FOLDERS = 1000;

/**
 * `place`: a folder, or one compose file (which is then read alone, as with `docker compose -f`).
 * @throws CannotStart when `place` is a file that cannot be read or is no compose file.
 */
export async function findProjects(place: string, search: Search): Promise<Found> {
  const reader = createReader(search);
  if (statSync(place).isFile()) {
    const folder = baseOf(dirname(place));
    const isOfService = SERVICE_FOLDERS.includes(basename(dirname(folder)));
    const directory = dirname(place);
    const read = await reader.readCompose({ folder, directory, isOfService }, [place]);
    reader.keep(read);
    return reader.found([read.project], []);
  }
  const projects: Project[] = [];
  const seen = new Set<string>();
  const take = async (folder: string, isOfService: boolean, needs?: 'redis'): Promise<void> => {
    const state = lookAtFolder(folder);
    if (state.is !== 'directory' || seen.has(state.real)) return;
    seen.add(state.real);
    projects.push(...(await reader.readFolder(folder, isOfService, needs)));
  };
  await take(place, SERVICE_FOLDERS.includes(basename(dirname(place))));
  const own = projects.length;
  const folders = serviceFolders(place, own > 0, search.places);
  for (const folder of folders) await take(folder, true);
  const beside = besideServices(place, own > 0, folders, search.places);
  for (const folder of beside) {
    if (!NO_SERVICE.test(basename(folder))) await take(folder, true, 'redis');
    else for (const file of composeFilesOf(folder)) reader.note(notRead(relative(place, file)));
  }
  // What the compose files build has settings of its own at times.
  for (const context of projects.slice(0, own).flatMap(contextsOf)) {
    if (isBelow(context, place)) await take(context, true);
  }
  const isStack = SERVICE_FOLDERS.some(
    (name) => lookAtFolder(join(place, name)).is === 'directory',
  );
  const services = projects.filter(({ kind, folder, file }) => {
    const isOfStack = isStack && kind === 'env' && folder === place;
    if (isOfStack) reader.note(`${file} is not read: nothing says which of the services use it`);
    return !isOfStack;
  });
  // Elsewhere a folder without files of settings is any folder.
  const isKnown = (folder: string): boolean =>
    SERVICE_FOLDERS.includes(basename(dirname(folder))) ||
    services.some((project) => project.folder === folder);
  const known = [...folders, ...beside].filter(isKnown);
  return reader.found([...services, ...(await surrounding(place, reader))], known);
}

/** The folder that a folder with compose files belongs to: of `grabber/docker` it is `grabber`. */
export function baseOf(folder: string): string {
  return COMPOSE_FOLDERS.includes(basename(folder)) ? dirname(folder) : folder;
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

function composeFilesOf(folder: string): readonly string[] {
  const { standard, variants } = composeFilesIn(folder, namesIn(folder));
  return [...standard, ...variants];
}

function notRead(file: string): string {
  return `${file} is not read, because its folder does not say that it is a service's: --from ${file} reads it alone`;
}

/** What a repository has beside its services, with compose files that are not those of the stack. */
const NO_SERVICE =
  /^(?:vendor|third[_-]?party|tests?|e2e|examples?|samples?|demo|fixtures?|docs?|templates?|backups?|old|archive)$/i;

/** Other folders of the place that hold a compose file or an `.env`. */
function besideServices(
  place: string,
  hasOwn: boolean,
  known: readonly string[],
  places: ProjectPlaces,
): readonly string[] {
  const isOneService = hasOwn && SERVICE_FOLDERS.includes(basename(dirname(place)));
  if (place === '/' || place === places.home || isOneService) return [];
  return namesIn(place)
    .toSorted()
    .slice(0, MAX_FOLDERS)
    .filter((name) => !name.startsWith('.') && name !== 'node_modules')
    .filter((name) => !SERVICE_FOLDERS.includes(name) && !COMPOSE_FOLDERS.includes(name))
    .map((name) => join(place, name))
    .filter((folder) => !known.includes(folder));
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
  return (await reader.readFolder(dirname(holder), false)).filter(({ kind }) => kind === 'compose');
}
