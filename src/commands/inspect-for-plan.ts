import { scanInFlight } from '../celery/in-flight.ts';
import { findQueueKeys, scanQueued } from '../celery/queue.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { countByPrefix, countExisting, scanJobs } from '../redis/jobs.ts';
import { startsWith } from '../redis/scan.ts';
import { collectFailures } from '../report/failures.ts';
import type { Failure, Kind, ServiceCensus } from '../report/types.ts';
import { inspectService } from './inspect-service.ts';
import type { InspectProgress } from './inspect-service.ts';
import { onLink, resultsLink } from './links.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import type { ServiceKeys } from './service-keys.ts';
import { nothingMatchedWarnings } from './warnings.ts';

const BATCH = 500;

/**
 * What people read before they decide: the look of `inspectService`, the results that would go, and
 * a warning when the prefix matches nothing. Changes nothing.
 * @throws the signal's reason.
 */
export async function inspectForPlan(
  service: OpenService,
  kinds: readonly Kind[],
  results: 'count results' | 'without results',
  signal: AbortSignal,
  progress?: InspectProgress,
): Promise<ServiceCensus> {
  const census = await inspectService(service, kinds, signal, progress);
  const failures = collectFailures();
  for (const failure of census.failures.first) failures.add(failure);
  const unlisted = census.failures.total - census.failures.first.length;
  const report = (failure: Failure): void => {
    failures.add(failure);
  };
  const keys = serviceKeys(service.config);
  const counted =
    results === 'count results' ? await countResults(service, keys, kinds, report, signal) : 0;
  const warnings = [...census.warnings];
  if (kinds.includes('jobs') && census.jobs === 0 && keys.jobs.prefixes.length > 0) {
    const found = await onLink(
      service.redis,
      { target: 'Redis', name: 'other keys' },
      report,
      async (redis) => nothingMatchedWarnings(redis, service),
    );
    warnings.push(...(found ?? []));
  }
  const list = failures.list();
  return {
    ...census,
    results: counted,
    warnings,
    failures: { ...list, total: list.total + unlisted },
  };
}

/** The results that a wipe of these kinds would remove. */
async function countResults(
  service: OpenService,
  keys: ServiceKeys,
  kinds: readonly Kind[],
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<number> {
  if (keys.results === 'none') return 0;
  if (keys.results === 'all' && kinds.includes('jobs')) {
    const all = await onLink(
      resultsLink(service),
      { target: 'Redis', name: 'results' },
      report,
      async (redis) => countByPrefix(redis, keys.broker.results, signal),
    );
    const { results, resultsOf } = keys.broker;
    const others = (id: Buffer): readonly Buffer[] =>
      resultsOf(id).filter((key) => !startsWith(key, results));
    const broker = { ...keys.broker, resultsOf: others };
    return (
      (all ?? 0) + (await countOwnResults(service, { ...keys, broker }, kinds, report, signal))
    );
  }
  return await countOwnResults(service, keys, kinds, report, signal);
}

/** Of every job, and of messages without one. */
async function countOwnResults(
  service: OpenService,
  keys: ServiceKeys,
  kinds: readonly Kind[],
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<number> {
  const ofJobs = kinds.includes('jobs')
    ? await onLink(service.redis, { target: 'Redis', name: 'results' }, report, async (redis) => {
        let count = 0;
        for await (const { ids } of scanJobs(redis, keys.jobs, signal)) {
          count += await countExisting(redis, ids.flatMap(keys.broker.resultsOf));
        }
        return count;
      })
    : 0;
  const taskIds = kinds.includes('queue')
    ? await messageTaskIds(service, keys, report, signal)
    : [];
  const ofMessages = await onLink(
    resultsLink(service),
    { target: 'Redis', name: 'results' },
    report,
    async (redis) =>
      countExisting(
        redis,
        await withoutJob(redis, taskIds, kinds.includes('jobs') ? keys.jobs.prefixes : [], keys),
      ),
  );
  return (ofJobs ?? 0) + (ofMessages ?? 0);
}

async function messageTaskIds(
  service: OpenService,
  keys: ServiceKeys,
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const taskIds = new Set<string>();
  await onLink(service.broker, { target: 'Celery', name: 'queue' }, report, async (broker) => {
    const found = await findQueueKeys(broker, keys.queues, keys.broker, signal);
    for await (const ids of scanQueued(broker, found.keys, signal)) {
      for (const id of ids) taskIds.add(id);
    }
    for await (const batch of scanInFlight(broker, keys.queues, keys.broker, signal)) {
      for (const id of batch.taskIds) taskIds.add(id);
    }
  });
  return [...taskIds];
}

/** Result keys of the tasks that no job counts already. */
async function withoutJob(
  redis: RedisConnection,
  taskIds: readonly string[],
  prefixes: readonly string[],
  keys: ServiceKeys,
): Promise<readonly Buffer[]> {
  const alone: Buffer[] = [];
  for (let start = 0; start < taskIds.length; start += BATCH) {
    const batch = taskIds.slice(start, start + BATCH);
    const jobs = await Promise.all(
      batch.map(async (id) =>
        countExisting(
          redis,
          prefixes.map((prefix) => Buffer.from(prefix + id)),
        ),
      ),
    );
    for (const [index, id] of batch.entries()) {
      if (jobs[index] === 0) alone.push(...keys.broker.resultsOf(Buffer.from(id)));
    }
  }
  return alone;
}
