import { collectFailures, errorLine } from '../report/failures.ts';
import type { FailureCollector } from '../report/failures.ts';
import type { Observer } from '../report/observer.ts';
import type { DirectoryReport, Failure, Kind, ServiceReport } from '../report/types.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import type { ServiceKeys } from './service-keys.ts';
import type { Verdict } from './verify-service.ts';
import { logWarning } from './step-log.ts';
import { warning } from './warnings.ts';
import { wipeDirectory } from './wipe-directory.ts';
import { wipeAllResults, wipeInFlight, wipeJobs, wipeQueue } from './wipe-redis.ts';

/** What went, while it goes: on an interruption it holds what was removed until then. */
export interface WipeTally {
  jobs: number;
  results: number;
  queued: number;
  inFlight: number;
  readonly directories: DirectoryReport[];
  readonly failures: FailureCollector;
  readonly warnings: string[];
}

/** What every step of one service's wipe works with. */
export interface StepContext {
  readonly service: OpenService;
  readonly keys: ServiceKeys;
  readonly tally: WipeTally;
  readonly observer: Observer;
  readonly signal: AbortSignal;
  readonly report: (failure: Failure) => void;
  readonly warn: (text: string) => void;
}

export function startTally(service: OpenService): WipeTally {
  const failures = collectFailures();
  for (const failure of service.failures) failures.add(failure);
  return {
    jobs: 0,
    results: 0,
    queued: 0,
    inFlight: 0,
    directories: [],
    failures,
    warnings: service.warnings.map(({ text }) => text),
  };
}

/**
 * Removes the chosen kinds of one service in the contract's order: queue, in-flight messages, jobs
 * and results, files, models. A failure is recorded and the rest goes on. Fills `tally` as it goes.
 * @throws the signal's reason; `tally` then holds what was removed.
 */
export async function wipeService(
  service: OpenService,
  kinds: readonly Kind[],
  tally: WipeTally,
  observer: Observer,
  signal: AbortSignal,
): Promise<void> {
  const step: StepContext = {
    service,
    keys: serviceKeys(service.config),
    tally,
    observer,
    signal,
    report(failure) {
      tally.failures.add(failure);
      observer.log({
        level: 'ERROR',
        service: service.config.name,
        step: failure.target,
        message: errorLine(failure),
      });
    },
    warn(text) {
      tally.warnings.push(text);
      logWarning(service.config.name, warning(text), observer);
    },
  };
  if (kinds.includes('queue') && step.keys.queues.length > 0) {
    await wipeQueue(step);
    await wipeInFlight(step);
  }
  if (kinds.includes('jobs')) {
    await wipeJobs(step);
    await wipeAllResults(step);
  }
  for (const kind of ['files', 'models'] as const) {
    for (const directory of service.directories) {
      if (directory.located.kind === kind) await wipeDirectory(step, directory);
    }
  }
}

/** What the report says of a service. */
export function serviceReport(name: string, tally: WipeTally, verdict: Verdict): ServiceReport {
  const sum = (kind: 'files' | 'models'): number =>
    tally.directories.reduce((total, one) => total + (one.kind === kind ? one.deleted : 0), 0);
  return {
    name,
    jobsRemoved: tally.jobs,
    resultsRemoved: tally.results,
    tasksPurged: { queued: tally.queued, inFlight: tally.inFlight },
    tasksCancelled: 0,
    filesDeleted: sum('files'),
    modelsDeleted: sum('models'),
    bytesFreed: tally.directories.reduce((total, one) => total + one.bytesFreed, 0),
    bytesHeldOpen: 0,
    verified: verdict.verified,
    remaining: verdict.remaining,
    failures: tally.failures.list(),
    warnings: tally.warnings,
    directories: tally.directories,
  };
}
