/**
 * The names that Celery and kombu give to keys in Redis. Pure.
 * Sources: kombu/transport/redis.py (`Channel`, `_q_for_pri`, `QoS`), celery/backends/base.py
 * (`KeyValueStoreBackend`), as told in the Celery 5.6 and kombu 5.6 sources.
 */
import type { BrokerSettings } from '../model/broker-settings.ts';
import { startsWith } from '../redis/scan.ts';
import { patternOfKey, topicTest } from './topic.ts';

/** kombu's default separator between a queue and its priority, and inside a binding. */
export const SEPARATOR = '\x06\x16';

/** The id of the task follows. */
export const RESULT = 'celery-task-meta-';
const GROUP = 'celery-taskset-meta-';
const CHORD = 'chord-unlock-';
/** What the result backend sets behind a group's id: parts, counter, size (celery/backends/redis.py). */
const GROUP_PARTS = ['', '.j', '.t', '.s'];
/** Behind the name of the control exchange (kombu/pidbox.py `Mailbox.exchange_fmt`). */
const PIDBOX = '.pidbox';
/** Celery's defaults of its settings and kombu's of its transport options. */
const CONTROL_EXCHANGE = 'celery';
/** The exchange of events (`event_exchange`), which workers with gossip listen to. */
export const EVENTS = 'celeryev';
const FANOUT_PREFIX = '/{db}.';
const UNACKED = 'unacked';
const UNACKED_INDEX = 'unacked_index';
/** Ours: see hold.ts. */
const HELD = 'media-cleanup:held-consumers';
/** Ours: see redis/lock.ts; the service's name follows. */
const LOCK = 'media-cleanup:lock:';

export interface BrokerKeys {
  /** What the names were made of. */
  readonly settings: BrokerSettings;
  readonly unacked: Buffer;
  readonly unackedIndex: Buffer;
  /** The separator of the settings, or kombu's own. */
  readonly separator: string;
  /** Routing table of an exchange. Never deleted: without it new messages are dropped silently. */
  readonly binding: (exchange: string) => Buffer;
  /** What the keys of all routing tables begin with. */
  readonly bindings: Buffer;
  readonly queue: (name: string) => Buffer;
  /** The name of the queue that a key would be the list of. */
  readonly nameOf: (key: Buffer) => string;
  /** Every key that may hold the result of a task. */
  readonly resultsOf: (taskId: Buffer) => readonly Buffer[];
  /** What those keys begin with; the id of the task follows. */
  readonly resultStarts: readonly Buffer[];
  /** What the keys of all results begin with. */
  readonly results: Buffer;
  /** What the states of groups and chords begin with; the id of the group follows. */
  readonly groupStarts: readonly Buffer[];
  /** Those of them that are this app's alone by their names, as `results` is. */
  readonly allGroups: readonly Buffer[];
  /** Every key that may hold the state of a group or of a chord's header. */
  readonly groupKeysOf: (groupId: string) => readonly Buffer[];
  /** The exchange of remote control, to which the workers' mailboxes are bound. */
  readonly controlExchange: string;
  /** The exchange of the replies. */
  readonly replyExchange: string;
  /** The channel that every worker of the database listens on (kombu's `keyprefix_fanout`). */
  readonly mailbox: (db: number | '{db}') => Buffer;
  /** The queue that replies to `oid` come in (kombu/pidbox.py `Mailbox.get_reply_queue`). */
  readonly replyQueue: (oid: string) => string;
  /** Its list. */
  readonly replies: (oid: string) => Buffer;
  /** The worker whose mailbox a queue of the control exchange is; undefined for other queues. */
  readonly workerOf: (queue: string) => string | undefined;
  /** Where a hold is noted, so that the next run can end it. */
  readonly held: Buffer;
  /** Who wipes a service at this moment, on whatever host. */
  readonly lock: (service: string) => string;
}

