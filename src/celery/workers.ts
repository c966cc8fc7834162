import type { Mailbox, Sent } from './mailbox.ts';
import { asRecord, asText } from './message.ts';

/** What workers say of themselves. */

export type TaskState = 'active' | 'reserved' | 'scheduled';

export interface WorkerTask {
  readonly id: string;
  /** Name of the task's function: `downloader.fetch`. */
  readonly name: string;
  readonly state: TaskState;
  readonly exchange: string;
  readonly routingKey: string;
  /** Of the process that runs it. */
  readonly pid: number | undefined;
  /** Seconds since 1970, by the worker's clock. */
  readonly startedAt: number | undefined;
  /** ISO 8601, of a scheduled task. */
  readonly eta: string | undefined;
}

export interface Worker {
  /** `worker@host` */
  readonly name: string;
  /** How many workers go by this name: more than 1 is a mistake in their `--hostname`. */
  readonly copies: number;
  readonly pid: number | undefined;
  /** Seconds since it was started. */
  readonly uptime: number | undefined;
  /**
   * Whether it runs tasks in threads. There a task that is revoked before it began is never run, and
   * stays among the active ones for ever: its thread fails when it accepts it
   * (celery/worker/request.py `on_accepted`, celery/concurrency/base.py `terminate_job`).
   */
  readonly hasThreads: boolean;
  /** Every queue that it consumes now; undefined when it did not say. */
  readonly queues: readonly string[] | undefined;
  /** Exchanges of type fanout that its queues are bound to. */
  readonly fanouts: readonly string[];
  /** Tasks of all its queues, as far as it told them. */
  readonly tasks: readonly WorkerTask[];
  /**
   * Scheduled tasks that are revoked already. The worker keeps them in memory, and when they are due
   * it stores the result "revoked" and calls the app's handlers of `task_revoked`.
   */
  readonly revoked: readonly WorkerTask[];
  /** Ids that it drops when a message with them comes; undefined when it was not asked. */
  readonly revokedIds: ReadonlySet<unknown> | undefined;
  /** Whether it has told all of this. */
  readonly complete: boolean;
}

/** Questions that are under way; what is known grows with every `mailbox.receive()`. */
export interface Enquiry {
  /** How many workers have the questions: at least so many listen. */
  readonly reached: number;
  /** Whether it asked for scheduled tasks too. */
  readonly withScheduled: boolean;
  /** Those that have answered something, by name. */
  workers(): readonly Worker[];
  /** How many of those have answered nothing. */
  silent(): number;
  /** Everyone that was reached has answered everything. */
  isComplete(): boolean;
}

const TASK_STATES = ['active', 'reserved', 'scheduled'] as const;

/**
 * Asks workers for pid, queues and tasks (celery/worker/control.py); the answers are still to come.
 * @param scheduled whether for scheduled tasks too: they may be very many, and do not go away.
 * @param to names of workers; undefined: everyone that listens.
 * @throws RedisError.
 */
export async function enquire(
  mailbox: Mailbox,
  scheduled: 'with scheduled' | 'without scheduled',
  to?: readonly string[],
): Promise<Enquiry> {
  const ask = async (method: string, args = {}): Promise<Sent> => mailbox.send(method, args, to);
  // Arguments of tasks are not wanted; of the others Celery cannot leave them out.
  const [stats, queues, ...tasks] = await Promise.all([
    ask('stats'),
    ask('active_queues'),
    ask('active', { safe: true }),
    ask('reserved'),
    ...(scheduled === 'with scheduled' ? [ask('scheduled'), ask('revoked')] : []),
  ]);
  const revoked = tasks.length > 2 ? tasks.pop() : undefined;
  const all = [stats, queues, ...tasks, ...(revoked === undefined ? [] : [revoked])];
  const reached = Math.max(...all.map((sent) => sent.reached));
  return {
    reached,
    withScheduled: revoked !== undefined,
    workers() {
      const names = new Set(all.flatMap(({ replies }) => [...replies.keys()]));
      return [...names].toSorted().map((name): Worker => {
        const info = asRecord(stats.replies.get(name));
        const consumed = readQueues(queues.replies.get(name));
        const revokedIds = revoked && readIds(revoked.replies.get(name));
        const told = readTasks(
          tasks.map(({ replies }) => replies.get(name)),
          revokedIds ?? new Set(),
        );
        return {
          name,
          copies: Math.max(...all.map(({ copies }) => copies.get(name) ?? 0)),
          pid: asNumber(info?.['pid']),
          uptime: asNumber(info?.['uptime']),
          // As only celery/concurrency/thread.py has it in `_get_info`.
          hasThreads: asNumber(asRecord(info?.['pool'])?.['threads']) !== undefined,
          queues: consumed,
          fanouts: readFanouts(queues.replies.get(name)),
          tasks: told.tasks,
          revoked: told.revoked,
          revokedIds,
          complete: told.complete && consumed !== undefined,
        };
      });
    },
    silent: () => Math.max(0, reached - Math.max(...all.map(({ answered }) => answered))),
    isComplete: () => all.every(({ answered }) => answered >= reached),
  };
}

