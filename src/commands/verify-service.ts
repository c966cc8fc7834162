import { counted } from '../report/text.ts';
import { remainingCount } from '../report/totals.ts';
import type { Failure, Kind, Remaining, ServiceCensus } from '../report/types.ts';
import type { Observer } from '../report/observer.ts';
import { countByPrefix } from '../redis/jobs.ts';
import { inspectService } from './inspect-service.ts';
import { onLink, resultsLink } from './links.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import type { WipeTally } from './wipe-service.ts';

export interface Verdict {
  /** Everything asked for was looked at again, and nothing was there. */
  readonly verified: boolean;
  readonly remaining: Remaining;
}

/**
 * Looks at everything a wipe was asked to remove once more. What cannot be looked at is not gone.
 * @throws the signal's reason.
 */
export async function verifyService(
  service: OpenService,
  kinds: readonly Kind[],
  tally: WipeTally,
  observer: Observer,
  signal: AbortSignal,
): Promise<Verdict> {
  const census = await inspectService(
    { ...service, failures: [], warnings: [] },
    kinds,
    signal,
    (done, bytes) => {
      observer.progress({ service: service.config.name, step: 'verify', done, bytes });
    },
  );
  for (const failure of newFailures(census, tally)) tally.failures.add(failure);
  const remaining = remainingOf(census);
  const results = await countAllResults(service, kinds, tally, signal);
  if (results > 0)
    tally.warnings.push(`Redis: ${counted(results, 'result')} still there or there again`);
  const blind =
    [service.redis, service.broker].some((link) => link !== undefined && !link.connection) ||
    service.directories.some(
      ({ located, open }) => open === undefined && located.state.is !== 'missing',
    );
  const verified =
    !blind &&
    service.failures.length === 0 &&
    census.failures.total === 0 &&
    remainingCount(remaining) === 0;
  observer.log({
    level: verified ? 'INFO' : 'WARNING',
    service: service.config.name,
    step: 'verify',
    message: verified
      ? `Verified: ${service.config.name}: looked again, nothing is left`
      : `Not verified: ${service.config.name}: ${
          remainingCount(remaining) > 0
            ? `${counted(remainingCount(remaining), 'item')} still there`
            : 'not everything could be looked at'
        }`,
    figures: { ...remaining },
  });
  return { verified, remaining };
}

/** A second Ctrl-C ends it at once; whoever pressed it once waits this long for the figures. */
const LAST_LOOK_MS = 1_500;

/** After an interruption: what is left, if that can be counted quickly. */
export async function countLeft(
  service: OpenService,
  kinds: readonly Kind[],
  tally: WipeTally,
): Promise<Verdict> {
  const signal = AbortSignal.timeout(LAST_LOOK_MS);
  try {
    const census = await inspectService({ ...service, failures: [], warnings: [] }, kinds, signal);
    for (const failure of newFailures(census, tally)) tally.failures.add(failure);
    return { verified: false, remaining: remainingOf(census) };
  } catch (error) {
    if (!signal.aborted) throw error;
    tally.warnings.push('interrupted: what is left was not counted; media-cleanup stats does');
    return { verified: false, remaining: { jobs: 0, tasks: 0, files: 0, models: 0 } };
  }
}

/** With `results: "all"` none may be left; those of removed jobs alone cannot be named any more. */
async function countAllResults(
  service: OpenService,
  kinds: readonly Kind[],
  tally: WipeTally,
  signal: AbortSignal,
): Promise<number> {
  const keys = serviceKeys(service.config);
  if (keys.results !== 'all' || !kinds.includes('jobs')) return 0;
  const report = (failure: Failure): void => {
    tally.failures.add(failure);
  };
  const count = await onLink(
    resultsLink(service),
    { target: 'Redis', name: 'results' },
    report,
    async (redis) => countByPrefix(redis, keys.broker.results, signal),
  );
  return count ?? 0;
}

/** What the wipe itself has not reported yet. */
function newFailures(census: ServiceCensus, tally: WipeTally): readonly Failure[] {
  const key = ({ target, item }: Failure): string => JSON.stringify([target, item]);
  const known = new Set(tally.failures.list().first.map(key));
  return census.failures.first.filter((failure) => !known.has(key(failure)));
}

function remainingOf(census: ServiceCensus): Remaining {
  return {
    jobs: census.jobs,
    tasks: census.tasks.queued + census.tasks.inFlight,
    files: census.files,
    models: census.models,
  };
}
