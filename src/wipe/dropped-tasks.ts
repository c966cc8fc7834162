import {
  dropKey,
  forgetDropped,
  noteDropped,
  notedDrops,
  withoutDropped,
} from '../celery/control/dropped.ts';
import type { DroppedTask } from '../celery/control/dropped.ts';
import { refusable } from '../celery/look.ts';
import type { Worker } from '../celery/workers.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { RedisError } from '../redis/errors.ts';
import type { Crew } from '../commands/crew.ts';
import { ownWorkers } from '../commands/look-at-workers.ts';
import type { OwnWorker } from '../commands/look-at-workers.ts';

/** Tasks that workers with threads name as active and that no thread runs: see celery/control/dropped.ts. */

/** As `ownWorkers`, for the workers of a run. @throws RedisError. */
export async function crewWorkers(
  crew: Crew,
  broker: RedisConnection,
  workers: readonly Worker[],
): Promise<readonly OwnWorker[]> {
  return withoutDropped(await ownWorkers(broker, crew.step.keys, workers), crew.dropped);
}

/** Takes in the notes of earlier runs, and removes those that are over. @throws RedisError. */
export async function takeNotedDrops(crew: Crew, broker: RedisConnection): Promise<void> {
  const { look } = crew;
  if (look === undefined || look.dropped.length === 0) return;
  const { standing, over } = await notedDrops(broker, look);
  crew.look = { ...look, dropped: [] };
  for (const [key, task] of standing) if (!crew.dropped.has(key)) crew.dropped.set(key, task);
  await refusable(forgetDropped(broker, crew.step.keys.broker, over));
}

/**
 * Notes the tasks of these workers that were revoked before they began, as the workers have confirmed,
 * and when their threads accepted those that are noted already. @throws RedisError.
 */
export async function noteDrops(
  crew: Crew,
  broker: RedisConnection,
  workers: readonly Worker[],
): Promise<void> {
  const fresh: DroppedTask[] = [];
  for (const worker of workers.filter(({ hasThreads, copies }) => hasThreads && copies === 1)) {
    for (const { id, state, startedAt } of worker.tasks) {
      if (state === 'scheduled') continue;
      const key = dropKey(worker.name, id);
      const known = crew.dropped.get(key);
      const isKnown = known !== undefined && (known.startedAt ?? startedAt) === known.startedAt;
      if (isKnown || (known === undefined && !crew.revocations.isConfirmed(worker.name, id)))
        continue;
      const task = { worker: worker.name, id, pid: worker.pid, startedAt };
      crew.dropped.set(key, task);
      fresh.push(task);
    }
  }
  const noted = await refusable(noteDropped(broker, crew.step.keys.broker, fresh));
  if (noted instanceof RedisError)
    crew.step.warn(
      `Celery: tasks that were dropped before they began could not be noted in Redis (${noted.message}): the next wipe takes them for running ones until their worker is restarted`,
      'note',
    );
}
