/** What the workers of a database say of its queues: which they consume, and whose tasks they have. */
import type { BrokerKeys } from '../celery/keys.ts';
import { lookAtWorkers } from '../celery/look.ts';
import { createRouter } from '../celery/routes.ts';
import type { Worker } from '../celery/workers.ts';
import type { RedisConnection } from '../redis/connect.ts';

export interface WorkerQueues {
  /**
   * Whether a worker consumes the queue. Where a consumer does not say what it consumes, it may be
   * any.
   */
  readonly isConsumed: (queue: string) => boolean;
  /** Ids of the tasks that workers have, by the queue that they came from. */
  readonly tasks: ReadonlyMap<string, ReadonlySet<string>>;
}

export const NO_WORKER_QUEUES: WorkerQueues = { isConsumed: () => false, tasks: new Map() };

/** Asks the workers. @throws RedisError of the connection, or the signal's reason. */
export async function askForWorkerQueues(
  broker: RedisConnection,
  names: BrokerKeys,
  db: number,
  signal: AbortSignal,
): Promise<WorkerQueues> {
  const { enquiry, mailbox, withoutRemoteControl } = await lookAtWorkers(broker, names, db, signal);
  await mailbox?.close();
  const workers = enquiry?.workers() ?? [];
  const consumed = new Set(workers.flatMap(({ queues }) => queues ?? []));
  const isUnknown =
    withoutRemoteControl.celery + (enquiry?.silent() ?? 0) > 0 ||
    workers.some(({ queues }) => queues === undefined);
  return {
    isConsumed: (queue) => isUnknown || consumed.has(queue),
    tasks: await tasksByQueue(broker, names, workers),
  };
}

async function tasksByQueue(
  broker: RedisConnection,
  names: BrokerKeys,
  workers: readonly Worker[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const found = new Map<string, Set<string>>();
  const consumed = [...new Set(workers.flatMap(({ queues }) => queues ?? []))];
  const router = createRouter(broker, names, consumed);
  for (const { tasks, revoked } of workers) {
    for (const { id, exchange, routingKey } of [...tasks, ...revoked]) {
      for (const queue of await router.queuesOf(exchange, routingKey)) {
        const ids = found.get(queue) ?? new Set();
        found.set(queue, ids.add(id));
      }
    }
  }
  return found;
}
