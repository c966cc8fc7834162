/** What a wipe, a plan or a look says about itself: plain data, bytes everywhere, no MB. */

export const KINDS = ['jobs', 'queue', 'files', 'models'] as const;
export type Kind = (typeof KINDS)[number];

/** One thing that could not be removed or looked at. */
export interface Failure {
  /** Directory name, `Redis` or `Celery`. */
  readonly target: string;
  /** Path below the directory, or host:port/db, as printable text. */
  readonly item: string;
  /** System or Redis error code: `EACCES`, `ECONNREFUSED`, `WRONGPASS` … */
  readonly code: string;
  /** One phrase, e.g. `Permission denied`. */
  readonly reason: string;
  /** What to do about it, one phrase; empty when there is nothing to say. */
  readonly hint: string;
}

/** Failures in the order they came; only the first `MAX_LISTED` are kept, all are counted. */
export interface FailureList {
  readonly first: readonly Failure[];
  readonly total: number;
}

export const MAX_LISTED = 100;

export interface Remaining {
  readonly jobs: number;
  readonly tasks: number;
  readonly files: number;
  readonly models: number;
}

export const NOTHING_LEFT: Remaining = { jobs: 0, tasks: 0, files: 0, models: 0 };

/** How far the kinds of a service were looked at; a kind in no list was looked at as a whole. */
export interface Coverage {
  /** Kinds that could not be looked at, or not completely: their counts are too low. */
  readonly unknown: readonly Kind[];
  /** Kinds that the config names nothing of. */
  readonly notConfigured: readonly Kind[];
}

export const ALL_COVERED: Coverage = { unknown: [], notConfigured: [] };

export interface DirectoryReport {
  /** As shown to people: `Uploads`. */
  readonly name: string;
  /** Resolved, absolute. */
  readonly path: string;
  readonly kind: 'files' | 'models';
  readonly deleted: number;
  readonly bytesFreed: number;
  /** Directories that went are inodes too. */
  readonly inodesFreed: number;
  /** Of deleted files that somebody still holds; not part of `bytesFreed`. */
  readonly bytesHeldOpen: number;
}

/** What a wipe did to one file system, and what statfs says of it. */
export interface FileSystemReport {
  /** Where it is mounted. */
  readonly mount: string;
  /** `ext4`, `tmpfs` …; empty where that cannot be told. */
  readonly type: string;
  readonly bytesFreed: number;
  readonly inodesFreed: number;
  readonly bytesHeldOpen: number;
  readonly freeBefore: Free;
  readonly freeAfter: Free;
  /** Why the two differ much; undefined: they do not. */
  readonly note: string | undefined;
}

/** What a Redis server gave back, and whether the wipe is on its disk. */
export interface RedisServerReport {
  /** `host:port` or what the config names, without database and password. */
  readonly server: string;
  readonly services: readonly string[];
  /** Jobs, results and tasks that went from it. */
  readonly removed: number;
  /** `used_memory` in bytes, before the first removal. */
  readonly usedBefore: number;
  /** After it, the background freeing included; undefined: nobody answered any more. */
  readonly usedAfter: number | undefined;
  /** Redis frees on: then `usedAfter` is too high. */
  readonly isStillFreeing: boolean;
  /**
   * `log`: by its append-only log; `saved`: in a snapshot; `at the next save`: a crash before would
   * bring back what went.
   */
  readonly onDisk: 'log' | 'saved' | 'at the next save' | 'nothing is saved' | 'unknown';
}

export interface Free {
  readonly bytes: number;
  readonly inodes: number;
}

/** A task that a worker has in its hands, of a queue of this service. */
export interface TaskCensus {
  readonly id: string;
  /** Name of its function. */
  readonly name: string;
  readonly state: 'active' | 'reserved' | 'scheduled';
  /** Of the process that runs it. */
  readonly pid: number | undefined;
  /** Of a running task, by the worker's clock and ours. */
  readonly runtimeSeconds: number | undefined;
  /** ISO 8601, of a scheduled task. */
  readonly eta: string | undefined;
}

export interface WorkerCensus {
  /** `worker@host` */
  readonly name: string;
  /** How many workers go by this name: more than 1 is a mistake in their `--hostname`. */
  readonly copies: number;
  readonly pid: number | undefined;
  /** Queues of this service that it consumes now. */
  readonly queues: readonly string[];
  readonly tasks: readonly TaskCensus[];
  /** Scheduled tasks that are revoked already, and stay in its memory until they are due. */
  readonly revoked: readonly TaskCensus[];
  /** Whether it has told all of its tasks. */
  readonly complete: boolean;
}

