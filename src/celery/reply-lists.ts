/**
 * Lists of replies that nobody fetches any more: of the result backend `rpc://`, and of remote control
 * (celery #6089). kombu declares them as queues of one client, and nothing removes them from Redis when
 * that client is gone.
 */
import type { RedisConnection } from '../redis/connect.ts';
import { permitted, RedisError } from '../redis/errors.ts';
import type { KeyNames } from '../redis/key-names.ts';
import { collectKeys, readKeys } from '../redis/key-pass.ts';
import type { KeyCollector } from '../redis/key-pass.ts';
import { typeOf } from '../redis/key-type.ts';
import type { BrokerKeys } from './keys.ts';
import { asRecord, asText, parseJson } from './message.ts';
import { createMessageReader } from './read-messages.ts';

export interface ReplyLists {
  /** Lists of results that were not touched for an hour. */
  readonly results: readonly Buffer[];
  /** Lists of replies to remote control that were not touched for an hour. */
  readonly control: readonly Buffer[];
  /** Others: touched since, or at a time that Redis does not tell. They may be a living client's. */
  readonly recent: number;
}

/**
 * A client waits for replies to remote control for seconds, and fetches results while it works: a list
 * that was not touched for so long is nobody's. Redis does not tell whose a list is.
 */
const ORPHANED_S = 3600;
const AT_ONCE = 100;

/** `app.thread_oid` (celery/app/base.py), which kombu's mailbox uses as well. */
const CLIENT_ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/** Finds keys that are called like such lists, in a pass over the database. */
export function replyListCollector(names: BrokerKeys): KeyCollector {
  return collectKeys([Buffer.from('*')], (key) => kindOf(key, names) !== undefined);
}

/**
 * Changes nothing, not even when a list was touched.
 * @param known what `replyListCollector` has collected; else a pass is made.
 * @throws RedisError, or the signal's reason.
 */
export async function findReplyLists(
  broker: RedisConnection,
  names: BrokerKeys,
  signal: AbortSignal,
  known?: KeyNames,
): Promise<ReplyLists> {
  const collector = replyListCollector(names);
  if (known === undefined) await readKeys(broker, [collector], signal);
  const lists = { results: [] as Buffer[], control: [] as Buffer[], recent: 0 };
  const all = [...(known ?? collector.names).batches()].flat().flatMap((key) => {
    const kind = kindOf(key, names);
    return kind === undefined ? [] : [{ key, kind }];
  });
  for (let start = 0; start < all.length; start += AT_ONCE) {
    signal.throwIfAborted();
    const batch = all.slice(start, start + AT_ONCE);
    // Before it is read, which touches it.
    const idle = await Promise.all(batch.map(async ({ key }) => idleSeconds(broker, key)));
    const isList = await Promise.all(
      batch.map(async ({ key, kind }, index) =>
        kind === 'control' || (idle[index] ?? 0) < ORPHANED_S
          ? (await permitted(typeOf(broker, key))) === 'list'
          : holdsResults(broker, key, names),
      ),
    );
    for (const [index, { key, kind }] of batch.entries()) {
      if (isList[index] !== true) continue;
      if ((idle[index] ?? 0) >= ORPHANED_S) lists[kind].push(key);
      else lists.recent += 1;
    }
  }
  return lists;
}

function kindOf(key: Buffer, names: BrokerKeys): 'results' | 'control' | undefined {
  // Most keys are none, and a name of many bytes is no such queue.
  if (key.length > 1000) return undefined;
  const queue = names.nameOf(key);
  if (!names.queue(queue).equals(key)) return undefined;
  if (CLIENT_ID.test(queue)) return 'results';
  return queue.endsWith(`.${names.replyExchange}`) ? 'control' : undefined;
}

/** Undefined when Redis does not tell: with an LFU policy, or to this user. */
async function idleSeconds(broker: RedisConnection, key: Buffer): Promise<number | undefined> {
  try {
    return (await permitted(broker.send('OBJECT', 'IDLETIME', key))) ?? undefined;
  } catch (error) {
    if (error instanceof RedisError && error.code === 'ERR') return undefined;
    throw error;
  }
}

/** Whether its messages are results for the client of this name: by no exchange, with a task's id. */
async function holdsResults(
  broker: RedisConnection,
  key: Buffer,
  names: BrokerKeys,
): Promise<boolean> {
  if ((await permitted(typeOf(broker, key))) !== 'list') return false;
  const bytes = (await permitted(createMessageReader(broker, key).read(0, 1)))?.messages[0];
  const properties = bytes && asRecord(asRecord(parseJson(bytes))?.['properties']);
  const delivery = asRecord(properties?.['delivery_info']);
  return (
    asText(properties?.['correlation_id']) !== undefined &&
    asText(delivery?.['routing_key']) === names.nameOf(key) &&
    delivery?.['exchange'] === ''
  );
}
