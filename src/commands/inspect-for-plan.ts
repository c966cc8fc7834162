import { createJobSample } from '../resources/job-sample.ts';
import { collectFailures } from '../report/failures.ts';
import { findingFailure, findingText } from '../report/finding-text.ts';
import { NO_WORKERS } from '../report/types.ts';
import type { Failure, Kind, ServiceCensus } from '../report/types.ts';
import { countResults } from './count-results.ts';
import { inspectService } from './inspect-service.ts';
import type { InspectOptions } from './inspect-service.ts';
import { inspectWorkers } from './look-at-workers.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import { seeForLook } from '../resources/seen-keys.ts';
import { countIndexes, surveyService } from '../resources/survey-service.ts';
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
  const failures = collectFailures();
  const report = (failure: Failure): void => {
    failures.add(failure);
  };
  const seen = await seeForLook(service, { kinds, census: 'everything' }, report, signal);
  const obstacles: string[] = [];
  const jobs = createJobSample(service.config);
  const census = await inspectService(service, kinds, signal, {
    ...options,
    seen,
    jobKeys: (key) => {
      jobs.note([key]);
    },
    obstacle: (text) => obstacles.push(text),
  });
  for (const failure of census.failures.first) failures.add(failure);
  const unlisted = census.failures.total - census.failures.first.length;
  const keys = serviceKeys(service);
  const counted =
    results === 'count results'
      ? await countResults({ service, keys, seen, report, signal }, kinds)
      : 0;
  const warnings = [...census.warnings, ...obstacles];
  if (kinds.includes('jobs')) {
    const matched = census.unknown.includes('jobs') ? undefined : census.jobs + census.jobsKept;
    const ofJobs = { matched, left: matched ?? 0, ...jobs.told() };
    const options = { occasion: 'plan', report, keys: seen } as const;
    const { findings } = await surveyService(service, ofJobs, options, signal);
    for (const finding of findings) {
      if (finding.severity === 'problem') report(findingFailure(finding));
      else warnings.push(findingText(finding));
    }
  }
  const workers = kinds.includes('queue')
    ? await inspectWorkers(service, report, signal)
    : NO_WORKERS;
  workers.problems.forEach(report);
  warnings.push(...workersWarnings(service, workers));
  const indexKeys = kinds.includes('jobs')
    ? await countIndexes(service, report, signal, seen.redis)
    : 0;
  const list = failures.list();
  return {
    ...census,
    results: counted,
    indexKeys,
    workers,
    warnings,
    failures: { ...list, total: list.total + unlisted },
  };
}
