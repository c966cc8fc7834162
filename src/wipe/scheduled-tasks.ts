import { ANSWER_MS, enquire } from '../celery/workers.ts';
import type { RedisConnection } from '../redis/connect.ts';
import type { Crew } from '../commands/crew.ts';
import type { OwnWorker } from '../commands/look-at-workers.ts';
import { removeResultsOf } from '../commands/wipe-redis.ts';
import { crewWorkers } from './dropped-tasks.ts';

/** Revoked scheduled tasks of the service that workers keep in memory. */

/** A list may be long, and a look with `--verify-for` comes every 200 ms. */
const ASK_AGAIN_MS = 1_000;

/**
 * Notes what workers told. With --no-cancel-running only what an earlier run revoked: the others run.
 * @param own of answers in which scheduled tasks were asked for.
 */
export function noteScheduled(crew: Crew, own: readonly OwnWorker[]): void {
  for (const { worker, tasks, revoked } of own) {
    const toRevoke = crew.cancel ? tasks.filter(({ state }) => state === 'scheduled') : [];
    const scheduled = [...toRevoke, ...revoked];
    if (scheduled.length > 0) crew.scheduled.set(worker.name, scheduled);
    else if (worker.complete) crew.scheduled.delete(worker.name);
  }
}

function isActedOn({ evidence }: Crew, id: string): boolean {
  return evidence.has(id) && evidence.get(id) !== 'none';
}

/**
 * Asks the workers that keep scheduled tasks for these, before a look: what has become due since has
 * left its result and what the app wrote by then, so that the look finds it. A worker that does not
 * answer keeps what it told before.
 * @throws RedisError, or the signal's reason.
 */
export async function refreshScheduled(crew: Crew, broker: RedisConnection): Promise<void> {
  const { step, look, scheduled } = crew;
  if (scheduled.size === 0 || look?.mailbox === undefined) return;
  if (performance.now() < crew.scheduledAt + ASK_AGAIN_MS) return;
  const before = [...scheduled];
  const names = [...scheduled.keys()];
  const enquiry = await enquire(look.mailbox, 'with scheduled', names);
  await look.mailbox.receiveUntil(() => enquiry.isComplete(), ANSWER_MS, step.signal);
  crew.scheduledAt = performance.now();
  const workers = enquiry.workers().filter(({ complete }) => complete);
  const own = await crewWorkers(crew, broker, workers);
  noteScheduled(crew, own);
  // It has nothing of the service any more.
  for (const { name } of workers) {
    if (!own.some(({ worker }) => worker.name === name)) scheduled.delete(name);
  }
  const kept = new Set([...scheduled.values()].flat().map(({ id }) => id));
  const due = before.flatMap(([, tasks]) => tasks).filter(({ id }) => !kept.has(id));
  await removeResultsOf(
    step,
    due.map(({ id }) => id).filter((id) => isActedOn(crew, id)),
  );
}
