import { setTimeout as sleep } from 'node:timers/promises';
import { forgetHolds } from '../celery/hold.ts';
import { judgeHolds, lookAtWorkers, refusable } from '../celery/look.ts';
import { removeLeftovers } from '../celery/mailbox.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { cancelRound } from './cancel-round.ts';
import { BUSY_POLL_MS, catchUp } from './catch-up.ts';
import { isIdle, log, setHeld } from './crew.ts';
import type { Crew } from './crew.ts';
import { onLink } from './links.ts';
import { canHaveWorkers, databaseOf } from './look-at-workers.ts';
import { crewWorkers, takeNotedDrops } from '../wipe/dropped-tasks.ts';
import { noteLeftRunning } from '../wipe/running-tasks.ts';
import { noteScheduled } from '../wipe/scheduled-tasks.ts';
import { settingsFailure } from '../wipe/celery-settings.ts';
import { judgeSilent } from '../wipe/silent-workers.ts';
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
    if (look.trouble !== undefined && settingsFailure(service.config, link, look) === undefined)
      step.warn(cannotAskWarning(link, keys, look.trouble.message));
    const { all, celery } = look.withoutRemoteControl;
    // Those that ask as Celery does are an error at the end: see `reportStragglers`.
    if (all > celery) step.warn(noRemoteControlWarning(link, all - celery));
    if (!crew.cancel) {
      await takeNotedDrops(crew, broker);
      if (look.enquiry !== undefined)
        noteScheduled(crew, await crewWorkers(crew, broker, look.enquiry.workers()));
      await noteLeftRunning(crew, broker);
      return;
    }
    await takeOver(crew, broker);
    await cancelRound(crew, broker);
    await judgeSilent(crew, broker);
    if (waitIdle === 0 || isIdle(crew)) return;
    // Whoever is waited for must not find another task when it has ended this one.
    await wipeQueue(step);
    await waitUntilIdle(crew, broker, waitIdle);
  });
}

/** What a run that was killed has held, we hold now, so that it is resumed with ours. */
async function takeOver(crew: Crew, broker: RedisConnection): Promise<void> {
  const { step, look } = crew;
  if (look === undefined) return;
  const { standing, possible, over } = await judgeHolds(broker, look, step.keys.queues);
  await refusable(forgetHolds(broker, step.keys.broker, over));
  for (const { worker, queue } of standing) {
    const message = `Celery: ${worker} is held from ${queue} by an earlier run: resumed at the end`;
    log(crew, 'hold', message);
  }
  for (const { worker, queue } of possible) {
    const message = `Celery: ${worker} may still be held from ${queue} by an earlier run, and does not say: told to consume it again at the end`;
    log(crew, 'hold', message);
  }
  const taken = [...standing, ...possible];
  if (taken.length > 0) setHeld(crew, [...crew.held, ...taken]);
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
