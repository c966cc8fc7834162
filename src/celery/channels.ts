/**
 * Where the workers of a database hear remote control, and how they can reply: what is configured, and
 * what Redis shows. Every app has its own separator, fanout prefix and control exchange, and a worker
 * stops for good when it reads a binding with another separator than its own.
 */
import type { RedisConnection } from '../redis/connect.ts';
import { isConnectionLost, RedisError } from '../redis/errors.ts';
import { over } from '../redis/over.ts';
import { scanKeys } from '../redis/scan.ts';
import type { Clients } from './clients.ts';
import { brokerKeys, controlNameOf, separatorOfMailbox } from './keys.ts';
import type { BrokerKeys } from './keys.ts';
import { encodeControl } from './pidbox.ts';

/** One channel that workers of the database may listen on. */
export interface ControlChannel {
  readonly channel: Buffer;
  /** Of its control exchange, with the separator of its workers where that is certain. */
  readonly names: BrokerKeys;
  /** How many workers of this database listen. */
  readonly listening: number;
  /** No more than so many of those that listen are this database's: others may hear the channel too. */
  readonly most: number;
  /** How many clients of the server have the channel, of whatever database. */
  readonly heard: number;
  /** Its name holds no database: workers of all databases may hear it. */
  readonly isShared: boolean;
  /**
   * How workers can reply. `bound`: by a binding of ours, since their separator is certain. `direct`:
   * by the default exchange, for which a worker reads no binding, so that none is written; kombu then
   * drops no late reply. undefined: neither without harm.
   */
  readonly reply: 'bound' | 'direct' | undefined;
}

export interface Channels {
  /** Every channel that was tried; the first is the configured one, or Celery's own. */
  readonly all: readonly ControlChannel[];
  /** Of all channels together. */
  readonly listening: number;
  /** Mailboxes of workers, also of workers that were killed, by the control exchanges' tables. */
  readonly mailboxes: readonly Buffer[];
  /** Why the listeners of the first channel are not known. */
  readonly trouble: RedisError | undefined;
}

/**
 * Asks each channel how many listen, with a message that wants no reply and changes nothing, and reads
 * the bindings of remote control; in one round trip.
 * @param clients those that CLIENT LIST names; undefined when this user may not see them.
 * @param exchanges further control exchanges: see `findControlExchanges`.
 * @throws RedisError of the connection.
 */
export async function findChannels(
  broker: RedisConnection,
  names: BrokerKeys,
  db: number,
  clients: Promise<Clients | undefined>,
  exchanges: readonly string[] = [],
): Promise<Channels> {
  const configured = names.settings.controlExchange;
  const tried = [...new Set([configured, undefined, ...exchanges])].map((controlExchange) =>
    brokerKeys({ ...names.settings, controlExchange }),
  );
  const candidates = uniqueBy(
    tried.flatMap((one) => candidatesOf(one, db)),
    ({ channel }) => channel.toString(),
  );
  const [counts, tables, known] = await Promise.all([
    Promise.all(candidates.map(async (one) => refused(countOn(broker, one.channel, one.names)))),
    Promise.all(
      uniqueBy(tried, ({ controlExchange }) => controlExchange).map(async (one) => {
        const read = async (exchange: string): Promise<readonly Buffer[]> =>
          answered(await refused(broker.send('SMEMBERS', one.binding(exchange)))) ?? [];
        const { controlExchange: exchange } = one;
        const [mailboxes, replies] = await Promise.all([read(exchange), read(one.replyExchange)]);
        return { exchange, mailboxes, replies };
      }),
    ),
    clients,
  ]);
  const trouble = counts[0] instanceof RedisError ? counts[0] : undefined;
  const all: ControlChannel[] = [];
  // Channels of this database alone first: a worker that listens there does not listen on a shared one.
  for (const isShared of [false, true]) {
    for (const [index, candidate] of candidates.entries()) {
      if (candidate.isShared !== isShared) continue;
      const { channel } = candidate;
      const table = tables.find(({ exchange }) => exchange === candidate.names.controlExchange);
      const heard = answered(counts[index]) ?? 0;
      const here = isShared ? clientsBeside(known, all) : Infinity;
      const mailboxes = isShared
        ? mailboxesBeside(table?.mailboxes ?? [], candidate.names, all)
        : Infinity;
      const most = Math.max(0, Math.min(here, mailboxes));
      const listening = Math.min(heard, most);
      const separator = table && separatorOf(table, Math.min(heard, here));
      const own =
        separator === undefined
          ? candidate.names
          : brokerKeys({ ...candidate.names.settings, separator });
      const reply = separator === undefined ? (isShared ? undefined : 'direct') : 'bound';
      all.push({ channel, names: own, listening, most, heard, isShared, reply });
    }
  }
  return {
    all,
    listening: listeningOn(all),
    mailboxes: tables.flatMap(({ mailboxes }) => mailboxes),
    trouble: all.some(({ listening }) => listening > 0) ? undefined : trouble,
  };
}

interface Candidate {
  readonly channel: Buffer;
  readonly names: BrokerKeys;
  /** Workers of other databases may listen on it as well: its name does not hold the database. */
  readonly isShared: boolean;
}

/**
 * The channels that workers with this control exchange may listen on: the configured one, kombu's own,
 * the one without a prefix (`fanout_prefix: False`), and those whose `{db}` kombu before 5.4 does not
 * replace when it finds Redis through Sentinel.
 */