export function brokerKeys(settings: BrokerSettings): BrokerKeys {
  const { globalKeyPrefix, separator = SEPARATOR, fanoutPrefix = FANOUT_PREFIX } = settings;
  const controlExchange = (settings.controlExchange ?? CONTROL_EXCHANGE) + PIDBOX;
  const replyExchange = `reply.${controlExchange}`;
  const replyQueue = (oid: string): string => `${oid}.${replyExchange}`;
  const key = (text: string): Buffer => Buffer.from(globalKeyPrefix + text);
  const fronts = resultFronts(settings);
  const starts = fronts.map((front) => Buffer.from(front + RESULT));
  const [results = Buffer.from(RESULT)] = starts;
  const groups = [GROUP, CHORD].flatMap((name) => fronts.map((front) => front + name));
  return {
    settings,
    separator,
    controlExchange,
    replyExchange,
    unacked: key(settings.unackedKey ?? UNACKED),
    unackedIndex: key(settings.unackedIndexKey ?? UNACKED_INDEX),
    binding: (exchange) => key(`_kombu.binding.${exchange}`),
    bindings: key('_kombu.binding.'),
    queue: (name) => key(name),
    nameOf: (name) => name.subarray(Buffer.byteLength(globalKeyPrefix)).toString(),
    resultsOf: (taskId) => starts.map((start) => Buffer.concat([start, taskId])),
    resultStarts: starts,
    results,
    groupStarts: groups.map((start) => Buffer.from(start)),
    allGroups: [GROUP, CHORD].map((name) => Buffer.from((fronts[0] ?? '') + name)),
    groupKeysOf: (groupId) =>
      groups.flatMap((start) => GROUP_PARTS.map((part) => Buffer.from(start + groupId + part))),
    mailbox: (db) =>
      key((fanoutPrefix || '').replaceAll('{db}', () => String(db)) + controlExchange),
    replyQueue,
    replies: (oid) => key(replyQueue(oid)),
    workerOf: (queue) =>
      queue.endsWith(`.${controlExchange}`) && !queue.endsWith(`.${replyExchange}`)
        ? queue.slice(0, -controlExchange.length - 1)
        : undefined,
    held: key(HELD),
    lock: (service) => globalKeyPrefix + LOCK + service,
  };
}

/** `celery` of `celery.pidbox`: what the setting `control_exchange` is; undefined for other exchanges. */
export function controlNameOf(exchange: string): string | undefined {
  return exchange.endsWith(PIDBOX) && !exchange.startsWith('reply.')
    ? exchange.slice(0, -PIDBOX.length)
    : undefined;
}

/**
 * What may stand before the keys of results, the likeliest first. The result backend sets a prefix apart
 * with "_" (`_add_global_keyprefix`): Celery 5.3 and 5.4 always, later ones unless the prefix ends in a
 * separator. Before 5.3, and where only the broker has the option, results have no prefix at all.
 */
export function resultFronts({
  globalKeyPrefix,
  resultKeyPrefix,
}: BrokerSettings): readonly string[] {
  const prefix = resultKeyPrefix ?? globalKeyPrefix;
  if (prefix === '') return [''];
  const fronts = /[:_.-]$/.test(prefix) ? [prefix, `${prefix}_`] : [`${prefix}_`];
  return [...fronts, ''];
}

/** Whether a key is a list of replies to remote control, of whatever control exchange. */
export function isReplyList(key: Buffer): boolean {
  return /\.reply\.[^]+\.pidbox/.test(key.toString('latin1'));
}

/** Whether an exchange carries tasks, and not remote control, its replies or events. */
export function isTaskExchange(exchange: string): boolean {
  return !exchange.endsWith(PIDBOX) && exchange !== EVENTS;
}

/** Whether a queue carries tasks, and not remote control or events (celery/events/receiver.py). */
export function isTaskQueue(queue: string): boolean {
  return !queue.endsWith(PIDBOX) && !queue.startsWith(`${EVENTS}.`);
}

