import { oneAtATime } from '../one-at-a-time.ts';
import { collectFailures, errorLine } from '../report/failures.ts';
import type { FailureCollector } from '../report/failures.ts';
import type { Observer } from '../report/observer.ts';
import { createLinkLedger } from '../files/link-ledger.ts';
import type { FileWorkers } from '../files/file-workers.ts';
import type { LinkLedger } from '../files/link-ledger.ts';
import type { RedisError } from '../redis/errors.ts';
import { FULL_PACE } from '../redis/pace.ts';
import type { Pace } from '../redis/pace.ts';
import { NOTHING_LEFT } from '../report/types.ts';
import type { DirectoryReport, Failure, Kind, Remaining } from '../report/types.ts';
import { unknownFileKinds } from '../resources/coverage.ts';
import { createJobSample } from '../resources/job-sample.ts';
import type { JobSample } from '../resources/job-sample.ts';
import type { SeenDatabases } from '../resources/seen-keys.ts';
import type { Link } from './links.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import type { ServiceKeys } from './service-keys.ts';
import { logWarning } from './step-log.ts';
import type { Warning } from './warnings.ts';

/** Results that this user may not touch. */
export interface ForbiddenResults {
  readonly link: Link | undefined;
  /** What the names of the refused keys begin with. */
  readonly start: Buffer;
  readonly refusal: RedisError;
}

/** What went, while it goes: on an interruption it holds what was removed until then. */
export interface WipeTally {
  jobs: number;
  results: number;
  queued: number;
  inFlight: number;
  /** Ids of the tasks that were killed or dropped by their worker. */
  readonly cancelled: Set<string>;
  /** Keys of `indexKeys` that went. */
  indexKeys: number;
  /** The config does not name the service's jobs, or not all: a problem of the survey. */
  missesJobs: boolean;
  /** Results of its jobs or tasks could not be removed. */
  leavesResults: boolean;
  /** What the keys of results begin with that this user may not touch, as latin1, and the refusal. */
  readonly forbiddenResults: Map<string, ForbiddenResults>;
  /** Kinds that could not be looked at, or not completely. */
  readonly unknown: Set<Kind>;
  /** Some ids of jobs that went, and what the service's prefixes matched. */
  readonly sample: JobSample;
  /** Something happened after the last look that may have brought things back. */
  isDoubtful: boolean;
  /** Which processes the last look found to have nothing left (see `serverIdentity`), by label. */
  readonly provenOn: Map<string, string>;
  /** Ids of in-flight messages that went, as far as they are kept. */
  readonly takenIds: Set<string>;
  /** A few ids of tasks that were in the queue. */
  readonly someTaskIds: string[];
  /** Ids of groups and chords whose states went: a part of one may write them again. */
  readonly groupIds: Set<string>;
  /** 0 before the first deletion, 1 in the wipe proper, more when something came back. */
  pass: number;
  /** Kinds that the last pass could not remove completely: nothing of them was seen gone. */
  readonly unfinished: Set<Kind>;
  /** The kinds that the first pass has begun, and those of them that it has gone through. */
  readonly begun: Set<Kind>;
  readonly finished: Set<Kind>;
  /** What went of the directory that is being emptied; `directories` has it in the end. */
  inHand: DirectoryInHand | undefined;
  /** When it began, in milliseconds since 1970. */
  readonly began: number;
  /** When the last pass began, by `performance.now()`. */
  passStarted: number;
  cameBack: Remaining;
  readonly directories: DirectoryReport[];
  readonly failures: FailureCollector;
  readonly warnings: string[];
}

export interface DirectoryInHand {
  readonly path: string;
  readonly kind: 'files' | 'models';
  readonly deleted: number;
  readonly bytes: number;
}

/** What removing files shares over all services of a run. */
export interface Erasing {
  readonly ledger: LinkLedger;
  /** Undefined: one process is enough, or all that is wanted. */
  readonly workers: FileWorkers | undefined;
  /** One directory after the other: each takes all processors, and progress tells of one. */
  readonly turn: <T>(work: () => Promise<T>) => Promise<T>;
}

export function startErasing(workers: FileWorkers | undefined): Erasing {
  return { ledger: createLinkLedger(), workers, turn: oneAtATime() };
}

export const ALONE: Erasing = startErasing(undefined);

