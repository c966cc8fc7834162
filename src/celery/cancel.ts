import type { RedisConnection } from '../redis/connect.ts';
import type { BrokerKeys } from './keys.ts';
import { createRouter } from './routes.ts';
import { ownership, sharedWith } from './scope.ts';
import type { QueueScope, Shared } from './scope.ts';
import type { Worker, WorkerTask } from './workers.ts';

/** How many revoked ids a worker remembers (celery/worker/state.py `REVOKES_MAX`). */
export const MOST_REMEMBERED = 50_000;

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
