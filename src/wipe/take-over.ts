import { forgetHolds } from '../celery/hold.ts';
import { judgeHolds, refusable } from '../celery/look.ts';
import { cancelRound } from '../commands/cancel-round.ts';
import { log, setHeld } from '../commands/crew.ts';
import type { Crew } from '../commands/crew.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { crewWorkers, takeNotedDrops } from './dropped-tasks.ts';
import { noteLeftRunning } from './running-tasks.ts';
import { noteScheduled } from './scheduled-tasks.ts';
import { judgeSilent } from './silent-workers.ts';

/**
 * Once the workers have been asked: holds them and cancels their tasks, or notes what goes on where the
 * run does not cancel. @throws RedisError, or the signal's reason.
 */
export async function takeOverWorkers(crew: Crew, broker: RedisConnection): Promise<void> {
  const { look } = crew;
  if (!crew.cancel) {
    await takeNotedDrops(crew, broker);
    if (look?.enquiry !== undefined)
      noteScheduled(crew, await crewWorkers(crew, broker, look.enquiry.workers()));
    await noteLeftRunning(crew, broker);
    return;
  }
  await takeOverHolds(crew, broker);
  await cancelRound(crew, broker);
  await judgeSilent(crew, broker);
}

/** What a run that was killed has held, we hold now, so that it is resumed with ours. */
async function takeOverHolds(crew: Crew, broker: RedisConnection): Promise<void> {
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
