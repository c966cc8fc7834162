import { setTimeout as sleep } from 'node:timers/promises';
import { counted } from '../report/text.ts';
import { log } from '../commands/crew.ts';
import type { Crew } from '../commands/crew.ts';
import { refreshCrew } from '../commands/catch-up.ts';
import { missingWorkers } from './silent-workers.ts';

/**
 * Workers that do not answer may only be slow: stopped for some seconds, swapped out, on a slow link.
 * Nothing in Redis tells them from those that run a task which nothing can interrupt.
 */

/** From one look for their answers to the next. */
const LOOK_MS = 100;

/**
 * Waits until the workers that did not answer have done so: at most as long as the run waits for slow
 * workers, from the moment that they were missed.
 * @returns whether one has answered: what it did until then is to be looked for.
 * @throws the signal's reason.
 */
export async function waitForSlow(crew: Crew): Promise<boolean> {
  const before = missingWorkers(crew);
  if (before.count === 0) return false;
  const { step } = crew;
  crew.missedAt ??= performance.now();
  const end = crew.missedAt + crew.slowMs;
  const left = end - performance.now();
  if (left <= 0) return false;
  const who = before.names.length > 0 ? before.names.join(', ') : counted(before.count, 'worker');
  const seconds = Math.ceil(left / 1000);
  log(crew, 'wait', `Celery: waiting up to ${seconds} s for an answer of ${who}`);
  const service = step.service.config.name;
  const progress = { service, step: `wait for an answer of ${who}`, done: before.count, bytes: 0 };
  while (performance.now() < end) {
    step.observer.progress(progress);
    await sleep(Math.min(LOOK_MS, end - performance.now()), undefined, {
      signal: step.signal,
    }).catch(() => undefined);
    step.signal.throwIfAborted();
    await refreshCrew(crew);
    if (missingWorkers(crew).count < before.count) return true;
  }
  return false;
}
