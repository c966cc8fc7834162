import { scanInFlight } from '../celery/in-flight.ts';
import { peekQueue } from '../celery/queue.ts';
import { collectFailures } from '../report/failures.ts';
import { NO_WORKERS } from '../report/types.ts';
import type { Failure, Kind, ServiceCensus } from '../report/types.ts';
import { countResults } from './count-results.ts';
import { inspectService } from './inspect-service.ts';
import type { InspectOptions } from './inspect-service.ts';
import { missedFailure, nothingMatchedWarning, suspectPrefixes } from './judge-prefixes.ts';
import { onLink } from './links.ts';
import { inspectWorkers } from './look-at-workers.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import { workersWarnings } from './worker-warnings.ts';

/**
 * What people read before they decide: the look of `inspectService`, who works on it, the results
 * that would go, and a warning when the prefix matches nothing. Changes nothing.
 * @throws the signal's reason.
 */
export async function inspectForPlan(
  service: OpenService,
  kinds: readonly Kind[],
  results: 'count results' | 'without results',
  signal: AbortSignal,
  options: Pick<InspectOptions, 'progress' | 'seenNames'>,
): Promise<ServiceCensus> {
  const obstacles: string[] = [];
  const census = await inspectService(service, kinds, signal, {
    ...options,
    obstacle: (text) => obstacles.push(text),
  });
  const failures = collectFailures();
  for (const failure of census.failures.first) failures.add(failure);
  const unlisted = census.failures.total - census.failures.first.length;
  const report = (failure: Failure): void => {
    failures.add(failure);
  };
  const keys = serviceKeys(service);
  const counted =
    results === 'count results' ? await countResults({ service, keys, report, signal }, kinds) : 0;
  const warnings = [...census.warnings, ...obstacles];
  if (kinds.includes('jobs') && keys.jobs.prefixes.length > 0) {
    await lookForMissed(service, census, report, warnings, signal);
  }
  const workers = kinds.includes('queue')
    ? await inspectWorkers(service, report, signal)
    : NO_WORKERS;
  warnings.push(...workersWarnings(service, workers));
  const list = failures.list();
  return {
    ...census,
    results: counted,
    workers,
    warnings,
    failures: { ...list, total: list.total + unlisted },
  };
}

/** Whether the config's prefixes seem to be wrong. */
async function lookForMissed(
  service: OpenService,
  census: ServiceCensus,
  report: (failure: Failure) => void,
  warnings: string[],
  signal: AbortSignal,
): Promise<void> {
  const matched = census.jobs + census.jobsKept;
  const taskIds = async (): Promise<readonly string[]> => someTaskIds(service, report, signal);
  await onLink(service.redis, { target: 'Redis', name: 'other keys' }, report, async (redis) => {
    const verdict = await suspectPrefixes(
      redis,
      service,
      { matched, left: matched, taskIds },
      signal,
    );
    if (verdict === undefined) return;
    if (verdict.missed.length > 0) report(missedFailure(redis.label, service, verdict, matched));
    else warnings.push(nothingMatchedWarning(redis.label, service, verdict));
  });
}

const SOME_IDS = 20;

/** Ids of a few tasks in the service's queues. */
export async function someTaskIds(
  service: OpenService,
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const keys = serviceKeys(service);
  if (keys.queues.length === 0) return [];
  const ids = await onLink(
    service.broker,
    { target: 'Celery', name: 'queue' },
    report,
    async (broker) => {
      for (const queue of keys.queues) {
        const { taskIds } = await peekQueue(broker, keys.broker.queue(queue), SOME_IDS);
        if (taskIds.length > 0) return taskIds;
      }
      for await (const batch of scanInFlight(broker, keys.queues, keys.broker, signal)) {
        if (batch.taskIds.length > 0) return batch.taskIds.slice(0, SOME_IDS);
      }
      return [];
    },
  );
  return ids ?? [];
}