/** Whether a run keeps others away by it. */
export function isLockKey(key: Buffer, { globalKeyPrefix }: BrokerSettings): boolean {
  return [globalKeyPrefix, ''].some((start) => startsWith(key, Buffer.from(start + LOCK)));
}

/** What kombu and we need to go on working, whatever a prefix matches. */
export function isProtectedKey(key: Buffer, settings: BrokerSettings): boolean {
  return protectedNames(settings).some((name) => isNamed(key, name));
}

/**
 * The same for keys that begin with a prefix; undefined when none of those can be one, so that a
 * million keys need not be asked.
 */
export function protectionWithin(
  prefix: Buffer,
  settings: BrokerSettings,
): ((key: Buffer) => boolean) | undefined {
  const near = protectedNames(settings).filter(
    ({ name }) => startsWith(name, prefix) || startsWith(prefix, name),
  );
  return near.length === 0 ? undefined : (key) => near.some((name) => isNamed(key, name));
}

interface ProtectedName {
  readonly name: Buffer;
  /** Keys that begin with it as well. */
  readonly isBeginning: boolean;
}

function protectedNames({
  globalKeyPrefix,
  unackedKey = UNACKED,
  unackedIndexKey = UNACKED_INDEX,
}: BrokerSettings): readonly ProtectedName[] {
  const unacked = new Set([UNACKED, UNACKED_INDEX, 'unacked_mutex', unackedKey, unackedIndexKey]);
  return [globalKeyPrefix, ''].flatMap((start) => [
    { name: Buffer.from(`${start}_kombu.binding.`), isBeginning: true },
    { name: Buffer.from(start + LOCK), isBeginning: true },
    ...[...unacked, HELD].map((name) => ({
      name: Buffer.from(start + name),
      isBeginning: false,
    })),
  ]);
}

function isNamed(key: Buffer, { name, isBeginning }: ProtectedName): boolean {
  return isBeginning ? startsWith(key, name) : key.equals(name);
}

/** How a key that begins with a queue's name belongs to it. */
export type QueueKey =
  /** The list of priority 0, or of a priority behind kombu's own separator. */
  | 'certain'
  /** Another separator (transport option `sep`) and a priority: its messages must tell. */
  | 'possible'
  | 'other';

/**
 * @param rest what follows the queue's name in the key.
 * @param separators others than kombu's own that are known to be in use.
 */
export function classifyQueueKey(rest: Buffer, separators: readonly string[] = []): QueueKey {
  const text = rest.toString('latin1');
  if (text === '') return 'certain';
  if (text.startsWith(SEPARATOR)) return isPriority(text.slice(2)) ? 'certain' : 'other';
  const known = separators.map((one) => Buffer.from(one).toString('latin1'));
  if (known.some((one) => text.startsWith(one) && isPriority(text.slice(one.length)))) {
    return 'possible';
  }
  const digits = /^[^A-Za-z0-9]+(?=\d)/.exec(text);
  return digits !== null && isPriority(text.slice(digits[0].length)) ? 'possible' : 'other';
}

/** AMQP has priorities of one byte. */
function isPriority(text: string): boolean {
  return /^\d{1,3}$/.test(text) && Number(text) <= 255;
}

/** Stands for queues that a message may go to and that are not known; no service owns it. */
export const UNKNOWN_QUEUE = '?';

/** A member of `_kombu.binding.<exchange>`: routing key, pattern, queue (kombu's `_queue_bind`). */
export interface Binding {
  readonly routingKey: string;
  readonly pattern: string;
  readonly queue: string;
}

/** @param separators others than kombu's own that are known to be in use. */
export function parseBinding(
  member: Buffer,
  separators: readonly string[] = [],
): Binding | undefined {
  const text = member.toString();
  for (const separator of [SEPARATOR, ...separators]) {
    const binding = splitBinding(text, separator);
    if (binding !== undefined) return binding;
  }
  return undefined;
}

