import type { RedisConnection } from '../redis/connect.ts';
import type { KeyNames } from '../redis/key-names.ts';
import { scanKeys } from '../redis/scan.ts';
import {
  isTaskExchange,
  isTaskQueue,
  parseBinding,
  queuesOf,
  SEPARATOR,
  separatorBefore,
  separatorOfMailbox,
} from './keys.ts';
import type { Binding, BrokerKeys } from './keys.ts';

/** Routes messages as kombu does, by the bindings in Redis. Its functions throw RedisError. */
export interface Router {
  /** The queues that a message with this exchange and routing key goes to. */
  readonly queuesOf: (exchange: string, routingKey: string) => Promise<readonly string[]>;
  /** Whether anything is bound to an exchange. */
  readonly isBound: (exchange: string) => Promise<boolean>;
  /** Separators that apps of this database use beside kombu's own. */
  readonly separators: () => Promise<readonly string[]>;
}

/**
 * Reads each routing table once.
 * @param queues names of queues that may tell the separator of a binding.
 */
export function createRouter(
  broker: RedisConnection,
  names: BrokerKeys,
  queues: readonly string[],
): Router {
  const known = new Map<string, readonly Binding[]>();
  let separators: readonly string[] | undefined;
  const found = async (): Promise<readonly string[]> =>
    (separators ??= await readSeparators(broker, names, queues));
  const bindingsOf = async (exchange: string): Promise<readonly Binding[]> => {
    let bindings = known.get(exchange);
    if (bindings === undefined) {
      const members = await readMembers(broker, names.binding(exchange));
      const isOwn = members.some((member) => parseBinding(member) === undefined);
      const used = isOwn ? [...(await found()), ...separatorsBefore(queues, members)] : [];
      bindings = members
        .map((member) => parseBinding(member, used))
        .filter((binding) => binding !== undefined);
      known.set(exchange, bindings);
    }
    return bindings;
  };
  return {
    async queuesOf(exchange, routingKey) {
      if (exchange === '') return queuesOf(exchange, routingKey, []);
      const isFanout = fanouts.get(broker)?.has(exchange) === true;
      return queuesOf(exchange, routingKey, await bindingsOf(exchange), isFanout);
    },
    isBound: async (exchange) => (await bindingsOf(exchange)).length > 0,
    separators: found,
  };
}

/** Fanout exchanges, by what the workers of a connection's database say. */
const fanouts = new WeakMap<RedisConnection, Set<string>>();

/** Redis does not hold the type of an exchange; workers tell it of those that they consume from. */
export function noteFanouts(broker: RedisConnection, exchanges: readonly string[]): void {
  const known = fanouts.get(broker) ?? new Set();
  for (const exchange of exchanges) known.add(exchange);
  fanouts.set(broker, known);
}

async function readSeparators(
  broker: RedisConnection,
  names: BrokerKeys,
  queues: readonly string[],
): Promise<readonly string[]> {
  const tables = await Promise.all([
    readMembers(broker, names.binding(names.controlExchange)),
    // Exchanges are called like their queue unless an app says otherwise.
    ...queues.map(async (queue) => readMembers(broker, names.binding(queue))),
  ]);
  const found = [
    ...tables.flat().map(separatorOfMailbox),
    ...separatorsBefore(queues, tables.flat()),
  ];
  return [...new Set(found)].filter((one) => one !== undefined && one !== SEPARATOR) as string[];
}

function separatorsBefore(
  queues: readonly string[],
  members: readonly Buffer[],
): readonly string[] {
  const found = members.flatMap((member) => queues.map((queue) => separatorBefore(queue, member)));
  return [...new Set(found)].filter((one) => one !== undefined);
}

/**
 * Every task queue that anybody has ever declared in this database, consumers of it or not. Scans
 * the keyspace, unless a pass has found the keys of the routing tables. @throws RedisError, or the signal's reason.
 */
export async function declaredQueues(
  broker: RedisConnection,
  names: BrokerKeys,
  signal: AbortSignal,
  tables?: KeyNames,
): Promise<ReadonlySet<string>> {
  return taskQueuesOf(await readTables(broker, names, signal, tables), names);
}

/**
 * Every name in this database that may be a task queue's: the declared queues, and the exchanges, which
 * are called like their queue unless an app says otherwise. Scans the keyspace, unless a pass has found
 * the keys of the routing tables.
 * @throws RedisError, or the signal's reason.
 */
export async function possibleQueues(
  broker: RedisConnection,
  names: BrokerKeys,
  signal: AbortSignal,
  tables?: KeyNames,
): Promise<ReadonlySet<string>> {
  const read = await readTables(broker, names, signal, tables);
  return new Set([...[...read.keys()].filter(isTaskExchange), ...taskQueuesOf(read, names)]);
}

/** The bindings of every exchange of this database, by its name. */
async function readTables(
  broker: RedisConnection,
  names: BrokerKeys,
  signal: AbortSignal,
  known: KeyNames | undefined,
): Promise<ReadonlyMap<string, readonly Buffer[]>> {
  const tables = new Map<string, readonly Buffer[]>();
  for await (const keys of known?.batches() ?? scanKeys(broker, names.bindings, signal)) {
    for (const key of keys) {
      const exchange = key.subarray(names.bindings.length).toString();
      tables.set(exchange, await readMembers(broker, key));
    }
  }
  return tables;
}

/** Workers' mailboxes, and queues that are called like their exchange, show the separators in use. */
function taskQueuesOf(
  tables: ReadonlyMap<string, readonly Buffer[]>,
  { settings }: BrokerKeys,
): ReadonlySet<string> {
  const separators = new Set([settings.separator]);
  for (const [exchange, members] of tables) {
    for (const member of members) {
      separators.add(separatorOfMailbox(member) ?? separatorBefore(exchange, member));
    }
  }
  const known = [...separators].filter((one) => one !== undefined);
  const queues = [...tables].flatMap(([exchange, members]) =>
    isTaskExchange(exchange)
      ? members.map((member) => parseBinding(member, known)?.queue ?? '')
      : [],
  );
  return new Set(queues.filter((queue) => queue !== '' && isTaskQueue(queue)));
}

/**
 * Names of the workers that have declared a mailbox: those that listen, and those that were killed
 * since.
 * @param controls names of the control exchanges. @throws RedisError.
 */
export async function declaredWorkers(
  broker: RedisConnection,
  controls: readonly BrokerKeys[],
): Promise<readonly string[]> {
  const found = await Promise.all(
    controls.map(async (names) =>
      (await readMembers(broker, names.binding(names.controlExchange))).map((member) => {
        const separator = separatorOfMailbox(member) ?? names.separator;
        return names.workerOf(parseBinding(member, [separator])?.queue ?? '');
      }),
    ),
  );
  return [...new Set(found.flat())].filter((name) => name !== undefined);
}

async function readMembers(broker: RedisConnection, key: Buffer): Promise<readonly Buffer[]> {
  return await broker.send('SMEMBERS', key);
}
