/** Service folders that no proposed service and no other note is about: left out, but not in silence. */
import { basename, join, relative, resolve } from 'node:path';
import { isBelow } from './data-directories.ts';
import type { LookAtFolder } from './data-directories.ts';
import type { Part, Project } from './group-services.ts';
import { isInfrastructure } from './infrastructure.ts';
import type { Note } from './proposal.ts';
import type { Found } from './read-projects.ts';
import { homeOf } from './service-names.ts';

const NO_FILES = 'no compose file and no .env in it, and no compose file here builds or mounts it';
const NOTHING = 'names no Redis, no worker and no directory that may be emptied';

/** @param parts the containers that make services or have a note of their own. */
export function missedFolders(
  { folders, projects, notes }: Found,
  parts: readonly Part[],
  base: string,
  look: LookAtFolder,
): readonly Note[] {
  const realOf = (path: string): string => {
    const state = look(path);
    return state.is === 'directory' ? state.real : path;
  };
  const used = new Set(parts.flatMap((part) => placesOf(part, look)).map(realOf));
  return folders.flatMap((folder): Note[] => {
    const real = realOf(folder);
    const state = look(folder);
    if (state.is !== 'directory') return [];
    if ([...used].some((path) => path === real || isBelow(path, real))) return [];
    const name = basename(folder);
    // A file in it that cannot be read has its note.
    if (notes.some(({ service }) => service === name)) return [];
    const shown = relative(base, folder) || name;
    const own = projects.filter((project) => project.folder === folder);
    const dotenv = state.names.includes('.env') ? [join(shown, '.env')] : [];
    const files = [...new Set([...own.flatMap((project) => project.files), ...dotenv])];
    if (files.length > 0) {
      const message = `${shown} is not proposed: ${files.join(', ')}: ${contentOf(own)}`;
      return [{ service: name, message }];
    }
    const message = `${shown} is not proposed: ${NO_FILES}`;
    return [{ service: name, message, group: { text: `not proposed, ${NO_FILES}`, item: shown } }];
  });
}

function contentOf(projects: readonly Project[]): string {
  const services = projects.flatMap((project) => project.services.map(({ service }) => service));
  const isOnlyInfrastructure = services.length > 0 && services.every(isInfrastructure);
  return isOnlyInfrastructure
    ? `holds nothing but ${services.map(({ name }) => name).join(', ')}, and no .env says more`
    : NOTHING;
}

/** Folders that a container is of, is built from, has its settings in, or writes. */
function placesOf(part: Part, look: LookAtFolder): readonly string[] {
  const { project, service, mounts } = part;
  return [
    project.folder,
    homeOf([part], look),
    ...(service.build === undefined ? [] : [resolve(project.directory, service.build.context)]),
    ...service.envFiles.map((file) => resolve(project.directory, file)),
    ...mounts.flatMap(({ verdict }) => (verdict.is === 'no' ? [] : [verdict.real])),
  ];
}
