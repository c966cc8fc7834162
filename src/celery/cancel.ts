import type { RedisConnection } from '../redis/connect.ts';
import type { BrokerKeys } from './keys.ts';
import type { Mailbox } from './mailbox.ts';
import { createRouter, ownership } from './routes.ts';
import type { Worker, WorkerTask } from './workers.ts';

const IDS_A_MESSAGE = 500;

/**
 * The tasks of a worker that belong to these queues and to no other. @throws RedisError.
 */
export async function ownTasks(
  broker: RedisConnection,
  names: BrokerKeys,
  queues: readonly string[],
  worker: Worker,
): Promise<readonly WorkerTask[]> {
  const own = new Set(queues);
  const route = createRouter(broker, names);
  const tasks: WorkerTask[] = [];
  for (const task of worker.tasks) {
    if (ownership(await route(task.exchange, task.routingKey), own) === 'own') tasks.push(task);
  }
  return tasks;
}

/**
 * Revokes tasks by their ids: running ones are killed (SIGKILL), waiting ones are dropped when their
 * turn comes. A worker without a task of such an id only remembers it.
 * @param to names of workers; undefined: every one that listens.
 * @throws RedisError.
 */
export async function revoke(
  mailbox: Mailbox,
  taskIds: readonly string[],
  to?: readonly string[],
): Promise<void> {
  for (let start = 0; start < taskIds.length; start += IDS_A_MESSAGE) {
    const batch = taskIds.slice(start, start + IDS_A_MESSAGE);
    await mailbox.send('revoke', { task_id: batch, terminate: true, signal: 'SIGKILL' }, to);
  }
}
