import { scanInFlight } from '../celery/in-flight.ts';
import { countQueued, findQueueKeys } from '../celery/queue.ts';
import type { Shared } from '../celery/scope.ts';
import { errorCode } from '../errors.ts';
import { ownPath } from '../files/aside.ts';
import { inspectDirectory } from '../files/inspect.ts';
import { knowIfThere, withDirectory } from '../files/known-directory.ts';
import { countJobs } from '../redis/jobs.ts';
import { notConfiguredKinds, unknownFileKinds } from '../resources/coverage.ts';
import { collectFailures } from '../report/failures.ts';
import { printable } from '../report/printable.ts';
import { NO_WORKERS } from '../report/types.ts';
import type { DirectoryCensus, Failure, Kind, ServiceCensus } from '../report/types.ts';
import { onLink } from './links.ts';
import { directoryFailure } from './open-services.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import type { ServiceKeys } from './service-keys.ts';
import {
  doubtfulLists,
  leftWarning,
  sharedMessageFailures,
  unreadFailure,
} from '../wipe/left-messages.ts';
import { seeForLook } from '../resources/seen-keys.ts';
import type { SeenDatabases } from '../resources/seen-keys.ts';
import { jobKeysOf } from '../resources/survey-service.ts';
import { obstacleWarnings } from './obstacles.ts';
import type { DirectoryObstacle } from './obstacles.ts';
import { mountFailure, mountWarning, strangeKeyWarning } from './warnings.ts';

/** Files and bytes counted in the directory at hand. */
export type InspectProgress = (files: number, bytes: number) => void;

/** Called for everything that a look finds: a job's key, a task, a file, a directory of files. */
export type Found = (kind: Kind | 'directories', name: () => string) => void;

export interface InspectOptions {
  readonly progress?: InspectProgress;
  /** Gets the name of everything that is there, where somebody wants to know. */
  readonly found?: Found;
  /** Gets the key of every job, one that comes twice too. */
  readonly jobKeys?: (key: Buffer) => void;
  /** Told in a sentence what this user will not be able to empty or remove. */
  readonly obstacle?: (text: string) => void;
  /** How many names of a file with several were seen, in the other services too; grows. */
  readonly seenNames?: Map<string, number>;
  /** What a pass over its databases found; undefined: a pass is made for this look. */
  readonly seen?: SeenDatabases;
}

/**
 * What a service holds now of the chosen kinds; the plan, the dry run, `stats` and the proof after a
 * wipe all look through this. It does not count results nor ask workers, see `inspectForPlan`.
 * Changes nothing. What could not be looked at is among the failures.
 * @throws the signal's reason.
 */
export async function inspectService(
  service: OpenService,
  kinds: readonly Kind[],
  signal: AbortSignal,
  options: InspectOptions = {},
): Promise<ServiceCensus> {
  const failures = collectFailures();
  for (const failure of service.failures) failures.add(failure);
  const failed = new Set(service.failures.map(({ target }) => target));
  const located = service.directories.map((directory) => directory.located);
  const report = (failure: Failure): void => {
    failures.add(failure);
    failed.add(failure.target);
  };
  const warnings = service.warnings.map(({ text }) => text);
  const { jobs, jobsKept, tasks, unknown } = await countInRedis(
    service,
    kinds,
    report,
    warnings,
    signal,
    options,
  );
  const obstacles: DirectoryObstacle[] = [];
  const directories = await countDirectories(
    service,
    report,
    failures.add,
    warnings,
    signal,
    options,
    options.obstacle === undefined ? undefined : obstacles,
  );
  for (const text of obstacleWarnings(service.config.name, obstacles)) options.obstacle?.(text);
  const total = (kind: 'files' | 'models'): number =>
    directories.reduce((sum, one) => sum + (one.kind === kind ? one.files : 0), 0);
  return {
    name: service.config.name,
    jobs,
    jobsKept,
    results: 0,
    indexKeys: 0,
    tasks,
    workers: NO_WORKERS,
    files: total('files'),
    models: total('models'),
    bytes: directories.reduce((sum, one) => sum + one.bytes, 0),
    directories,
    redis: service.redis?.label,
    broker: service.broker?.label,
    unknown: [...unknown, ...unknownFileKinds(located, service.config, failed)],
    notConfigured: notConfiguredKinds(service.config),
    failures: failures.list(),
    warnings,
  };
}

async function countInRedis(
  service: OpenService,
  kinds: readonly Kind[],
  report: (failure: Failure) => void,
  warnings: string[],
  signal: AbortSignal,
  { found, jobKeys, seen: seenBefore }: Pick<InspectOptions, 'found' | 'jobKeys' | 'seen'>,
): Promise<Pick<ServiceCensus, 'jobs' | 'jobsKept' | 'tasks' | 'unknown'>> {
  const keys = serviceKeys(service);
  const seen = seenBefore ?? (await seeForLook(service, { kinds, census: 'none' }, report, signal));
  const isWanted = kinds.includes('jobs') && service.config.jobKeys === 'named';
  const jobKeysHere = isWanted ? await jobKeysOf(service, keys, signal, seen.redis) : keys.jobs;
  const jobs = isWanted
    ? await onLink(service.redis, { target: 'Redis', name: 'jobs' }, report, async (redis) =>
        countJobs(
          redis,
          jobKeysHere,
          signal,
          (key) => {
            jobKeys?.(key);
            found?.('jobs', () => printable(key));
          },
          seen.redis.jobs,
        ),
      )
    : 0;
  const isUnknown = kinds.includes('jobs') && service.config.jobKeys === 'not said';
  const unknown: readonly Kind[] = jobs === undefined || isUnknown ? ['jobs'] : [];
  const kept = keys.jobs.age?.kept;
  const jobsKept = kept === undefined ? 0 : kept.young + kept.undated + kept.broken;
  if (!kinds.includes('queue') || keys.queues.length === 0) {
    return { jobs: jobs ?? 0, jobsKept, tasks: { queued: 0, inFlight: 0 }, unknown };
  }
  const look = { service, keys, seen, report, warnings, signal, found };
  const queued = await countQueue(look);
  const inFlight = await countInFlight(look);
  const left = (queued?.left ?? 0) + (inFlight?.left ?? 0);
  const tasks = { queued: queued?.count ?? 0, inFlight: inFlight?.count ?? 0 };
  return {
    jobs: jobs ?? 0,
    jobsKept,
    tasks: { ...tasks, ...(left > 0 ? { left } : {}) },
    unknown: queued === undefined || inFlight === undefined ? [...unknown, 'queue'] : unknown,
  };
}