/** How long after the last reply nobody else is waited for; as `celery inspect` does it. */
export const ANSWER_MS = 1_000;

/** What these workers consume now, of those that answer. @throws RedisError. */
export async function askForQueues(
  mailbox: Mailbox,
  names: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const sent = await mailbox.send('active_queues', {}, names);
  const never = new AbortController().signal;
  await mailbox.receiveUntil(() => sent.answered >= sent.reached, ANSWER_MS, never);
  return new Map([...sent.replies].map(([name, reply]) => [name, readQueues(reply) ?? []]));
}

function readQueues(reply: unknown): readonly string[] | undefined {
  if (!Array.isArray(reply)) return undefined;
  return reply.map((queue: unknown) => asText(asRecord(queue)?.['name'])).filter(isPresent);
}

function readFanouts(reply: unknown): readonly string[] {
  if (!Array.isArray(reply)) return [];
  return reply
    .map((queue: unknown) => asRecord(asRecord(queue)?.['exchange']))
    .filter((exchange) => exchange?.['type'] === 'fanout')
    .map((exchange) => asText(exchange?.['name']))
    .filter(isPresent);
}

function readIds(reply: unknown): ReadonlySet<unknown> {
  return new Set(Array.isArray(reply) ? reply : []);
}

/**
 * @param replies to `active`, `reserved` and, if asked, `scheduled`.
 * @param revoked ids of tasks that are not run when they are due.
 */
function readTasks(
  replies: readonly unknown[],
  revoked: ReadonlySet<unknown>,
): Pick<Worker, 'tasks' | 'revoked' | 'complete'> {
  const tasks: WorkerTask[] = [];
  const dropped: WorkerTask[] = [];
  for (const [index, reply] of replies.entries()) {
    if (!Array.isArray(reply)) continue;
    const state = TASK_STATES[index] as TaskState;
    for (const task of reply.map((value) => readTask(value, state)).filter(isPresent)) {
      (state === 'scheduled' && revoked.has(task.id) ? dropped : tasks).push(task);
    }
  }
  return { tasks, revoked: dropped, complete: replies.every(Array.isArray) };
}

/** As in `Request.info` (celery/worker/request.py); a scheduled one has it below `request`. */
function readTask(value: unknown, state: TaskState): WorkerTask | undefined {
  const outer = asRecord(value);
  const info = state === 'scheduled' ? asRecord(outer?.['request']) : outer;
  const delivery = asRecord(info?.['delivery_info']);
  const id = asText(info?.['id']);
  const routingKey = asText(delivery?.['routing_key']);
  if (id === undefined || routingKey === undefined) return undefined;
  return {
    id,
    name: asText(info?.['name']) ?? asText(info?.['type']) ?? 'unknown',
    state,
    exchange: asText(delivery?.['exchange']) ?? '',
    routingKey,
    pid: asNumber(info?.['worker_pid']),
    startedAt: asNumber(info?.['time_start']),
    eta: asText(outer?.['eta']),
  };
}

function asNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function isPresent<T>(value: T | undefined): value is T {
  return value !== undefined;
}
