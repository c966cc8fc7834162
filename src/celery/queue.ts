import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { typeOf } from '../redis/key-type.ts';
import { over } from '../redis/over.ts';
import { unexpectedReply } from '../redis/replies.ts';
import { createKeyNames } from '../redis/key-names.ts';
import type { KeyNames } from '../redis/key-names.ts';
import type { Pace } from '../redis/pace.ts';
import { scanKeys, startsWith } from '../redis/scan.ts';
import { classifyQueueKey, SEPARATOR } from './keys.ts';
import type { BrokerKeys } from './keys.ts';
import { isLeftOut, parseMessage } from './message.ts';
import { createMessageReader } from './read-messages.ts';
import type { MessageReader } from './read-messages.ts';
import { createRouter } from './routes.ts';
import type { Router } from './routes.ts';
import type { QueueScope } from './scope.ts';

export interface QueueKeys {
  readonly keys: readonly Buffer[];
  /** Keys of a queue's name that are no list, with their type: left alone, and reported. */
  readonly strange: readonly { readonly key: Buffer; readonly type: string }[];
  /** Lists that may be a queue's, by name, and whose messages go nowhere: left alone, and reported. */
  readonly doubtful: readonly DoubtfulList[];
}

export interface DoubtfulList {
  readonly key: Buffer;
  readonly queue: string;
  /** Of a message in the list; nothing is bound to it. Undefined: its messages are too large to be read. */
  readonly exchange: string | undefined;
}

/**
 * The lists of a service's queues with all their priorities. kombu's separator and steps can be
 * configured, so they are found by SCAN and TYPE. A list behind another separator counts when its
 * messages go to the queue, by the bindings of their exchange; a name that is a queue in its own right
 * is none of another queue's lists.
 * @param known keys among which they are, where a pass has found them (`mayBeList`); else they are
 *   scanned for.
 * @throws RedisError.
 */
export async function findQueueKeys(
  broker: RedisConnection,
  { own, others }: Pick<QueueScope, 'own' | 'others'>,
  names: BrokerKeys,
  signal: AbortSignal,
  known?: Pick<KeyNames, 'batches'>,
): Promise<QueueKeys> {
  const keys = new Map<string, Buffer>();
  const strange: { key: Buffer; type: string }[] = [];
  const doubtful: DoubtfulList[] = [];
  const router = createRouter(broker, names, own);
  const separators = await separatorsIn(router);
  const queues = new Set([...own, ...others].map((queue) => names.queue(queue).toString('latin1')));
  for (const queue of own) {
    const prefix = names.queue(queue);
    for await (const batch of known?.batches() ?? scanKeys(broker, prefix, signal)) {
      for (const key of batch) {
        if (!startsWith(key, prefix)) continue;
        if (keys.has(key.toString('latin1'))) continue;
        const kind = classifyQueueKey(key.subarray(prefix.length), separators);
        if (kind === 'other') continue;
        if (key.length > prefix.length && queues.has(key.toString('latin1'))) continue;
        const asked = typeOf(broker, key);
        // What only begins like the queue may be somebody else's, and none of our business.
        const type = (await (kind === 'certain' ? asked : permitted(asked))) ?? 'none';
        if (type === 'none') continue;
        if (type === 'list') {
          const list = { key, queue, name: names.nameOf(key) };
          const whose = kind === 'certain' ? 'own' : await judgeList(broker, list, router);
          if (whose === 'own') keys.set(key.toString('latin1'), key);
          else if (whose !== 'other') doubtful.push({ key, queue, exchange: whose.unbound });
        } else if (kind === 'certain') {
          strange.push({ key, type });
        }
      }
    }
  }
  return { keys: [...keys.values()], strange, doubtful };
}

