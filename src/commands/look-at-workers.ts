import { ownTasks } from '../celery/cancel.ts';
import type { SharedTask } from '../celery/cancel.ts';
import { notedDrops, withoutDropped } from '../celery/control/dropped.ts';
import { judgeHolds, lookAtWorkers, silentNames } from '../celery/look.ts';
import type { WorkerLook } from '../celery/look.ts';
import { declaredQueues } from '../celery/routes.ts';
import type { Worker, WorkerTask } from '../celery/workers.ts';
import type { RedisConnection } from '../redis/connect.ts';
import type { RedisTarget } from '../redis/target.ts';
import { NO_WORKERS } from '../report/types.ts';
import type { Failure, TaskCensus, WorkerCensus, Workers } from '../report/types.ts';
import { leftWarning, sharedTaskFailures } from '../wipe/left-messages.ts';
import { settingsFailure } from '../wipe/celery-settings.ts';
import { onLink } from './links.ts';
import type { Link } from './links.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import type { ServiceKeys } from './service-keys.ts';

/** A worker, and which of its tasks are the service's. */
export interface OwnWorker {
  readonly worker: Worker;
  readonly queues: readonly string[];
  readonly tasks: readonly WorkerTask[];
  /** Scheduled ones that are revoked already: see `Worker`. */
  readonly revoked: readonly WorkerTask[];
  /** Tasks that go to a queue outside the run as well. */
  readonly shared: readonly SharedTask[];
}

/** A task, and the name of the worker that has it. */
export type WorkersTask = WorkerTask & { readonly worker: string };

/** The tasks of these workers, each with its worker's name. */
export function tasksOf(own: readonly OwnWorker[]): readonly WorkersTask[] {
  return own.flatMap(({ worker, tasks }) =>
    tasks.map((task) => Object.assign({ worker: worker.name }, task)),
  );
}

export function isRunning({ state }: Pick<WorkerTask, 'state'>): boolean {
  return state === 'active';
}

/** Kombu's channels have a database; a cluster has none but 0. */
export function databaseOf(target: RedisTarget): number {
  return target.kind === 'cluster' ? 0 : target.db;
}

/** Celery has no broker on a Redis Cluster (kombu speaks to one server), so nobody is there. */
export function canHaveWorkers(link: Link | undefined): link is Link {
  return link !== undefined && link.target.kind !== 'cluster';
}

/**
 * Who works for this service, and on what. Changes nothing, leaves nothing.
 * @throws the signal's reason.
 */
export async function inspectWorkers(
  service: OpenService,
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<Workers> {
  const { broker: link } = service;
  const keys = serviceKeys(service);
  if (!canHaveWorkers(link) || keys.queues.length === 0) return NO_WORKERS;
  const found = await onLink(
    link,
    { target: 'Celery', name: 'workers' },
    report,
    async (broker) => {
      const look = await lookAtWorkers(broker, keys.broker, databaseOf(link.target), signal);
      try {
        return await describeWorkers(broker, service, look, signal);
      } finally {
        await look.mailbox?.close();
      }
    },
  );
  return found ?? NO_WORKERS;
}

async function describeWorkers(
  broker: RedisConnection,
  service: OpenService,
  look: WorkerLook,
  signal: AbortSignal,
): Promise<Workers> {
  const keys = serviceKeys(service);
  const { enquiry } = look;
  const problem = service.broker && settingsFailure(service.config, service.broker, look);
  const { standing, possible, going } = await judgeHolds(broker, look, keys.queues);
  const named = enquiry === undefined ? [] : await ownWorkers(broker, keys, enquiry.workers());
  const own = withoutDropped(named, (await notedDrops(broker, look)).standing);
  return {
    own: own.filter(hasOwn).map(workerCensus),
    listening: look.listening,
    waiting: look.clients?.waiting,
    withoutRemoteControl: look.withoutRemoteControl.all,
    silent: enquiry?.silent() ?? 0,
    silentNames:
      enquiry === undefined || enquiry.silent() === 0 ? [] : await silentNames(broker, look),
    held: standing.map(({ worker, queue }) => ({ worker, queue })),
    maybeHeld: possible.map(({ worker, queue }) => ({ worker, queue })),
    heldByOthers: going.map(({ worker, queue }) => ({ worker, queue })),
    idle: await idleWorkers(broker, keys, look, signal),
    leftTasks: sharedTasksOf(own, []).flatMap(([worker, tasks]) =>
      sharedTaskFailures(service, worker, tasks).map(leftWarning),
    ),
    trouble: problem === undefined ? look.trouble?.message : undefined,
    problems: problem === undefined ? [] : [problem],
  };
}

async function idleWorkers(
  broker: RedisConnection,
  keys: ServiceKeys,
  look: WorkerLook,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const idle = (look.enquiry?.workers() ?? []).filter(({ queues }) => queues?.length === 0);
  if (idle.length === 0) return [];
  const declared = await declaredQueues(broker, keys.broker, signal);
  const [queue] = declared;
  const isOwn = declared.size === 1 && queue !== undefined && keys.queues.includes(queue);
  return isOwn ? idle.map(({ name }) => name) : [];
}

/**
 * Those that consume a queue of the service or have a task of it, and those that have not told all.
 * @throws RedisError.
 */
export async function ownWorkers(
  broker: RedisConnection,
  keys: ServiceKeys,
  workers: readonly Worker[],
): Promise<readonly OwnWorker[]> {
  const all = await Promise.all(
    workers.map(async (worker) => ({
      worker,
      queues: keys.queues.filter((queue) => worker.queues?.includes(queue)),
      ...(await ownTasks(broker, keys.broker, keys.scope, worker)),
    })),
  );
  return all.filter((own) => hasOwn(own) || own.shared.length > 0 || !own.worker.complete);
}

/**
 * Tasks of shared exchanges by their worker's name. Those of workers that consume other queues only,
 * and were not told to leave one of the service's, are the other queues' copies.
 */
export function sharedTasksOf(
  own: readonly OwnWorker[],
  held: readonly string[],
): readonly (readonly [worker: string, tasks: readonly SharedTask[]])[] {
  return own
    .filter(({ shared }) => shared.length > 0)
    .filter(({ worker, queues }) => {
      const consumed = worker.queues ?? [];
      return consumed.length === 0 || queues.length > 0 || held.includes(worker.name);
    })
    .map(({ worker, shared }) => [worker.name, shared]);
}

/** Whether it consumes a queue of the service, or has a task of it. */
export function hasOwn({ queues, tasks, revoked }: OwnWorker): boolean {
  return queues.length + tasks.length + revoked.length > 0;
}

function workerCensus({ worker, queues, tasks, revoked }: OwnWorker): WorkerCensus {
  const { name, pid, complete } = worker;
  return {
    ...{ name, copies: worker.copies, pid, queues, complete },
    tasks: tasks.map(taskCensus),
    revoked: revoked.map(taskCensus),
  };
}

function taskCensus({ id, name, state, pid, startedAt, eta }: WorkerTask): TaskCensus {
  const runtimeSeconds =
    state === 'active' && startedAt !== undefined
      ? Math.max(0, Date.now() / 1000 - startedAt)
      : undefined;
  return { id, name, state, pid, runtimeSeconds, eta };
}
