import type { RedisConnection } from '../redis/connect.ts';
import { scanKeys } from '../redis/scan.ts';
import { isTaskQueue, parseBinding, queuesOf, workerOfMailbox } from './keys.ts';
import type { Binding, BrokerKeys } from './keys.ts';

/** The queues that a message with this exchange and routing key goes to, as kombu routes it. */
export type Router = (exchange: string, routingKey: string) => Promise<readonly string[]>;

/** Reads each routing table once. The router throws RedisError. */
export function createRouter(broker: RedisConnection, names: BrokerKeys): Router {
  const known = new Map<string, readonly Binding[]>();
  return async (exchange, routingKey) => {
    if (exchange === '') return queuesOf(exchange, routingKey, []);
    let bindings = known.get(exchange);
    if (bindings === undefined) {
      bindings = await readBindings(broker, names.binding(exchange));
      known.set(exchange, bindings);
    }
    return queuesOf(exchange, routingKey, bindings);
  };
}

/** How a message belongs to a set of queues: to them alone, to them and others, or to others. */
export function ownership(
  goesTo: readonly string[],
  own: ReadonlySet<string>,
): 'own' | 'shared' | 'foreign' {
  if (!goesTo.some((queue) => own.has(queue))) return 'foreign';
  return goesTo.every((queue) => own.has(queue)) ? 'own' : 'shared';
}

/**
 * Every task queue that anybody has ever declared in this database, consumers of it or not. Scans
 * the keyspace. @throws RedisError, or the signal's reason.
 */
export async function declaredQueues(
  broker: RedisConnection,
  names: BrokerKeys,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const queues = new Set<string>();
  for await (const { key } of exchanges(broker, names, signal)) {
    await addTaskQueues(queues, broker, key);
  }
  return queues;
}

/** kombu's own exchanges: remote control, its replies, events. */
const OWN_EXCHANGES = new Set(['celery.pidbox', 'reply.celery.pidbox', 'celeryev']);

/**
 * Every name in this database that may be a task queue's: the declared queues, and the exchanges, which
 * are called like their queue unless an app says otherwise. Scans the keyspace.
 * @throws RedisError, or the signal's reason.
 */
export async function possibleQueues(
  broker: RedisConnection,
  names: BrokerKeys,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const queues = new Set<string>();
  for await (const { key, name } of exchanges(broker, names, signal)) {
    if (OWN_EXCHANGES.has(name)) continue;
    queues.add(name);
    await addTaskQueues(queues, broker, key);
  }
  return queues;
}

/** Every exchange that has bindings in this database: their key, and the exchange's name. */
async function* exchanges(
  broker: RedisConnection,
  names: BrokerKeys,
  signal: AbortSignal,
): AsyncGenerator<{ readonly key: Buffer; readonly name: string }> {
  for await (const keys of scanKeys(broker, names.bindings, signal)) {
    for (const key of keys) {
      yield { key, name: key.subarray(names.bindings.length).toString() };
    }
  }
}

async function addTaskQueues(
  queues: Set<string>,
  broker: RedisConnection,
  bindings: Buffer,
): Promise<void> {
  for (const { queue } of await readBindings(broker, bindings)) {
    if (isTaskQueue(queue)) queues.add(queue);
  }
}

/**
 * Names of the workers that have declared a mailbox: those that listen, and those that were killed
 * since. @throws RedisError.
 */
export async function declaredWorkers(
  broker: RedisConnection,
  names: BrokerKeys,
): Promise<readonly string[]> {
  const bindings = await readBindings(broker, names.binding('celery.pidbox'));
  return bindings.map(({ queue }) => workerOfMailbox(queue)).filter((name) => name !== undefined);
}

async function readBindings(broker: RedisConnection, key: Buffer): Promise<readonly Binding[]> {
  const members = await broker.send('SMEMBERS', key);
  return members.map(parseBinding).filter((binding) => binding !== undefined);
}
