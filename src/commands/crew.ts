import { noteHolds } from '../celery/hold.ts';
import type { Hold } from '../celery/hold.ts';
import { refusable } from '../celery/look.ts';
import type { WorkerLook } from '../celery/look.ts';
import type { DroppedTask } from '../celery/control/dropped.ts';
import { createRevocations } from '../celery/control/revocations.ts';
import type { Revocations } from '../celery/control/revocations.ts';
import type { WorkerTask } from '../celery/workers.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { RedisError } from '../redis/errors.ts';
import type { Link } from './links.ts';
import type { sharedTasksOf, WorkersTask } from './look-at-workers.ts';
import type { WipeRequest } from './request.ts';
import type { Evidence } from '../wipe/task-evidence.ts';
import type { StepContext } from './step.ts';
import { unnotedWarning } from './worker-warnings.ts';

/**
 * The workers of one service for the time of a wipe: told to stop consuming, their tasks of this
 * service killed, and at the end told to go on. Whatever happens in between, `resumeConsumers` must
 * be called.
 */
export interface Crew {
  readonly step: StepContext;
  readonly cancel: boolean;
  /** Why not, where it does not cancel; for the report. */
  readonly because: string;
  /** The broker, where the workers can be asked. */
  link: Link | undefined;
  look: WorkerLook | undefined;
  /** To be told to consume again. */
  held: readonly Hold[];
  /** What the workers were told to revoke, and what they replied. */
  readonly revocations: Revocations;
  /** Tasks that workers with threads name as active and never run, by worker and id. */
  readonly dropped: Map<string, DroppedTask>;
  /** Tasks of the service that workers had and that are not known to be gone, by worker and id. */
  readonly uncounted: Map<string, WorkersTask>;
  /** Tasks that go on after their worker was told to kill them: no pool but prefork can. */
  stubborn: readonly WorkersTask[];
  /** Tasks that this run does not cancel, as the workers told last: each may write again. */
  leftRunning: readonly WorkersTask[];
  /** Tasks of the service's queues that go to queues outside the run too, by the worker's name. */
  shared: ReturnType<typeof sharedTasksOf>;
  /** Ids of the tasks that workers named, whosever. */
  readonly named: Set<string>;
  /** How each task that a worker named is known to be the service's, by its id. */
  readonly evidence: Map<string, Evidence>;
  /** Tasks that workers name and that something speaks against: not touched. */
  unproven: readonly WorkersTask[];
  /** Some were told to leave, and were not seen to have left. */
  unsettled: boolean;
  /** How many milliseconds a worker that does not answer is waited for before it is called silent. */
  readonly slowMs: number;
  /** Since when workers do not answer, by `performance.now()`; undefined: all have answered. */
  missedAt: number | undefined;
  /** When they were asked last, and when who listens was looked at, by `performance.now()`. */
  askedAt: number;
  lookedAt: number;
  /** Workers that do not tell all of their tasks. */
  secretive: readonly string[];
  /** Revoked scheduled tasks of the service that workers keep in memory, by the worker's name. */
  readonly scheduled: Map<string, readonly WorkerTask[]>;
  /** When the workers were asked for these last, by `performance.now()`. */
  scheduledAt: number;
  /**
   * Workers that have told everything in this run and have nothing of the service: what they do
   * while they do not answer is not its business. With the clients that listened then.
   */
  readonly harmless: Map<string, readonly string[]>;
  /** Workers that do not answer and are not known to be harmless, and the names they may have. */
  silent: { readonly count: number; readonly names: readonly string[] };
  /** Workers that were told to shut down for their scheduled tasks, and have not come back. */
  readonly missing: Set<string>;
  /** Told to the outside while consumers are held. */
  readonly onHold: (held: number) => void;
}

/** Without `--wait-idle`: a worker that was stopped or swapped out for some seconds answers by then. */
const SLOW_MS = 10_000;

export function createCrew(
  step: StepContext,
  {
    kinds,
    cancelRunning,
    waitIdle = SLOW_MS,
  }: Pick<WipeRequest, 'kinds' | 'cancelRunning'> & Partial<Pick<WipeRequest, 'waitIdle'>>,
  onHold: (held: number) => void,
): Crew {
  return {
    step,
    cancel: cancelRunning && kinds.includes('queue'),
    because: kinds.includes('queue') ? '--no-cancel-running' : 'the queue is not wiped',
    link: step.service.broker,
    look: undefined,
    held: [],
    revocations: createRevocations(),
    dropped: new Map(),
    uncounted: new Map(),
    stubborn: [],
    leftRunning: [],
    named: new Set(),
    evidence: new Map(),
    unproven: [],
    shared: [],
    secretive: [],
    scheduled: new Map(),
    scheduledAt: -Infinity,
    harmless: new Map(),
    silent: { count: 0, names: [] },
    missing: new Set(),
    unsettled: false,
    slowMs: waitIdle,
    missedAt: undefined,
    askedAt: 0,
    lookedAt: 0,
    onHold,
  };
}

/** Nobody is left who may write again. */
export function isIdle({ silent, stubborn, secretive, shared }: Crew): boolean {
  return silent.count + stubborn.length + secretive.length + shared.length === 0;
}

/** Notes holds before they are made. @throws RedisError of the connection. */
export async function note(
  crew: Crew,
  broker: RedisConnection,
  holds: readonly Hold[],
  oid: string,
): Promise<void> {
  const { step } = crew;
  const noted = await refusable(noteHolds(broker, step.keys.broker, holds, oid));
  if (noted instanceof RedisError) step.warn(unnotedWarning(noted.message), 'note');
  setHeld(crew, [...crew.held, ...holds]);
}

export function setHeld(crew: Crew, held: readonly Hold[]): void {
  crew.held = held;
  crew.onHold(held.length);
}

export function log(crew: Crew, step: string, message: string): void {
  const { observer, service } = crew.step;
  observer.log({ level: 'INFO', service: service.config.name, step, message });
}
