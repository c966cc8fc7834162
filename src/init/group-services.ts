/** Which containers are one application: its API, its workers, its scheduler. */
import { basename, resolve } from 'node:path';
import type { Address } from '../redis/target.ts';
import { celeryCommand } from './celery-command.ts';
import type { CeleryCommand } from './celery-command.ts';
import type { ComposeService } from './compose.ts';
import { foldersOfContainer } from './container-folders.ts';
import { kindOf } from './data-directories.ts';
import type { LookAtFolder, ProjectPlaces, Verdict } from './data-directories.ts';
import { isInfrastructure } from './infrastructure.ts';
import { knownService } from './known-services.ts';
import type { KnownService } from './known-services.ts';
import { reachableFromHost, socketOnHost } from './published-ports.ts';
import { databaseOf } from './redis-found.ts';
import { redisInEnvironment } from './redis-in-environment.ts';
import type { Origin } from './origin.ts';
import type { RedisFound } from './redis-found.ts';
import type { RedisUse, Variables } from './redis-in-environment.ts';

/** One deployment: compose files that are read together, or an `.env` alone. */
export interface Project {
  readonly kind: 'compose' | 'env';
  /** Absolute, of the first file: what is relative is relative to this. */
  readonly directory: string;
  /** Absolute: the folder of the stack or service; of `grabber/docker/compose.yaml` it is `grabber`. */
  readonly folder: string;
  /** That folder is one service's, and not that of a whole stack. */
  readonly isOfService: boolean;
  /** Its first file, and all, as messages name them. */
  readonly file: string;
  readonly files: readonly string[];
  /** The same, absolute. */
  readonly paths: readonly string[];
  /** Undefined: the file gives none. */
  readonly name: string | undefined;
  readonly services: readonly Container[];
  /** Absolute: env files whose variables its containers get. */
  readonly envFiles: ReadonlySet<string>;
}

/** A service of a compose file, or a folder with nothing but an `.env`. */
export interface Container {
  readonly service: ComposeService;
  /** Of its env files and its own entries. */
  readonly variables: Variables;
  /** Where its part of the compose file holds one of these texts. */
  locate(...needles: readonly string[]): Origin;
  /** Where a variable is set. */
  originOf(variable: string): Origin;
  /** Absolute, of the env file that sets a variable; undefined: the compose file does. */
  folderOf(variable: string): string | undefined;
  /** Absolute path of the env file that `--env-file` must name for a variable. */
  envFileOf(variable: string): string | undefined;
}

/** A folder that a container has, and why it is known. */
export interface Mount {
  /** As messages name it. */
  readonly label: string;
  readonly origin: Origin;
  /** The setting that names it; undefined: it is mounted, or found by its name. */
  readonly variable: string | undefined;
  /** Absolute; a named volume's name. */
  readonly path: string;
  readonly verdict: Verdict;
  readonly readOnly: boolean;
}

/** What is known of one container. */
export interface Part {
  readonly project: Project;
  readonly container: Container;
  readonly service: ComposeService;
  readonly variables: Variables;
  readonly known: KnownService | undefined;
  readonly celery: CeleryCommand | undefined;
  /** Hosts and ports as this machine reaches them. */
  readonly redis: RedisUse;
  readonly mounts: readonly Mount[];
  readonly notes: readonly string[];
}

export type Group = readonly [Part, ...Part[]];

