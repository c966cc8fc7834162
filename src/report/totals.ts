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

/** Whether none of the services has begun the kind, so that there is no count of it. */
export function isNotBegun(services: readonly ServiceReport[], kind: Kind): boolean {
  return services.length > 0 && services.every(({ notBegun }) => notBegun.includes(kind));
}

/** The same of the kinds whose bytes are counted, as far as they were selected. */
export function areFilesNotBegun(
  services: readonly ServiceReport[],
  kinds: readonly Kind[],
): boolean {
  const chosen = kinds.filter((kind) => kind === 'files' || kind === 'models');
  return chosen.length > 0 && chosen.every((kind) => isNotBegun(services, kind));
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

/** Exit code of a report; that of an interrupted wipe comes from the signal. A dry run is 0. */
export function reportExitCode(report: WipeReport): number {
  return report.dryRun || isClean(report.services) ? EXIT_CODE.done : EXIT_CODE.failed;
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
    only !== '' && report.kinds.includes('queue')
      ? `, ${totals.tasksQueued + totals.tasksInFlight} tasks`
      : '';
  if (report.dryRun) {
    return `DRY RUN${only}: ${counts} would be removed (${size})${tasks}, nothing was changed${errorsText(totals.errors)}`;
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
