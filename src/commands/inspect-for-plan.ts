import { createJobSample } from '../resources/job-sample.ts';
import { collectFailures } from '../report/failures.ts';
import { findingFailure, findingText } from '../report/finding-text.ts';
import { NO_WORKERS } from '../report/types.ts';
import type { Failure, Kind, ServiceCensus } from '../report/types.ts';
import { countResults } from './count-results.ts';
import { inspectService } from './inspect-service.ts';
import type { InspectOptions } from './inspect-service.ts';
import { onLink } from './links.ts';
import { inspectWorkers } from './look-at-workers.ts';
import type { OpenService } from './open-services.ts';
import { jobNeeds, queueNeeds, resultNeeds } from './permissions.ts';
import { serviceKeys } from './service-keys.ts';
import { seeForLook } from '../resources/seen-keys.ts';
import { findServerLimits } from '../resources/server-limits.ts';
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
  options: Pick<InspectOptions, 'progress' | 'seenNames'> & {
    /** What a wipe will meet in Redis is looked for as well: where one is planned. */
    readonly limits?: boolean;
  },
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
  if (options.limits === true) warnings.push(...(await limitTexts(service, kinds, report, signal)));
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

/** In sentences: a plan says what is there, and what the wipe will meet. */
async function limitTexts(
  service: OpenService,
  kinds: readonly Kind[],
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { redis, broker, results } = service;
  const keys = serviceKeys(service);
  const isElsewhere = results !== undefined && results !== redis;
  const jobs = kinds.includes('jobs') ? jobNeeds(keys, isElsewhere ? 'elsewhere' : 'here') : [];
  const queue = kinds.includes('queue') ? queueNeeds(keys) : [];
  const asked = [
    ...(redis === broker
      ? [{ link: redis, needs: [...jobs, ...queue] }]
      : [
          { link: redis, needs: jobs },
          { link: broker, needs: queue },
        ]),
    ...(isElsewhere ? [{ link: results, needs: resultNeeds(keys) }] : []),
  ];
  const texts: string[] = [];
  for (const { link, needs } of asked) {
    if (link === undefined || needs.length === 0) continue;
    const step = { target: link.failureTarget, name: 'permissions' };
    const found = await onLink(link, step, report, async (connection) =>
      findServerLimits(link, connection, { keys, needs }, signal),
    );
    texts.push(...(found ?? []).map(findingText));
  }
  return texts;
}
