import { dropKey } from '../celery/control/dropped.ts';
import type { WorkerTask } from '../celery/workers.ts';
import { counted } from '../report/text.ts';
import type { Crew } from '../commands/crew.ts';
import type { WorkersTask } from '../commands/look-at-workers.ts';
import { logRemoved } from '../commands/step-log.ts';
import { removeResultsOf } from '../commands/wipe-redis.ts';

/** Which of the tasks that workers had are cancelled: those that were seen to be gone. */

/** It runs where nothing can kill it: what ends it is its own end. */
export function isUnkillable(crew: Crew, { state, worker }: WorkersTask): boolean {
  return state === 'active' && crew.revocations.cannotKill(worker);
}

/** Notes what a worker has before it is told to revoke it. */
export function noteUncounted(crew: Crew, worker: string, tasks: readonly WorkerTask[]): void {
  for (const task of tasks) {
    const key = dropKey(worker, task.id);
    if (!crew.uncounted.has(key)) crew.uncounted.set(key, { ...task, worker });
  }
}

/**
 * Counts what is gone of it by the last answers of these workers, and removes the results that were
 * left by it. Tasks of a worker that did not answer are counted when it has.
 * @param names of those that were asked.
 */
export async function noteCancelled(crew: Crew, names: readonly string[]): Promise<void> {
  const { step } = crew;
  const left = new Map(crew.stubborn.map((task) => [dropKey(task.worker, task.id), task]));
  const answered = new Set(names.filter((name) => !crew.secretive.includes(name)));
  const fresh: WorkersTask[] = [];
  for (const [key, task] of crew.uncounted) {
    if (!answered.has(task.worker)) continue;
    const now = left.get(key);
    // It ends by itself, and is not cancelled.
    if (now !== undefined && isUnkillable(crew, now)) crew.uncounted.delete(key);
    if (now !== undefined) continue;
    if (task.state === 'scheduled' && !crew.revocations.isConfirmed(task.worker, task.id)) continue;
    crew.uncounted.delete(key);
    if (!step.tally.cancelled.has(task.id)) fresh.push(task);
    step.tally.cancelled.add(task.id);
  }
  // A killed or dropped task leaves the result "revoked".
  await removeResultsOf(
    step,
    fresh.map(({ id }) => id),
  );
  if (fresh.length === 0) return;
  const of = (state: WorkerTask['state']): number =>
    fresh.filter((task) => task.state === state).length;
  const [active, reserved, scheduled] = [of('active'), of('reserved'), of('scheduled')];
  logRemoved(
    step,
    'cancel',
    `Celery: ${counted(fresh.length, 'task')} cancelled (${active} running, ${reserved} reserved, ${scheduled} scheduled)`,
    { active, reserved, scheduled },
  );
}

/** Removes what tasks that were revoked have left since, however they ended. */
export async function removeLateResults(crew: Crew): Promise<void> {
  const ids = new Set([...crew.revocations.taskIds(), ...crew.step.tally.cancelled]);
  await removeResultsOf(crew.step, [...ids]);
}
