/**
 * Workers of a Redis that is full: it refuses the binding of the list for their replies, so that nobody
 * can be asked or held before something has gone. Removing needs no memory.
 */
import { lookAtWorkers } from '../celery/look.ts';
import type { Crew } from '../commands/crew.ts';
import { databaseOf } from '../commands/look-at-workers.ts';
import { wipeInFlight, wipeQueue } from '../commands/wipe-redis.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { settledState } from '../redis/server-state.ts';
import type { Failure } from '../report/types.ts';
import { counted } from '../report/text.ts';
import { takeOverWorkers } from './take-over.ts';

/** So long the memory of what was unlinked is waited for: Redis frees it in the background. */
const FREEING_MS = 3_000;

/** Whether workers listen that could not be asked, since Redis is full. */
export function isKeptByMemory({ look }: Pick<Crew, 'look'>): boolean {
  return look?.trouble?.code === 'OOM' && look.listening > 0;
}

/**
 * Before the workers are held: removes messages until they can be asked, those in the queue first.
 * @throws RedisError, or the signal's reason.
 */
export async function freeForWorkers(crew: Crew, broker: RedisConnection): Promise<void> {
  for (const free of [wipeQueue, wipeInFlight]) {
    if (!isKeptByMemory(crew)) return;
    await free(crew.step);
    await look(crew, broker);
  }
}

/** After the first pass: asks, holds and cancels what could not be asked before. @throws as above. */
export async function askWhenFree(crew: Crew, broker: RedisConnection): Promise<void> {
  if (!isKeptByMemory(crew)) return;
  await settledState(broker, FREEING_MS, crew.step.signal);
  await look(crew, broker);
  if (!isKeptByMemory(crew)) await takeOverWorkers(crew, broker);
}

async function look(crew: Crew, broker: RedisConnection): Promise<void> {
  const { step, link } = crew;
  if (link === undefined) return;
  const db = databaseOf(link.target);
  crew.look = await lookAtWorkers(broker, step.keys.broker, db, step.signal);
}

/** What the report says when nothing that was removed made room. */
export function keptByMemoryFailure({ look, link }: Crew): Failure {
  const listening = look?.listening ?? 0;
  return {
    target: 'Celery',
    item: `${link?.label ?? ''} (workers)`,
    code: 'OOM',
    reason: `${counted(listening, 'worker')} could not be asked, since Redis is full and stays so: what runs there is written again when it ends`,
    hint: 'raise `maxmemory` or remove what is not needed, and run again; or stop the workers',
  };
}
