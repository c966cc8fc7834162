/**
 * Tasks that were revoked before they began in workers with threads: such a worker never runs them,
 * and names them as active until it is restarted (see `Worker.hasThreads`). Noted in Redis, beside the
 * held consumers, so that a later run does not take them for running ones.
 */
import type { RedisConnection } from '../../redis/connect.ts';
import { serverTime } from '../hold.ts';
import { SEPARATOR } from '../keys.ts';
import type { BrokerKeys } from '../keys.ts';
import { asRecord, parseJson } from '../message.ts';
import type { Enquiry, Worker, WorkerTask } from '../workers.ts';

export interface DroppedTask {
  readonly worker: string;
  readonly id: string;
  /** Of the worker's process. */
  readonly pid: number | undefined;
  /** When its thread accepted it, by the worker's clock; undefined: it had not by then. */
  readonly startedAt: number | undefined;
}

export interface NotedDrop extends DroppedTask {
  /** Seconds since 1970, by the clock of Redis. */
  readonly since: number;
}

/** @throws RedisError. */
export async function noteDropped(
  broker: RedisConnection,
  names: BrokerKeys,
  tasks: readonly DroppedTask[],
): Promise<void> {
  if (tasks.length === 0) return;
  const since = await serverTime(broker);
  const fields = tasks.flatMap((task) => {
    const { pid, startedAt } = task;
    return [fieldOf(task), JSON.stringify({ since, pid, startedAt })];
  });
  await broker.send('HSET', names.held, ...fields);
}

/** @throws RedisError. */
export async function readDropped(
  broker: RedisConnection,
  names: BrokerKeys,
): Promise<readonly NotedDrop[]> {
  const flat = await broker.send('HGETALL', names.held);
  const notes: NotedDrop[] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const [worker = '', queue, ...rest] = (flat[index] as Buffer).toString().split(SEPARATOR);
    // A hold has the name of its queue there.
    if (queue !== '' || rest.length === 0) continue;
    const note = asRecord(parseJson(flat[index + 1] as Buffer));
    const number = (name: string): number | undefined =>
      typeof note?.[name] === 'number' ? note[name] : undefined;
    const [since, pid, startedAt] = [number('since'), number('pid'), number('startedAt')];
    if (since === undefined) continue;
    notes.push({ worker, id: rest.join(SEPARATOR), since, pid, startedAt });
  }
  return notes;
}

/** @throws RedisError. */
export async function forgetDropped(
  broker: RedisConnection,
  names: BrokerKeys,
  tasks: readonly Pick<DroppedTask, 'worker' | 'id'>[],
): Promise<void> {
  if (tasks.length > 0) await broker.send('HDEL', names.held, ...tasks.map(fieldOf));
}

function fieldOf({ worker, id }: Pick<DroppedTask, 'worker' | 'id'>): string {
  return [worker, '', id].join(SEPARATOR);
}

/**
 * Whether a task that a worker names is the noted one, and not one of the same id that came later: of
 * the same process, and accepted at the noted time. Where that is not known, the worker must still
 * drop messages with that id.
 * @param now seconds since 1970, by the clock of Redis.
 */
export function isSameDrop(
  note: NotedDrop,
  worker: Pick<Worker, 'copies' | 'hasThreads' | 'pid' | 'uptime' | 'revokedIds'>,
  task: Pick<WorkerTask, 'state' | 'startedAt'>,
  now: number,
): boolean {
  if (!worker.hasThreads || worker.copies > 1 || task.state === 'scheduled') return false;
  if (worker.pid !== note.pid || worker.uptime === undefined) return false;
  // Both are durations, so that clocks need not agree; one second is lost by rounding.
  if (worker.uptime + 1 < now - note.since) return false;
  if (note.startedAt !== undefined) return task.startedAt === note.startedAt;
  return worker.revokedIds?.has(note.id) === true;
}

/** By worker and id. */
export type Dropped = ReadonlyMap<string, DroppedTask>;

export function dropKey(worker: string, id: string): string {
  return JSON.stringify([worker, id]);
}

/** What the notes of earlier runs say of the tasks that workers name. @throws RedisError. */
export async function notedDrops(
  broker: RedisConnection,
  look: { readonly dropped: readonly NotedDrop[]; readonly enquiry: Enquiry | undefined },
): Promise<{ readonly standing: Dropped; readonly over: readonly NotedDrop[] }> {
  const standing = new Map<string, DroppedTask>();
  const over: NotedDrop[] = [];
  const { enquiry, dropped } = look;
  if (dropped.length === 0 || enquiry === undefined) return { standing, over };
  const now = await serverTime(broker);
  const workers = new Map(enquiry.workers().map((worker) => [worker.name, worker]));
  for (const note of dropped) {
    const worker = workers.get(note.worker);
    const tasks = worker?.tasks.filter(({ id }) => id === note.id) ?? [];
    if (worker !== undefined && tasks.some((task) => isSameDrop(note, worker, task, now)))
      standing.set(dropKey(note.worker, note.id), note);
    // Only a worker that has told everything is known not to name it, or to be gone.
    else if (worker === undefined ? enquiry.silent() === 0 : worker.complete) over.push(note);
  }
  return { standing, over };
}

/** The workers without the tasks that no thread runs. */
export function withoutDropped<
  T extends { readonly worker: Worker; readonly tasks: readonly WorkerTask[] },
>(workers: readonly T[], dropped: Dropped): readonly T[] {
  if (dropped.size === 0) return workers;
  return workers.map((own) => ({
    ...own,
    tasks: own.tasks.filter((task) => !isDropped(dropped, own.worker, task)),
  }));
}

function isDropped(dropped: Dropped, worker: Worker, task: WorkerTask): boolean {
  const known = dropped.get(dropKey(worker.name, task.id));
  if (known === undefined || task.state === 'scheduled' || worker.pid !== known.pid) return false;
  if (task.state === 'reserved' || known.startedAt === undefined) return true;
  return task.startedAt === known.startedAt;
}
