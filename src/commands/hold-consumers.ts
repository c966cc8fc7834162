import { setTimeout as sleep } from 'node:timers/promises';
import { lookAtWorkers, refusable } from '../celery/look.ts';
import { removeLeftovers } from '../celery/mailbox.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { BUSY_POLL_MS, catchUp } from './catch-up.ts';
import { isIdle, log } from './crew.ts';
import type { Crew } from './crew.ts';
import { onLink } from './links.ts';
import { canHaveWorkers, databaseOf } from './look-at-workers.ts';
import { settingsFailure } from '../wipe/celery-settings.ts';
import { freeForWorkers, isKeptByMemory } from '../wipe/full-redis.ts';
import { takeOverWorkers } from '../wipe/take-over.ts';
import { wipeQueue } from './wipe-redis.ts';
import { cannotAskWarning, noRemoteControlWarning, whoIsSilent } from './worker-warnings.ts';

const IDLE_POLL_MS = 100;

/**
 * Holds the consumers and cancels the tasks of one service; then waits up to `waitIdle` milliseconds
 * for workers that cannot be interrupted. A failure is reported, and the wipe goes on without.
 * @throws the signal's reason.
 */
export async function holdConsumers(crew: Crew, waitIdle: number): Promise<void> {
  const { step } = crew;
  const { service, keys, signal } = step;
  const { broker: link } = service;
  if (!canHaveWorkers(link) || keys.queues.length === 0) return;
  await onLink(link, { target: 'Celery', name: 'workers' }, step.report, async (broker) => {
    const [look] = await Promise.all([
      lookAtWorkers(broker, keys.broker, databaseOf(link.target), signal),
      refusable(removeLeftovers(broker, keys.broker)),
    ]);
    crew.look = look;
    await freeForWorkers(crew, broker);
    const now = crew.look;
    // On a full Redis they are asked again after the first pass, and told of then.
    const isToldLater =
      isKeptByMemory(crew) || settingsFailure(service.config, link, now) !== undefined;
    if (now.trouble !== undefined && !isToldLater)
      step.warn(cannotAskWarning(link, keys, now.trouble.message));
    const { all, celery } = now.withoutRemoteControl;
    // Those that ask as Celery does are an error at the end: see `reportStragglers`.
    if (all > celery) step.warn(noRemoteControlWarning(link, all - celery));
    await takeOverWorkers(crew, broker);
    if (!crew.cancel || waitIdle === 0 || isIdle(crew)) return;
    // Whoever is waited for must not find another task when it has ended this one.
    await wipeQueue(step);
    await waitUntilIdle(crew, broker, waitIdle);
  });
}

async function waitUntilIdle(
  crew: Crew,
  broker: RedisConnection,
  milliseconds: number,
): Promise<void> {
  const { step } = crew;
  const end = performance.now() + milliseconds;
  const name = step.service.config.name;
  const started = performance.now();
  let waitedFor = '';
  while (!(await catchUp(crew, broker))) {
    const left = end - performance.now();
    if (left <= 0) return;
    const busy = busyWorkers(crew);
    if (busy.text !== waitedFor) {
      const seconds = Math.ceil(left / 1000);
      log(crew, 'wait', `Celery: waiting up to ${seconds} s for ${busy.text} to finish`);
    }
    waitedFor = busy.text;
    const waiting = `wait for ${busy.text}`;
    step.observer.progress({ service: name, step: waiting, done: busy.count, bytes: 0 });
    // Who answers is asked anew each time.
    const hasAnswered = crew.stubborn.length + crew.secretive.length > 0;
    await sleep(Math.min(hasAnswered ? BUSY_POLL_MS : IDLE_POLL_MS, left));
    step.signal.throwIfAborted();
  }
  if (waitedFor === '') return;
  const seconds = Math.round((performance.now() - started) / 1000);
  log(crew, 'wait', `Celery: ${waitedFor} has finished or gone after ${seconds} s`);
}

/** Who is waited for. */
function busyWorkers({ silent, stubborn, secretive, shared }: Crew): {
  readonly count: number;
  readonly text: string;
} {
  const atShared = shared.map(([worker]) => worker);
  const known = new Set([...stubborn.map(({ worker }) => worker), ...secretive, ...atShared]);
  const hidden = silent.count > 0 ? [whoIsSilent(silent.names, silent.count)] : [];
  return { count: silent.count + known.size, text: [...known, ...hidden].join(', ') };
}