/** Who works for a service, as Redis and the workers say. */
export interface Workers {
  /** Those that answered and consume a queue of this service, or have a task of it. */
  readonly own: readonly WorkerCensus[];
  /** How many listen on the database, also for other services. */
  readonly listening: number;
  /** Clients blocked on a queue of the database, whoever's; undefined when that may not be seen. */
  readonly waiting: number | undefined;
  /** How many consumers of the database do not listen to remote control, whoever's. */
  readonly withoutRemoteControl: number;
  /** How many listen and did not answer, and the names that they may have. */
  readonly silent: number;
  readonly silentNames: readonly string[];
  /** Consumers that an earlier run told to stop, and did not tell to go on. */
  readonly held: readonly { readonly worker: string; readonly queue: string }[];
  /** The same, of workers that do not answer, or did not say what they consume. */
  readonly maybeHeld: readonly { readonly worker: string; readonly queue: string }[];
  /** Consumers that another run holds, which goes on now. */
  readonly heldByOthers: readonly { readonly worker: string; readonly queue: string }[];
  /**
   * Workers that listen and consume nothing at all, and so may be what a queue lacks: only where a
   * single queue was ever declared, and it is this service's.
   */
  readonly idle: readonly string[];
  /** Tasks that a wipe leaves since they go to queues of others as well, in sentences. */
  readonly leftTasks: readonly string[];
  /** Why nobody could be asked. */
  readonly trouble: string | undefined;
  /** Settings of the app that the config contradicts, or that cannot be told. */
  readonly problems: readonly Failure[];
}

export const NO_WORKERS: Workers = {
  own: [],
  listening: 0,
  waiting: undefined,
  withoutRemoteControl: 0,
  silent: 0,
  silentNames: [],
  held: [],
  maybeHeld: [],
  heldByOthers: [],
  idle: [],
  leftTasks: [],
  trouble: undefined,
  problems: [],
};

export interface ServiceReport extends Coverage {
  readonly name: string;
  /** `host:port/db` of the jobs, without password; undefined: none is configured. */
  readonly redis: string | undefined;
  readonly jobsRemoved: number;
  readonly resultsRemoved: number;
  /** Keys of `indexKeys`, which list the jobs. */
  readonly indexKeysRemoved: number;
  readonly tasksPurged: { readonly queued: number; readonly inFlight: number };
  readonly tasksCancelled: number;
  /** Of the removed ones: what was not there any more and then again, while the wipe went on. */
  readonly cameBack: Remaining;
  readonly filesDeleted: number;
  readonly modelsDeleted: number;
  readonly bytesFreed: number;
  readonly bytesHeldOpen: number;
  /** True only when everything asked for was looked at again after the wipe and nothing was left. */
  readonly verified: boolean;
  readonly remaining: Remaining;
  /** Kinds that the last look could not see, or not completely: at least so many remain. */
  readonly unseen: readonly Kind[];
  /** Selected kinds that an interrupted run had not begun: their figures are no counts. */
  readonly notBegun: readonly Kind[];
  readonly failures: FailureList;
  readonly warnings: readonly string[];
  readonly directories: readonly DirectoryReport[];
}

export type ReportStatus = 'completed' | 'completed_with_errors' | 'interrupted' | 'planned';

export interface WipeReport {
  readonly cleanupId: string;
  readonly status: ReportStatus;
  readonly dryRun: boolean;
  /** The kinds asked for; all four make a total wipe. */
  readonly kinds: readonly Kind[];
  /** Only files last modified and jobs created so many milliseconds before went; undefined: all. */
  readonly olderThan: number | undefined;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly services: readonly ServiceReport[];
  /** Those that something was to be removed from. */
  readonly fileSystems: readonly FileSystemReport[];
  /** Those that could be asked. */
  readonly redisServers: readonly RedisServerReport[];
  /** Of the run as a whole, not of one service. */
  readonly warnings: readonly string[];
}

/** What one directory holds now. */
export interface DirectoryCensus {
  readonly name: string;
  readonly path: string;
  readonly kind: 'files' | 'models';
  /** Files, links and special files at every depth; directories are not counted. */
  readonly files: number;
  /** Allocated bytes that a wipe would free. */
  readonly bytes: number;
  /** Directories below it that would go with them. */
  readonly subdirectories: number;
  readonly inodes: number;
}

/** What one service holds now: `stats`, the plan and the dry run show the same thing. */
export interface ServiceCensus extends Coverage {
  readonly name: string;
  readonly jobs: number;
  /** Jobs that are too young to go, or of unknown age. */
  readonly jobsKept: number;
  /** Results of these jobs and tasks; counted for a plan only. */
  readonly results: number;
  /** Keys of `indexKeys`; counted for a plan only. */
  readonly indexKeys: number;
  readonly tasks: {
    readonly queued: number;
    readonly inFlight: number;
    /** Messages of its queues that a wipe leaves, since they may be another's: none of the others. */
    readonly left?: number;
  };
  readonly workers: Workers;
  readonly files: number;
  readonly models: number;
  readonly bytes: number;
  readonly directories: readonly DirectoryCensus[];
  /** `host:port/db` without password; undefined when the service has files only. */
  readonly redis: string | undefined;
  readonly broker: string | undefined;
  readonly failures: FailureList;
  readonly warnings: readonly string[];
}
