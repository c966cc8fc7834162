import { EXIT_CODE } from '../errors.ts';
import { durationText } from './text.ts';
import { KINDS } from './types.ts';
import type { Kind, Remaining, ServiceReport, WipeReport } from './types.ts';

/** Sums, the closing message and the exit code of a report. */

export interface Totals {
  readonly jobsRemoved: number;
  readonly tasksQueued: number;
  readonly tasksInFlight: number;
  readonly tasksCancelled: number;
  readonly filesDeleted: number;
  readonly modelsDeleted: number;
  readonly bytesFreed: number;
  readonly bytesHeldOpen: number;
  readonly remaining: Remaining;
  readonly errors: number;
  readonly warnings: number;
  /** Every service is; false when there is none. */
  readonly verified: boolean;
}

export function totalsOf(services: readonly ServiceReport[]): Totals {
  const sum = (figure: (service: ServiceReport) => number): number =>
    services.reduce((total, service) => total + figure(service), 0);
  return {
    jobsRemoved: sum((service) => service.jobsRemoved),
    tasksQueued: sum((service) => service.tasksPurged.queued),
    tasksInFlight: sum((service) => service.tasksPurged.inFlight),
    tasksCancelled: sum((service) => service.tasksCancelled),
    filesDeleted: sum((service) => service.filesDeleted),
    modelsDeleted: sum((service) => service.modelsDeleted),
    bytesFreed: sum((service) => service.bytesFreed),
    bytesHeldOpen: sum((service) => service.bytesHeldOpen),
    remaining: {
      jobs: sum((service) => service.remaining.jobs),
      tasks: sum((service) => service.remaining.tasks),
      files: sum((service) => service.remaining.files),
      models: sum((service) => service.remaining.models),
    },
    errors: sum((service) => service.failures.total),
    warnings: sum((service) => service.warnings.length),
    verified: services.length > 0 && services.every((service) => service.verified),
  };
}

/**
 * What a table says of a kind over some services: `none` (`-`) where it was not selected, not begun or
 * not configured; `unknown` (`?`) where nothing is counted because it could not be looked at.
 */
export function cellOf(
  services: readonly ServiceReport[],
  kind: Kind,
  kinds: readonly Kind[],
  count: number,
): 'none' | 'unknown' | 'count' {
  if (!kinds.includes(kind)) return 'none';
  const isNone = ({ notBegun, notConfigured }: ServiceReport): boolean =>
    notBegun.includes(kind) || notConfigured.includes(kind);
  if (services.length > 0 && count === 0 && services.every(isNone)) return 'none';
  const isUnknown = services.some(({ unknown }) => unknown.includes(kind));
  return isUnknown && count === 0 ? 'unknown' : 'count';
}

/** The same of the freed bytes: of files and models, as far as they were selected. */
export function bytesCellOf(
  services: readonly ServiceReport[],
  kinds: readonly Kind[],
  bytes: number,
): 'none' | 'unknown' | 'count' {
  const cells = (['files', 'models'] as const)
    .filter((kind) => kinds.includes(kind))
    .map((kind) => cellOf(services, kind, kinds, bytes));
  if (cells.includes('unknown')) return 'unknown';
  return cells.length > 0 && cells.every((cell) => cell === 'none') ? 'none' : 'count';
}

/** 2^20 bytes, rounded to 2 decimals. */
export function megabytes(bytes: number): number {
  return Math.round((bytes / 2 ** 20) * 100) / 100;
}

export function remainingCount(remaining: Remaining): number {
  return remaining.jobs + remaining.tasks + remaining.files + remaining.models;
}

/** Everything asked for is gone and was seen to be gone. */
export function isClean(services: readonly ServiceReport[]): boolean {
  const totals = totalsOf(services);
  return totals.verified && totals.errors === 0 && remainingCount(totals.remaining) === 0;
}

/** The status of a wipe that ran to its end. */
export function finishedStatus(
  services: readonly ServiceReport[],
): 'completed' | 'completed_with_errors' {
  return isClean(services) ? 'completed' : 'completed_with_errors';
}

/**
 * Exit code of a report; that of an interrupted wipe comes from the signal. A dry run is 0 where all
 * could be looked at, so that `--dry-run && …` goes on only then.
 */
export function reportExitCode(report: WipeReport): number {
  const isGood = report.dryRun ? totalsOf(report.services).errors === 0 : isClean(report.services);
  return isGood ? EXIT_CODE.done : EXIT_CODE.failed;
}

export function isTotal(kinds: readonly Kind[]): boolean {
  return KINDS.every((kind) => kinds.includes(kind));
}

/**
 * The closing message, in the contract's words. Its counts have a fixed form (`1 models`, `0 jobs`)
 * because scripts match it.
 */
export function reportMessage(report: WipeReport): string {
  const totals = totalsOf(report.services);
  const age =
    report.olderThan === undefined ? '' : `, older than ${durationText(report.olderThan)}`;
  const only = isTotal(report.kinds)
    ? ''
    : ` (${KINDS.filter((kind) => report.kinds.includes(kind)).join(', ')} only${age})`;
  const counts = `${totals.jobsRemoved} jobs + ${totals.filesDeleted} files + ${totals.modelsDeleted} models`;
  const size = `${megabytes(totals.bytesFreed)}MB`;
  // The total wipe's message has no room for tasks: its form is fixed by the contract.
  const tasks =
    (only !== '' || report.dryRun) && report.kinds.includes('queue')
      ? `, ${totals.tasksQueued + totals.tasksInFlight} tasks`
      : '';
  if (report.dryRun) {
    const doubt = totals.errors === 0 ? '' : `${errorsText(totals.errors)}: not all is counted`;
    return `DRY RUN${only}: ${counts} would be removed (${size})${tasks}, nothing was changed${doubt}`;
  }
  const removed = `${counts} removed (${size} freed)${tasks}`;
  const left = remainingCount(totals.remaining);
  const trouble = errorsText(totals.errors) + (left > 0 ? `, ${left} left` : '');
  if (report.status === 'interrupted') return `⚠️  WIPE INTERRUPTED${only}: ${removed}${trouble}`;
  if (isClean(report.services)) {
    return `🔥 ${only === '' ? 'TOTAL WIPE' : 'WIPE'} COMPLETED${only}: ${removed}`;
  }
  const doubt = trouble === '' ? ', not verified' : trouble;
  return `⚠️  WIPE FINISHED WITH ERRORS${only}: ${removed}${doubt}`;
}

function errorsText(errors: number): string {
  return errors === 0 ? '' : `, ${errors} ${errors === 1 ? 'error' : 'errors'}`;
}