function candidatesOf(names: BrokerKeys, db: number): readonly Candidate[] {
  const { settings } = names;
  const prefixes = [...new Set([settings.fanoutPrefix, undefined, false as const])];
  return prefixes
    .filter((prefix) => canBeHeard(prefix, names.controlExchange))
    .flatMap((fanoutPrefix): Candidate[] => {
      const own = brokerKeys({ ...settings, fanoutPrefix });
      const channel = own.mailbox(db);
      const literal = own.mailbox('{db}');
      if (literal.equals(channel)) return [{ channel, names, isShared: true }];
      return [
        { channel, names, isShared: false },
        { channel: literal, names, isShared: true },
      ];
    });
}

/**
 * Whether kombu finds the exchange in the name of the channel (`_receive_one`): what stands behind the
 * first dot of a name that begins with a slash, up to the next slash. Otherwise a worker stops at its
 * first message, from any client.
 */
function canBeHeard(prefix: string | false | undefined, controlExchange: string): boolean {
  if (controlExchange.includes('/')) return false;
  return prefix === undefined || prefix === false || /^\/[^.]*\.$/.test(prefix);
}

/** Workers have two connections at least; how many may be workers that were not heard yet. */
function clientsBeside(clients: Clients | undefined, before: readonly ControlChannel[]): number {
  if (clients === undefined) return Infinity;
  return Math.min(clients.popping.length, clients.subscribers.length) - listeningOn(before);
}

/** How many mailboxes in the table may be of workers that were not heard yet. */
function mailboxesBeside(
  mailboxes: readonly Buffer[],
  { controlExchange }: BrokerKeys,
  before: readonly ControlChannel[],
): number {
  const bound = before.filter(({ names }) => names.controlExchange === controlExchange);
  return mailboxes.length - listeningOn(bound);
}

function listeningOn(channels: readonly ControlChannel[]): number {
  return channels.reduce((sum, { listening }) => sum + listening, 0);
}

/**
 * The separator of all workers that listen, where it is certain: each of them has written its mailbox
 * to the table, all that is in the table shows the same separator, and nobody has left another one in
 * the table of replies, which a worker reads when it replies.
 */
function separatorOf(
  {
    mailboxes,
    replies,
  }: { readonly mailboxes: readonly Buffer[]; readonly replies: readonly Buffer[] },
  listening: number,
): string | undefined {
  const [separator, ...others] = new Set(mailboxes.map(separatorOfMailbox));
  if (separator === undefined || others.length > 0 || mailboxes.length < listening)
    return undefined;
  return replies.every((member) => hasThreeParts(member.toString(), separator))
    ? separator
    : undefined;
}

/** As kombu reads a binding (`get_table`); with more parts or fewer the worker stops. */
export function hasThreeParts(member: string, separator: string): boolean {
  return member.split(separator).length === 3;
}

/** The separators that workers' mailboxes show; undefined among them: one that cannot be told. */
export function separatorsOf({ mailboxes }: Channels): readonly (string | undefined)[] {
  return [...new Set(mailboxes.map(separatorOfMailbox))];
}

/**
 * Whether a client hears a channel of all databases and has not answered: it may be a worker of another
 * database, which replies there. An order names workers, and `celery@host` is the name of many.
 * @param answered how many workers of this database have answered.
 */
export function isHeardElsewhere({ all }: Channels, answered: number): boolean {
  // On others nothing is asked, and nothing ordered.
  const used = all.filter(({ listening }) => listening > 0);
  const heard = used.reduce((sum, one) => sum + one.heard, 0);
  return heard > answered && used.some(({ isShared }) => isShared);
}

/** How many workers of the database listen now, on whatever channel. @throws RedisError. */
export async function countListeners(
  broker: RedisConnection,
  channels: readonly ControlChannel[],
): Promise<number> {
  const counts = await Promise.all(
    channels.map(async ({ channel, names, most }) =>
      Math.min(most, answered(await refused(countOn(broker, channel, names))) ?? 0),
    ),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function countOn(
  broker: RedisConnection,
  channel: Buffer,
  { controlExchange: exchange }: BrokerKeys,
): Promise<number> {
  const ping = { method: 'ping', args: {}, to: undefined, reply: undefined };
  const message = encodeControl({ exchange, ...ping });
  return await over(broker, async () => broker.send('PUBLISH', channel, message));
}

/** Found once for a connection: it takes a pass over all keys. */
const found = new WeakMap<RedisConnection, Promise<readonly string[]>>();

/**
 * The control exchanges of all apps that ever had a worker in this database. Scans the keyspace.
 * @throws RedisError, or the signal's reason.
 */
export async function findControlExchanges(
  broker: RedisConnection,
  names: BrokerKeys,
  signal: AbortSignal,
): Promise<readonly string[]> {
  let exchanges = found.get(broker);
  if (exchanges === undefined) {
    exchanges = scanControlExchanges(broker, names, signal);
    found.set(broker, exchanges);
    exchanges.catch(() => found.delete(broker));
  }
  return await exchanges;
}

async function scanControlExchanges(
  broker: RedisConnection,
  names: BrokerKeys,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const exchanges = new Set<string>();
  for await (const keys of scanKeys(broker, names.bindings, signal)) {
    for (const key of keys) {
      const name = controlNameOf(key.subarray(names.bindings.length).toString());
      if (name !== undefined) exchanges.add(name);
    }
  }
  return [...exchanges];
}

async function refused<T>(work: Promise<T>): Promise<T | RedisError> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof RedisError && !isConnectionLost(error)) return error;
    throw error;
  }
}

function answered<T>(reply: T | RedisError | undefined): T | undefined {
  return reply instanceof RedisError ? undefined : reply;
}

function uniqueBy<T>(all: readonly T[], key: (one: T) => string): readonly T[] {
  return [...new Map(all.toReversed().map((one) => [key(one), one])).values()].toReversed();
}