/** What every step of one service's wipe works with. */
export interface StepContext {
  readonly service: OpenService;
  readonly keys: ServiceKeys;
  readonly tally: WipeTally;
  /** What the pass over the databases found that this removal began with; undefined: before one. */
  readonly seen?: SeenDatabases;
  readonly erasing: Erasing;
  readonly pace: Pace;
  readonly observer: Observer;
  readonly signal: AbortSignal;
  readonly report: (failure: Failure) => void;
  /** What has been said already is not said again. */
  readonly warn: (text: string, weight?: Warning['weight']) => void;
}

export function startTally(service: OpenService): WipeTally {
  const failures = collectFailures();
  for (const failure of service.failures) failures.add(failure);
  return {
    jobs: 0,
    results: 0,
    queued: 0,
    inFlight: 0,
    takenIds: new Set(),
    cancelled: new Set(),
    indexKeys: 0,
    missesJobs: false,
    leavesResults: false,
    forbiddenResults: new Map(),
    unknown: new Set(unknownAtStart(service)),
    sample: createJobSample(service.config),
    isDoubtful: false,
    provenOn: new Map(),
    groupIds: new Set(),
    someTaskIds: [],
    pass: 0,
    unfinished: new Set(),
    begun: new Set(),
    finished: new Set(),
    inHand: undefined,
    began: Date.now(),
    passStarted: 0,
    cameBack: NOTHING_LEFT,
    directories: [],
    failures,
    warnings: service.warnings.map(({ text }) => text),
  };
}

/** Kinds of files whose directories could not be opened, or are not where the config says. */
function unknownAtStart({ config, directories, failures }: OpenService): readonly Kind[] {
  const failed = new Set(failures.map(({ target }) => target));
  return unknownFileKinds(
    directories.map(({ located }) => located),
    config,
    failed,
  );
}

/** What the steps of one service's wipe share. */
export function startStep(
  service: OpenService,
  tally: WipeTally,
  observer: Observer,
  signal: AbortSignal,
  erasing: Erasing = ALONE,
  pace: Pace = FULL_PACE,
): StepContext {
  const { name } = service.config;
  return {
    service,
    keys: serviceKeys(service),
    tally,
    erasing,
    pace,
    observer,
    signal,
    report(failure) {
      // What could not be removed the first time cannot be removed the second time either.
      if (tally.pass > 1 && isKnown(failure, tally.failures)) return;
      if (isRepeated(failure, tally.failures)) return;
      tally.failures.add(failure);
      observer.log({
        level: 'ERROR',
        service: name,
        step: failure.target,
        message: errorLine(failure),
      });
    },
    warn(text, weight = 'warning') {
      if (tally.warnings.includes(text)) return;
      tally.warnings.push(text);
      logWarning(name, { text, weight }, observer);
    },
  };
}

/** One permission that is missing stands in the way of many steps. */
function isRepeated({ target, item, reason }: Failure, failures: FailureCollector): boolean {
  if (target !== 'Redis' && target !== 'Celery') return false;
  return failures
    .list()
    .first.some(
      (other) => other.target === target && other.item === item && other.reason === reason,
    );
}

function isKnown({ target, item }: Failure, failures: FailureCollector): boolean {
  const { first, total } = failures.list();
  return (
    total > first.length || first.some((other) => other.target === target && other.item === item)
  );
}

/** What was removed until now, in the kinds that a look counts. */
export function removedSoFar(tally: WipeTally): Remaining {
  const sum = (kind: 'files' | 'models'): number =>
    tally.directories.reduce((total, one) => total + (one.kind === kind ? one.deleted : 0), 0);
  return {
    jobs: tally.jobs,
    tasks: tally.queued + tally.inFlight,
    files: sum('files'),
    models: sum('models'),
  };
}

/** Adds to what is noted of a directory; with the first note it gets its place in the report. */
export function noteDirectory(tally: WipeTally, added: DirectoryReport): void {
  const index = tally.directories.findIndex(
    ({ path, kind }) => path === added.path && kind === added.kind,
  );
  const known = tally.directories[index];
  if (known === undefined) {
    tally.directories.push(added);
    return;
  }
  tally.directories[index] = {
    ...known,
    deleted: known.deleted + added.deleted,
    bytesFreed: known.bytesFreed + added.bytesFreed,
    inodesFreed: known.inodesFreed + added.inodesFreed,
    bytesHeldOpen: known.bytesHeldOpen + added.bytesHeldOpen,
  };
}
