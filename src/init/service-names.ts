/** What a service is called, and which folder it lives in. */
import { basename, dirname, join, resolve } from 'node:path';
import { RESERVED_NAMES, SERVICE_NAME } from '../config/types.ts';
import { COMPOSE_FOLDERS } from './compose-files.ts';
import { isBelow } from './data-directories.ts';
import type { LookAtFolder } from './data-directories.ts';
import { knownOf } from './group-services.ts';
import type { Group, Part } from './group-services.ts';

/** Folders that hold one folder a service. */
export const SERVICE_FOLDERS = ['services', 'apps', 'packages'];

/** What a container is called for its part in the application, not for the application. */
const ROLE =
  /^(?:api|worker|workers|web|app|server|backend|celery|beat|flower|scheduler|service|solo|cpu|gpu|fast|slow|high|low|default|queue|queues|\d+)$/;

/** The name without its role: `transcode` of `transcode-worker`, nothing of `worker`. */
function stemOf({ service }: Part): string {
  return service.name
    .split(/[-_.]/)
    .filter((word) => !ROLE.test(word.toLowerCase()))
    .join('-');
}

/**
 * The folder of the service, absolute: that of its own compose file or `.env`, else that it is built
 * from, else `services/<name>`; else the folder of the whole stack.
 */
export function homeOf(group: Group, look: LookAtFolder): string {
  const [{ project }] = group;
  const { folder } = project;
  if (project.isOfService) return folder;
  for (const { service } of group) {
    if (service.build === undefined) continue;
    const context = resolve(project.directory, service.build.context);
    if (isBelow(context, folder)) return context;
    const ofFile = dirname(resolve(context, service.build.dockerfile));
    const above = COMPOSE_FOLDERS.includes(basename(ofFile)) ? dirname(ofFile) : ofFile;
    if (isBelow(above, folder)) return above;
  }
  const names = group.flatMap((part) => [part.service.name, stemOf(part)]);
  const named = SERVICE_FOLDERS.flatMap((holder) =>
    names.filter((name) => name !== '').map((name) => join(folder, holder, name)),
  );
  return named.find((path) => look(path).is === 'directory') ?? folder;
}

/** Its compose name, else the name of its folder; never that of a repository that names services. */
export function nameOf(group: Group, home: string): string {
  const known = knownOf(group);
  if (known !== undefined) return known.name;
  const [{ project, service }] = group;
  const stems = group.map(stemOf);
  const [stem = ''] = stems;
  if (stem !== '' && stems.every((other) => other === stem)) {
    return group.length === 1 ? service.name : stem;
  }
  if (project.isOfService || home !== project.folder) return basename(home);
  return project.name ?? stems.find((other) => other !== '') ?? service.name;
}

export function uniqueNames(wanted: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return wanted.map((one) => {
    const plain = plainName(one);
    let name = plain;
    for (let number = 2; taken.has(name); number += 1) name = `${plain}-${number}`;
    taken.add(name);
    return name;
  });
}

function plainName(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  if (!SERVICE_NAME.test(plain)) return 'service';
  return RESERVED_NAMES.some((reserved) => reserved === plain) ? `${plain}-service` : plain;
}
