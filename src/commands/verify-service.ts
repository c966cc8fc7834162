import { counted } from '../report/text.ts';
import { remainingCount } from '../report/totals.ts';
import type { Kind, Remaining, ServiceCensus } from '../report/types.ts';
import type { Observer } from '../report/observer.ts';
import { inspectService } from './inspect-service.ts';
import type { OpenService } from './open-services.ts';
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
  const census = await inspectService({ ...service, failures: [], warnings: [] }, kinds, signal);
  const known = new Set(
    tally.failures.list().first.map((failure) => JSON.stringify([failure.target, failure.item])),
  );
  for (const failure of census.failures.first) {
    if (!known.has(JSON.stringify([failure.target, failure.item]))) tally.failures.add(failure);
  }
  const remaining = remainingOf(census);
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
    return { verified: false, remaining: remainingOf(census) };
  } catch (error) {
    if (!signal.aborted) throw error;
    tally.warnings.push('interrupted: what is left was not counted; media-cleanup stats does');
    return { verified: false, remaining: { jobs: 0, tasks: 0, files: 0, models: 0 } };
  }
}

function remainingOf(census: ServiceCensus): Remaining {
  return {
    jobs: census.jobs,
    tasks: census.tasks.queued + census.tasks.inFlight,
    files: census.files,
    models: census.models,
  };
}
