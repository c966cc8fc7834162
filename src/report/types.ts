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

export interface DirectoryReport {
  /** As shown to people: `Uploads`. */
  readonly name: string;
  /** Resolved, absolute. */
  readonly path: string;
  readonly kind: 'files' | 'models';
  readonly deleted: number;
  readonly bytesFreed: number;
}

export interface ServiceReport {
  readonly name: string;
  readonly jobsRemoved: number;
  readonly resultsRemoved: number;
  readonly tasksPurged: { readonly queued: number; readonly inFlight: number };
  readonly tasksCancelled: number;
  readonly filesDeleted: number;
  readonly modelsDeleted: number;
  readonly bytesFreed: number;
  readonly bytesHeldOpen: number;
  /** True only when everything asked for was looked at again after the wipe and nothing was left. */
  readonly verified: boolean;
  readonly remaining: Remaining;
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
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly services: readonly ServiceReport[];
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
}

/** What one service holds now: `stats`, the plan and the dry run show the same thing. */
export interface ServiceCensus {
  readonly name: string;
  readonly jobs: number;
  /** Results of these jobs and tasks; counted for a plan only. */
  readonly results: number;
  readonly tasks: { readonly queued: number; readonly inFlight: number };
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