/** Undefined: nothing that a wipe could be about. */
export function examine(
  container: Container,
  project: Project,
  projects: readonly Project[],
  places: ProjectPlaces,
  look: LookAtFolder,
): Part | undefined {
  const { service, variables } = container;
  if (isInfrastructure(service)) return undefined;
  const celery = service.commands.map(celeryCommand).find((command) => command !== undefined);
  const notes: string[] = [];
  const own = project.services.map((one) => one.service);
  const others = projects.flatMap((one) => one.services.map((other) => other.service));
  const doubt = (text: string): void => {
    const note = `Redis: ${text}`;
    if (!notes.includes(note)) notes.push(note);
  };
  const reachAddress = (address: Address): Address | undefined => {
    const reached =
      'path' in address
        ? socketOnHost(address.path, service, project)
        : reachableFromHost(address, own, others);
    if (reached.doubt !== undefined) doubt(reached.doubt);
    if ('path' in reached) return reached.path === undefined ? undefined : { path: reached.path };
    return { host: reached.host, port: reached.port };
  };
  const reach = (found: RedisFound | undefined): RedisFound | undefined => {
    const [first, ...more] = (found?.addresses ?? []).flatMap((one) => reachAddress(one) ?? []);
    if (found === undefined || first === undefined) return undefined;
    return { ...found, addresses: [first, ...more] };
  };
  const used = redisInEnvironment(variables, celery?.broker);
  const mounts = foldersOfContainer(container, project, places, look);
  const redis: RedisUse = {
    ...used,
    broker: reach(used.broker),
    results: reach(used.results),
    jobs: reach(used.jobs),
  };
  // One that is refused as well: the operator should read why.
  const holdsData = mounts.some(
    ({ path, verdict }) => verdict.is !== 'no' || kindOf(path, places.base) !== undefined,
  );
  const isApplication =
    [redis.jobs, redis.broker, redis.results, celery].some((one) => one !== undefined) ||
    used.notes.length > 0;
  if (!isApplication && !holdsData) return undefined;
  notes.unshift(...used.notes);
  const { build, image } = service;
  const context = build === undefined ? undefined : resolve(project.directory, build.context);
  const known = knownService([
    service.name,
    ...service.aliases,
    context === undefined ? undefined : basename(context),
    image?.replace(/[:@].*$/s, ''),
    basename(project.folder),
  ]);
  return { project, container, service, variables, known, celery, redis, mounts, notes };
}

/** In the order of the files. */
export function groupParts(parts: readonly Part[]): readonly Group[] {
  const byProgram = joined(
    parts.map((part): Group => [part]),
    (a, b) => isOneKnown(a, b) || (haveOneProgram(a, b) && isCompatible(a, b)),
  );
  const byData = joined(byProgram, (a, b) => shareData(a, b) && isCompatible(a, b));
  // An API whose worker is another image: it belongs to the only worker of its broker.
  const workersOf = (group: Group): readonly Group[] =>
    byData.filter((other) => hasWorker(other) && sameDatabase(brokerOf(other), brokerOf(group)));
  return joined(
    byData,
    (a, b) =>
      isCompatible(a, b) &&
      sameDatabase(brokerOf(a), brokerOf(b)) &&
      (shareQueue(a, b) || (hasWorker(a) !== hasWorker(b) && workersOf(a).length === 1)),
  );
}

/** Each group joins the first one before it that it belongs to. */
function joined(groups: readonly Group[], belong: (a: Group, b: Group) => boolean): Group[] {
  const result: Group[] = [];
  for (const group of groups) {
    const index = result.findIndex((earlier) => belong(earlier, group));
    const earlier = result[index];
    if (earlier === undefined) result.push(group);
    else result[index] = [...earlier, ...group];
  }
  return result;
}

const QUEUE_VARIABLE = /^(?:CELERY_)?(?:TASK_)?(?:DEFAULT_)?(?:WORKER_)?QUEUES?(?:_NAME)?$/;

/** Queues that its settings name, each with the name of the setting. */
export function configuredQueues(
  group: Group,
): readonly { readonly queue: string; readonly variable: string; readonly part: Part }[] {
  return group.flatMap((part) =>
    [...part.variables]
      .filter(([variable]) => QUEUE_VARIABLE.test(variable))
      .flatMap(([variable, { text }]) =>
        text.split(',').map((queue) => ({ queue: queue.trim(), variable, part })),
      )
      .filter(({ queue }) => queue !== ''),
  );
}

