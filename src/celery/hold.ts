import type { RedisConnection } from '../redis/connect.ts';
import { SEPARATOR } from './keys.ts';
import type { BrokerKeys } from './keys.ts';
import { clientOf, removeReplyList } from './mailbox.ts';
import type { Mailbox } from './mailbox.ts';
import { asRecord, asText, parseJson } from './message.ts';
import type { Worker } from './workers.ts';

/**
 * A consumer that was told to stop for a wipe. Noted in Redis before it is told, and until it
 * consumes again, so that a run that is killed does not leave it standing for ever.
 */
export interface Hold {
  readonly worker: string;
  readonly queue: string;
}

export interface NotedHold extends Hold {
  /** Seconds since 1970, by the clock of Redis. */
  readonly since: number;
  /** What the run that noted it is called in CLIENT LIST. */
  readonly client: string | undefined;
}

/** @throws RedisError. */
export async function noteHolds(
  broker: RedisConnection,
  names: BrokerKeys,
  holds: readonly Hold[],
  oid: string,
): Promise<void> {
  if (holds.length === 0) return;
  const value = JSON.stringify({ since: await serverTime(broker), oid });
  await broker.send('HSET', names.held, ...holds.flatMap((hold) => [fieldOf(hold), value]));
}

/** @throws RedisError. */
export async function readHolds(
  broker: RedisConnection,
  names: BrokerKeys,
): Promise<readonly NotedHold[]> {
  const flat = await broker.send('HGETALL', names.held);
  const holds: NotedHold[] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const [worker, queue] = (flat[index] as Buffer).toString().split(SEPARATOR);
    const note = asRecord(parseJson(flat[index + 1] as Buffer));
    // Without a queue it is a note of another kind: see control/dropped.ts.
    if (worker === undefined || queue === undefined || queue === '') continue;
    const since = typeof note?.['since'] === 'number' ? note['since'] : 0;
    const client = clientOf(asText(note?.['oid']) ?? '');
    holds.push({ worker, queue, since, client });
  }
  return holds;
}

/**
 * Removes the notes, and with them the reply lists of the runs that made them.
 * @param own of the run that forgets them: it closes that itself. @throws RedisError.
 */
export async function forgetHolds(
  broker: RedisConnection,
  names: BrokerKeys,
  holds: readonly Hold[],
  own?: string,
): Promise<void> {
  if (holds.length === 0) return;
  const fields = holds.map(fieldOf);
  const [notes] = await Promise.all([
    broker.send('HMGET', names.held, ...fields),
    broker.send('HDEL', names.held, ...fields),
  ]);
  const oids = notes.map((note) => note && asText(asRecord(parseJson(note))?.['oid']));
  for (const oid of new Set(oids)) {
    if (oid && oid !== own) await removeReplyList(broker, names, oid);
  }
}

/**
 * What the worker's own answers say of a noted hold: `over` when the worker consumes the queue, or was
 * restarted since, `possible` when the worker did not say what it consumes.
 * @param now seconds since 1970, by the clock of Redis.
 */
export function stateOfHold(
  hold: NotedHold,
  worker: Pick<Worker, 'queues' | 'uptime'>,
  now: number,
): 'standing' | 'possible' | 'over' {
  if (worker.queues?.includes(hold.queue) === true) return 'over';
  // Both are durations, so that clocks need not agree; one second is lost by rounding.
  if (worker.uptime !== undefined && worker.uptime + 1 < now - hold.since) return 'over';
  return worker.queues === undefined ? 'possible' : 'standing';
}

/** Seconds since 1970. @throws RedisError. */
export async function serverTime(broker: RedisConnection): Promise<number> {
  const [seconds] = await broker.send('TIME');
  return Number(seconds);
}

/** Tells workers to leave a queue; what else they consume stays. @throws RedisError. */
export async function tellToLeave(
  mailbox: Mailbox,
  queue: string,
  workers: readonly string[],
): ReturnType<Mailbox['send']> {
  return mailbox.send('cancel_consumer', { queue }, workers);
}

/**
 * Tells workers to consume a queue again. They know it by its name, with exchange and routing key
 * as they have them (celery/worker/consumer/consumer.py `add_task_queue`). @throws RedisError.
 */
export async function tellToConsume(
  mailbox: Mailbox,
  queue: string,
  workers: readonly string[],
): ReturnType<Mailbox['send']> {
  return mailbox.send('add_consumer', { queue }, workers);
}

function fieldOf({ worker, queue }: Hold): string {
  return worker + SEPARATOR + queue;
}