/** Routing keys and patterns may hold the separator: `media:video::queue`. */
function splitBinding(text: string, separator: string): Binding | undefined {
  const { length } = separator;
  const start = text.indexOf(`${separator}^`);
  const end = text.lastIndexOf(`$${separator}`);
  if (start >= 0 && end > start) {
    const pattern = text.slice(start + length, end + 1);
    return { routingKey: text.slice(0, start), pattern, queue: text.slice(end + 1 + length) };
  }
  const at = text.lastIndexOf(separator + separator);
  if (at >= 0) {
    return { routingKey: text.slice(0, at), pattern: '', queue: text.slice(at + 2 * length) };
  }
  const [routingKey, pattern, queue, ...more] = text.split(separator);
  if (routingKey === undefined || pattern === undefined || queue === undefined) return undefined;
  return more.length > 0 ? undefined : { routingKey, pattern, queue };
}

const LONGEST_SEPARATOR = 16;

/** The separator of a worker's binding to the exchange of remote control: no routing key, no pattern. */
export function separatorOfMailbox(member: Buffer): string | undefined {
  const text = member.toString();
  if (!text.endsWith(PIDBOX)) return undefined;
  return firstOf(LONGEST_SEPARATOR, (length) => {
    const separator = text.slice(0, length);
    return text.startsWith(separator + separator) ? separator : undefined;
  });
}

/** The separator of the binding of a known queue; undefined where it does not name that. */
export function separatorBefore(queue: string, member: Buffer): string | undefined {
  const text = member.toString();
  if (!text.endsWith(queue)) return undefined;
  const before = text.slice(0, -queue.length);
  const isTopic = before.includes('^');
  return firstOf(LONGEST_SEPARATOR, (length) => {
    const separator = before.slice(-length);
    if (separator.length < length) return undefined;
    const isFound = isTopic
      ? before.endsWith(`$${separator}`) && before.includes(`${separator}^`)
      : before.endsWith(separator + separator);
    return isFound ? separator : undefined;
  });
}

/** The longest that is found. */
function firstOf(
  longest: number,
  find: (length: number) => string | undefined,
): string | undefined {
  for (let length = longest; length > 0; length -= 1) {
    const found = find(length);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * The queues that a message goes back to, as kombu finds them when it restores it (`_lookup`):
 * the default exchange names the queue itself, others ask their bindings. Redis does not say of which
 * type an exchange is: one whose bindings do not have the routing key can only be a fanout exchange,
 * where a message goes to all of its queues. `UNKNOWN_QUEUE` and the queues of strange bindings are
 * among them where some binding's pattern is not kombu's.
 * @param isFanout a worker said so.
 */
export function queuesOf(
  exchange: string,
  routingKey: string,
  bindings: readonly Binding[],
  isFanout = false,
): readonly string[] {
  if (exchange === '' || bindings.length === 0) return [routingKey];
  const strange = bindings.filter(isStrange);
  const matching = bindings.filter(
    (binding) => binding.routingKey === routingKey || matchesPattern(binding, routingKey),
  );
  const isToAll = isFanout || (matching.length === 0 && strange.length === 0);
  const reached = isToAll ? [...bindings] : matching;
  if (strange.length > 0) reached.push(...strange, { ...NOWHERE, queue: UNKNOWN_QUEUE });
  return [...new Set(reached.map((binding) => binding.queue))];
}

const NOWHERE = { routingKey: '', pattern: '' };

/** A binding whose pattern kombu did not write: which messages it takes cannot be told. */
function isStrange({ routingKey, pattern }: Binding): boolean {
  if (pattern === '') return false;
  return pattern !== patternOfKey(routingKey) || topicTest(routingKey) === undefined;
}

/** The pattern in Redis is never run: any client of Redis may have written it. */
function matchesPattern(binding: Binding, routingKey: string): boolean {
  if (binding.pattern === '' || isStrange(binding)) return false;
  return topicTest(binding.routingKey)?.(routingKey) === true;
}
