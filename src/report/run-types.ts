import type { Progress } from './observer.ts';
import type { Kind, ReportStatus } from './types.ts';

/** What is kept of a run: `run.json`, while it runs and ever after. */
export interface RunRecord {
  readonly cleanupId: string;
  readonly status: 'processing' | ReportStatus | 'refused' | 'declined' | 'locked' | 'failed';
  readonly targets: readonly string[];
  readonly kinds: readonly Kind[];
  /** Milliseconds; undefined: all. */
  readonly olderThan: number | undefined;
  readonly configFile: string;
  /** Started with `--detach`. */
  readonly detached: boolean;
  readonly user: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: Date;
  /** Undefined as long as it runs, and when it died. */
  readonly finishedAt: Date | undefined;
  readonly exitCode: number | undefined;
  /** The closing message, or why it did not start. */
  readonly message: string | undefined;
  /** What went, as far as it was told last. */
  readonly removed: Removed;
  readonly errors: number;
}

export interface Removed {
  readonly jobs: number;
  readonly tasks: number;
  readonly files: number;
  readonly models: number;
  readonly bytes: number;
}

export const NOTHING_REMOVED: Removed = { jobs: 0, tasks: 0, files: 0, models: 0, bytes: 0 };

/** Where a run is at this moment. */
export interface RunProgress extends Progress {
  /** In the whole run. */
  readonly removed: Removed;
  readonly stepStartedAt: Date;
  readonly updatedAt: Date;
}

/** A run as it is found: one that has not ended may have died. */
export interface Run {
  readonly record: RunRecord;
  /** Undefined: its process cannot be seen from here. */
  readonly isAlive: boolean | undefined;
  readonly progress: RunProgress | undefined;
}

/** What people and programs read: a run without an end whose process is gone has died. */
export function statusOf({ record, isAlive }: Run): RunRecord['status'] | 'died' {
  return record.status === 'processing' && isAlive === false ? 'died' : record.status;
}
