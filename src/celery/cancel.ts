import type { RedisConnection } from '../redis/connect.ts';
import type { BrokerKeys } from './keys.ts';
import type { Mailbox, Sent } from './mailbox.ts';
import { asRecord } from './message.ts';
import { createRouter } from './routes.ts';
import { ownership, sharedWith } from './scope.ts';
import type { QueueScope, Shared } from './scope.ts';
import type { Worker, WorkerTask } from './workers.ts';

/** How many revoked ids a worker remembers (celery/worker/state.py `REVOKES_MAX`). */
export const MOST_REMEMBERED = 50_000;

const IDS_A_MESSAGE = 500;

export type SharedTask = WorkerTask & Shared;

export interface OwnTasks extends Pick<Worker, 'tasks' | 'revoked'> {
  /** Tasks that go to a queue outside the run as well: not among the others. */
  readonly shared: readonly SharedTask[];
}

/** The tasks of a worker that belong to the service of a scope. @throws RedisError. */
export async function ownTasks(
  broker: RedisConnection,
  names: BrokerKeys,
  scope: QueueScope,
  worker: Pick<Worker, 'tasks' | 'revoked'>,
): Promise<OwnTasks> {
  const router = createRouter(broker, names, scope.own);
  const shared: SharedTask[] = [];
  const filter = async (all: readonly WorkerTask[]): Promise<readonly WorkerTask[]> => {
    const tasks: WorkerTask[] = [];
    for (const task of all) {
      const goesTo = await router.queuesOf(task.exchange, task.routingKey);
      const whose = ownership(goesTo, scope);
      if (whose === 'own') tasks.push(task);
      if (whose === 'shared') shared.push({ ...task, ...sharedWith(task.exchange, goesTo, scope) });
    }
    return tasks;
  };
  return { tasks: await filter(worker.tasks), revoked: await filter(worker.revoked), shared };
}

/**
 * Revokes tasks by their ids: running ones are killed (SIGKILL), waiting ones are dropped when their
 * turn comes. A worker without a task of such an id only remembers it.
 * @param to names of workers; undefined: every one that listens.
 * @returns what their replies come to.
 * @throws RedisError.
 */
export async function revoke(
  mailbox: Mailbox,
  taskIds: readonly string[],
  to?: readonly string[],
): Promise<readonly Sent[]> {
  const sent: Sent[] = [];
  for (let start = 0; start < taskIds.length; start += IDS_A_MESSAGE) {
    const batch = taskIds.slice(start, start + IDS_A_MESSAGE);
    const how = { task_id: batch, terminate: true, signal: 'SIGKILL' };
    sent.push(await mailbox.send('revoke', how, to));
  }
  return sent;
}

/**
 * The workers that answered that they cannot: no pool but prefork has `terminate_job`
 * (celery/concurrency/base.py).
 */
export function unableToKill(revocations: readonly Sent[]): ReadonlySet<string> {
  const unable = new Set<string>();
  for (const { replies } of revocations) {
    for (const [worker, reply] of replies) {
      if (asRecord(reply)?.['error'] !== undefined) unable.add(worker);
    }
  }
  return unable;
}
