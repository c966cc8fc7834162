/**
 * Something about a service that stands between a wipe and a true "verified", or that the operator
 * should know. Found by one check, which doctor, plan, stats and wipe all ask.
 */
export interface Finding {
  readonly code: string;
  /**
   * `problem`: a wipe cannot vouch for the kind, so it exits with 1. `note`: normal at times, and
   * therefore not shown with `--quiet`.
   */
  readonly severity: 'problem' | 'warning' | 'note';
  /** `Redis`, `Celery`, or the name of a directory. */
  readonly target: string;
  /** What of it: `127.0.0.1:6379/3 (jobs)`. */
  readonly item: string;
  /** One sentence without its full stop. */
  readonly reason: string;
  /** The line to change or the command to run; empty when there is nothing to do. */
  readonly hint: string;
}