interface QueueLook {
  readonly service: OpenService;
  readonly keys: ServiceKeys;
  readonly seen: SeenDatabases;
  readonly report: (failure: Failure) => void;
  readonly warnings: string[];
  readonly signal: AbortSignal;
  readonly found: InspectOptions['found'];
}

/** Messages that the wipe removes, and messages that it leaves; undefined: Redis could not be asked. */
type MessageCounts = { readonly count: number; readonly left: number } | undefined;

async function countQueue(look: QueueLook): Promise<MessageCounts> {
  const { service, keys, seen, report, warnings, signal, found } = look;
  const step = { target: 'Celery', name: 'queue' } as const;
  return await onLink(service.broker, step, report, async (broker) => {
    const known = seen.broker.queueLists;
    const lists = await findQueueKeys(broker, keys.scope, keys.broker, signal, known);
    for (const { key, type } of lists.strange) {
      warnings.push(strangeKeyWarning(broker.label, key, type));
    }
    const doubtful = await doubtfulLists(service, broker, lists.doubtful);
    warnings.push(...doubtful.failures.map(leftWarning));
    if (doubtful.messages > 0) {
      for (const { key } of lists.doubtful) found?.('queue', () => `list ${printable(key)}`);
    }
    const count = await countQueued(broker, lists.keys);
    if (count > 0) {
      for (const key of lists.keys) found?.('queue', () => `queue ${printable(key)}`);
    }
    return { count, left: doubtful.messages };
  });
}

async function countInFlight(look: QueueLook): Promise<MessageCounts> {
  const { service, keys, report, warnings, signal, found } = look;
  const step = { target: 'Celery', name: 'in flight' } as const;
  return await onLink(service.broker, step, report, async (broker) => {
    let count = 0;
    let unread = 0;
    const shared: Shared[] = [];
    for await (const batch of scanInFlight(broker, keys.scope, keys.broker, signal)) {
      count += batch.deliveryTags.length;
      for (const id of batch.taskIds) found?.('queue', () => `task ${printable(id)}`);
      unread += batch.unread;
      if (batch.unread > 0) found?.('queue', () => 'message too large to be read');
      for (const { exchange } of batch.shared)
        found?.('queue', () => `message of the exchange ${printable(exchange)}`);
      shared.push(...batch.shared);
    }
    if (unread > 0) {
      warnings.push(leftWarning(unreadFailure(broker.label, keys.broker.unacked, unread)));
    }
    warnings.push(...sharedMessageFailures(service, broker.label, shared).map(leftWarning));
    return { count, left: shared.length + unread };
  });
}

const MOST_OBSTACLES = 1000;

async function countDirectories(
  service: OpenService,
  report: (failure: Failure) => void,
  note: (failure: Failure) => void,
  warnings: string[],
  signal: AbortSignal,
  // One file can have names in several directories; it frees its blocks once.
  { progress, found, seenNames = new Map<string, number>() }: InspectOptions,
  obstacles: DirectoryObstacle[] | undefined,
): Promise<DirectoryCensus[]> {
  const census: DirectoryCensus[] = [];
  for (const { located, known, boundaries, pending, asides } of service.directories) {
    const { name, path, configuredPath, kind, state } = located;
    const empty = { name, path, kind, files: 0, bytes: 0, subdirectories: 0, inodes: 0 };
    try {
      // Missing at the start, and made since.
      const now = known ?? (state.is === 'missing' ? knowIfThere(path, configuredPath) : undefined);
      if (now === undefined) {
        census.push(empty);
        continue;
      }
      const contents = await withDirectory(now, signal, async (top) =>
        inspectDirectory(top, {
          boundaries,
          wholeEntries: kind === 'models',
          seenNames,
          ...(pending.size === 0 ? {} : { pending }),
          onObstacle:
            obstacles &&
            ((obstacle) => {
              if (obstacles.length < MOST_OBSTACLES) obstacles.push({ ...obstacle, located });
            }),
          onFailure: (item, code) => {
            const known = ownPath(asides, item) ?? item;
            report(directoryFailure(located, printable(known) || '.', code));
          },
          ...(progress === undefined ? {} : { progress }),
          ...(found === undefined
            ? {}
            : {
                found: (item: () => Buffer) => {
                  found(kind, () => `${name}/${printable(item())}`);
                },
                foundDirectory: (item: () => Buffer) => {
                  found('directories', () => `${name}/${printable(item())}`);
                },
              }),
          signal,
        }),
      );
      const { files, bytes, directories, inodes, mounts } = contents;
      for (const mount of mounts) {
        if (located.config.mountsMayStay === true) warnings.push(mountWarning(name, mount));
        // The rest of the directory is known all the same.
        else note(mountFailure(name, mount));
      }
      census.push({ ...empty, files, bytes, subdirectories: directories, inodes });
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined || signal.aborted) throw error;
      report(directoryFailure(located, '.', code));
      census.push(empty);
    }
  }
  return census;
}