/** Tells of a key by its name alone whether it may be a list of one of the queues. @throws RedisError. */
export async function mayBeList(
  broker: RedisConnection,
  queues: readonly string[],
  names: BrokerKeys,
): Promise<(key: Buffer) => boolean> {
  const separators = await separatorsIn(createRouter(broker, names, queues));
  const prefixes = queues.map(names.queue);
  return (key) =>
    prefixes.some(
      (prefix) =>
        startsWith(key, prefix) &&
        classifyQueueKey(key.subarray(prefix.length), separators) !== 'other',
    );
}

/**
 * The keys that lists of these queues have behind the separators that are known to be in use, asked
 * for by their names: nothing is scanned. @throws RedisError.
 */
export async function namedQueueKeys(
  broker: RedisConnection,
  queues: readonly string[],
  names: BrokerKeys,
): Promise<KeyNames> {
  const used = await separatorsIn(createRouter(broker, names, queues));
  const separators = new Set([SEPARATOR, names.separator, ...used]);
  const found = createKeyNames();
  for (const queue of queues) {
    const priorities = [...separators].flatMap((separator) =>
      PRIORITIES.map((priority) => names.queue(`${queue}${separator}${priority}`)),
    );
    if ((await broker.exists([names.queue(queue)])) > 0) found.add(names.queue(queue));
    // One command for what is hardly ever there, and each key by itself only where one is.
    if ((await broker.exists(priorities)) === 0) continue;
    const there = await Promise.all(priorities.map(async (key) => broker.exists([key])));
    priorities.filter((_, index) => there[index] === 1).forEach(found.add);
  }
  return found;
}

/** AMQP has priorities of one byte. */
const PRIORITIES = Array.from({ length: 256 }, (_, priority) => priority);

/** A user without permission to read the bindings gets kombu's own separator. */
async function separatorsIn(router: Router): Promise<readonly string[]> {
  return (await permitted(router.separators())) ?? [];
}

/**
 * Whose a list is that only looks like one of the queue's priorities, by the message at each end.
 * A list without a message of kombu is no queue.
 */
async function judgeList(
  broker: RedisConnection,
  list: { readonly key: Buffer; readonly queue: string; readonly name: string },
  router: Router,
): Promise<'own' | 'other' | { readonly unbound: string | undefined }> {
  let doubt: { readonly unbound: string | undefined } | undefined;
  const reader = createMessageReader(broker, list.key);
  for (const index of [0, -1]) {
    const bytes = (await permitted(reader.read(index, 1)))?.messages[0];
    if (bytes !== undefined && isLeftOut(bytes)) doubt ??= { unbound: undefined };
    const message = bytes === undefined ? undefined : parseMessage(bytes);
    if (message?.routingKey === undefined) continue;
    const { exchange = '', routingKey } = message;
    if (routingKey === list.queue) return 'own';
    if (routingKey === list.name) return 'other';
    const goesTo = (await permitted(router.queuesOf(exchange, routingKey))) ?? [];
    if (goesTo.includes(list.queue)) return 'own';
    if (exchange !== '' && (await permitted(router.isBound(exchange))) !== true) {
      doubt = { unbound: exchange };
    }
  }
  return doubt ?? 'other';
}

/** What a batch of messages names. */
export interface MessageIds {
  readonly taskIds: readonly string[];
  readonly groupIds: readonly string[];
  /** Messages that may have ids that are not known: whose results theirs are cannot be told. */
  readonly hidden: number;
  /** Messages that are none of Celery: no worker can have run them. */
  readonly strange: number;
}

/** The number of messages in these lists now. */
export async function countQueued(
  broker: RedisConnection,
  keys: readonly Buffer[],
): Promise<number> {
  let count = 0;
  for (const key of keys) count += await broker.send('LLEN', key);
  return count;
}

/** The ids of the messages in these lists, batch by batch; messages stay. @throws RedisError. */
export async function* scanQueued(
  broker: RedisConnection,
  keys: readonly Buffer[],
  signal: AbortSignal,
): AsyncGenerator<MessageIds> {
  for (const key of keys) {
    // What comes meanwhile is for the next look: a producer does not keep it here.
    const length = await broker.send('LLEN', key);
    const reader = createMessageReader(broker, key);
    for (let start = 0; start < length;) {
      signal.throwIfAborted();
      const { messages, hasMore } = await reader.read(start);
      yield idsOf(messages);
      start += messages.length;
      if (!hasMore) break;
    }
  }
}

