/**
 * Results that this user may not touch. Celery has two spellings of their names, and a user of one app
 * may have one of them. SCAN lists the names of keys to every user, so that it can be seen whether any
 * is there in the other spelling.
 */
import { onLink, resultsLink, stepFailure } from '../commands/links.ts';
import type { Link } from '../commands/links.ts';
import type { OpenService } from '../commands/open-services.ts';
import type { ForbiddenResults, StepContext } from '../commands/step.ts';
import type { RedisError } from '../redis/errors.ts';
import { countByPrefix } from '../redis/jobs.ts';
import { startsWith } from '../redis/scan.ts';
import { printable } from '../report/printable.ts';
import { counted } from '../report/text.ts';
import type { Failure } from '../report/types.ts';

/** Notes in which database and spelling these keys of results are. */
export function noteForbidden(
  { keys, tally }: StepContext,
  link: Link | undefined,
  refused: readonly Buffer[],
  refusal: RedisError,
): void {
  const starts = [...keys.broker.resultStarts, ...keys.broker.groupKeysOf('')];
  for (const key of refused) {
    const start = starts.find((one) => startsWith(key, one)) ?? key;
    const name = JSON.stringify([link?.label, start.toString('latin1')]);
    tally.forbiddenResults.set(name, { link, start, refusal });
  }
}

/**
 * Looks whether keys are there in the spellings that were refused: what is there may be a result of
 * what was removed, and the service is not verified. @throws the signal's reason.
 */
export async function lookForForbidden(step: StepContext): Promise<void> {
  const { service, tally, signal } = step;
  for (const { link, start, refusal } of tally.forbiddenResults.values()) {
    const named = { target: 'Redis', name: 'results' } as const;
    const count = await onLink(link, named, step.report, async (redis) =>
      countByPrefix(redis, start, signal),
    );
    if (count === 0) continue;
    tally.leavesResults = true;
    if (count !== undefined)
      step.report(forbiddenFailure(service, { link, start, refusal }, count));
  }
}

function forbiddenFailure(
  service: OpenService,
  { link, start, refusal }: ForbiddenResults,
  count: number,
): Failure {
  const failure = resultsFailure(service, refusal, link);
  const keys = `${counted(count, 'key')} of ${printable(start)}*`;
  return { ...failure, reason: `${keys} may be results of what was removed: ${failure.reason}` };
}

/** By the time that the remedy is there, the jobs that tell whose results those are have gone. */
export function resultsFailure(
  service: OpenService,
  error: unknown,
  link: Link | undefined = resultsLink(service),
): Failure {
  const failure = stepFailure(link, { target: 'Redis', name: 'results' }, error);
  const { config } = service;
  if (failure.hint === '' || config.celery === undefined) return failure;
  const all = `services.${config.name}.celery: "results": "all"`;
  return {
    ...failure,
    hint: `${failure.hint}; the jobs of these results are gone, so then ${all}`,
  };
}
