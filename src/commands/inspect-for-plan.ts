import { collectFailures } from '../report/failures.ts';
import { NO_WORKERS } from '../report/types.ts';
import type { Failure, Kind, ServiceCensus } from '../report/types.ts';
import { countResults } from './count-results.ts';
import { inspectService } from './inspect-service.ts';
import type { InspectProgress } from './inspect-service.ts';
import { onLink } from './links.ts';
import { inspectWorkers } from './look-at-workers.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import { nothingMatchedWarnings } from './warnings.ts';
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
  progress?: InspectProgress,
): Promise<ServiceCensus> {
  const census = await inspectService(
    service,
    kinds,
    signal,
    progress,
    undefined,
    'with obstacles',
  );
  const failures = collectFailures();
  for (const failure of census.failures.first) failures.add(failure);
  const unlisted = census.failures.total - census.failures.first.length;
  const report = (failure: Failure): void => {
    failures.add(failure);
  };
  const keys = serviceKeys(service.config);
  const counted =
    results === 'count results' ? await countResults({ service, keys, report, signal }, kinds) : 0;
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