/** Ids of the first messages of a list; none when it is no list. @throws RedisError. */
export async function peekQueue(
  broker: RedisConnection,
  key: Buffer,
  count: number,
): Promise<MessageIds> {
  if ((await typeOf(broker, key)) !== 'list') return idsOf([]);
  const reader = createMessageReader(broker, key);
  const found: Buffer[] = [];
  while (found.length < count) {
    const { messages, hasMore } = await reader.read(found.length, count - found.length);
    found.push(...messages);
    if (!hasMore) break;
  }
  return idsOf(found);
}

function idsOf(messages: readonly Buffer[]): MessageIds {
  const whole = messages.filter((message) => !isLeftOut(message));
  const parsed = whole.map(parseMessage);
  const present = (ids: readonly (string | undefined)[]): readonly string[] =>
    ids.filter((id) => id !== undefined);
  return {
    taskIds: present(parsed.map((message) => message?.taskId)),
    groupIds: [...new Set(present(parsed.map((message) => message?.groupId)))],
    hidden: messages.length - whole.length + parsed.filter((one) => one?.hidesIds).length,
    strange: parsed.filter((one) => one?.taskId === undefined && !one?.hidesIds).length,
  };
}

/**
 * Takes every message out of these lists, in batches that are read and cut in one transaction, so
 * that the count is of what went and the task ids are known. A producer that goes on does not keep
 * it here: what comes after twice the first length is left for the next look.
 * @param onBatch gets the ids of the messages just removed from a list.
 * @returns the number of messages removed.
 * @throws RedisError, or the signal's reason between two batches.
 */
export async function purgeQueues(
  broker: RedisConnection,
  keys: readonly Buffer[],
  pace: Pace,
  onBatch: (ids: MessageIds, purged: number, key: Buffer) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  let purged = 0;
  for (const key of keys) {
    const reader = createMessageReader(broker, key);
    const size = Math.min(reader.most, pace.batch);
    const first = await broker.send('LLEN', key);
    const most = 2 * first + size;
    let left = first;
    for (let taken = 0; taken < most;) {
      signal.throwIfAborted();
      const batch = await takeBatch(broker, { key, reader, size }, left);
      left = batch.left;
      taken += batch.count;
      purged += batch.count;
      const ids = idsOf(batch.messages);
      const lost = Math.max(0, batch.count - batch.messages.length);
      await onBatch({ ...ids, hidden: ids.hidden + lost }, purged, key);
      await pace.take(batch.count, signal);
      if (left === 0) break;
      if (batch.count === 0) throw unexpectedReply('LRANGE', [], `the first of ${left} messages`);
    }
  }
  return purged;
}

interface Batch {
  readonly count: number;
  /** Where the answer was lost those that stood there just before. */
  readonly messages: readonly Buffer[];
  /** The length of the list after it. */
  readonly left: number;
}

/**
 * Takes up to `size` messages from the head of a list. When the answer is lost, the length tells
 * whether it was done; what a producer adds in that moment is not told from what stayed. They are
 * read before they are taken: the ids of removed messages cannot be read any more.
 */
async function takeBatch(
  broker: RedisConnection,
  {
    key,
    reader,
    size,
  }: { readonly key: Buffer; readonly reader: MessageReader; readonly size: number },
  before: number,
): Promise<Batch> {
  const { messages: ahead } = await reader.read(0, size);
  let lost = 0;
  let known = before;
  return await over(broker, async (isRepeated, session) => {
    if (isRepeated) {
      const now = await broker.send('LLEN', key);
      lost += Math.max(0, Math.min(size, known - now));
      known = now;
      if (lost > 0) return { count: lost, messages: ahead, left: now };
    }
    const { messages, left } = await reader.take(session, size);
    return { count: messages.length, messages, left };
  });
}