/** Queues that its workers' commands or its settings name. */
export function namedQueues(group: Group): readonly string[] {
  const consumed = group.flatMap(({ celery }) => (celery?.worker === true ? celery.queues : []));
  const names = consumed.length > 0 ? consumed : configuredQueues(group).map(({ queue }) => queue);
  return [...new Set(names)];
}

export function hasWorker(group: Group): boolean {
  return group.some(({ celery }) => celery?.worker === true);
}

export function knownOf(group: Group): KnownService | undefined {
  return group.find(({ known }) => known !== undefined)?.known;
}

/** Of the worker rather than of the API: it is the worker's queue. */
export function brokerOf(group: Group): RedisFound | undefined {
  const ordered = [...group.filter(({ celery }) => celery?.worker === true), ...group];
  const part = ordered.find(({ redis }) => redis.broker !== undefined);
  return part?.redis.broker ?? jobsOf(ordered);
}

/** Without a database of its own for them, jobs are most likely kept where the results are. */
export function jobsOf(group: readonly Part[]): RedisFound | undefined {
  for (const use of ['jobs', 'results', 'broker'] as const) {
    const part = group.find(({ redis }) => redis[use] !== undefined);
    if (part !== undefined) return part.redis[use];
  }
  return undefined;
}

/** The container that names it. */
export function partOf(group: Group, found: RedisFound): Part | undefined {
  return group.find(({ redis }) => [redis.jobs, redis.broker, redis.results].includes(found));
}

export function sameDatabase(a: RedisFound | undefined, b: RedisFound | undefined): boolean {
  return a !== undefined && b !== undefined && databaseOf(a) === databaseOf(b);
}

function isOneKnown(a: Group, b: Group): boolean {
  return knownOf(a) !== undefined && knownOf(a) === knownOf(b);
}

/** Nothing that speaks against one application: other known names, other databases. */
function isCompatible(a: Group, b: Group): boolean {
  const [known, other] = [knownOf(a), knownOf(b)];
  if (known !== undefined && other !== undefined && known !== other) return false;
  const [databases, others] = [databasesOf(a), databasesOf(b)];
  if (databases.size === 0 || others.size === 0) return true;
  return [...others].some((database) => databases.has(database));
}

function databasesOf(group: Group): ReadonlySet<string> {
  const found = group.flatMap(({ redis }) => [redis.jobs, redis.broker, redis.results]);
  return new Set(found.flatMap((one) => (one === undefined ? [] : [databaseOf(one)])));
}

function haveOneProgram(a: Group, b: Group): boolean {
  const programs = new Set(a.map(programOf));
  return b.some((part) => programs.has(programOf(part)));
}

function programOf({ project, service }: Part): string {
  const { build, image, name } = service;
  if (build !== undefined) {
    return `build ${resolve(project.directory, build.context)} ${build.dockerfile}`;
  }
  return image === undefined ? `service ${project.directory} ${name}` : `image ${image}`;
}

function shareData(a: Group, b: Group): boolean {
  const dataOf = (group: Group): string[] =>
    group.flatMap(({ mounts }) =>
      mounts.flatMap(({ verdict }) => (verdict.is === 'no' ? [] : [verdict.real])),
    );
  const data = new Set(dataOf(a));
  if (!dataOf(b).some((path) => data.has(path))) return false;
  if (jobsOf(a) === undefined && jobsOf(b) === undefined) return false;
  return !(hasWorker(a) && hasWorker(b)) || shareQueue(a, b);
}

function shareQueue(a: Group, b: Group): boolean {
  const queuesOf = (group: Group): string[] =>
    group.flatMap(({ celery }) =>
      celery?.worker === true ? (celery.queues.length === 0 ? ['celery'] : celery.queues) : [],
    );
  const queues = new Set(queuesOf(a));
  return queuesOf(b).some((queue) => queues.has(queue));
}
