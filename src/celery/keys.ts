/**
 * The names that Celery and kombu give to keys in Redis. Pure.
 * Sources: kombu/transport/redis.py (`Channel`, `_q_for_pri`, `QoS`), celery/backends/base.py
 * (`KeyValueStoreBackend`), as told in the Celery 5.6 and kombu 5.6 sources.
 */

/** kombu's default separator between a queue and its priority, and inside a binding. */
export const SEPARATOR = '\x06\x16';

const RESULT = 'celery-task-meta-';

export interface BrokerKeys {
  readonly unacked: Buffer;
  readonly unackedIndex: Buffer;
  /** Routing table of an exchange. Never deleted: without it new messages are dropped silently. */
  readonly binding: (exchange: string) => Buffer;
  readonly queue: (name: string) => Buffer;
  /** Every key that may hold the result of a task. */
  readonly resultsOf: (taskId: Buffer) => readonly Buffer[];
  /** What the keys of all results begin with. */
  readonly results: Buffer;
}

/** @param globalKeyPrefix the transport option `global_keyprefix`, or ''. */
export function brokerKeys(globalKeyPrefix: string): BrokerKeys {
  const key = (text: string): Buffer => Buffer.from(globalKeyPrefix + text);
  // The result backend sets a prefix apart with "_" (`_add_global_keyprefix`); before Celery 5.3,
  // and where only the broker has the option, results have no prefix at all.
  const apart = globalKeyPrefix === '' || /[:_.-]$/.test(globalKeyPrefix) ? '' : '_';
  const results = key(`${apart}${RESULT}`);
  const starts = globalKeyPrefix === '' ? [results] : [results, Buffer.from(RESULT)];
  return {
    unacked: key('unacked'),
    unackedIndex: key('unacked_index'),
    binding: (exchange) => key(`_kombu.binding.${exchange}`),
    queue: (name) => key(name),
    resultsOf: (taskId) => starts.map((start) => Buffer.concat([start, taskId])),
    results,
  };
}

/** What kombu needs to go on working, whatever a prefix matches. */
export function isProtectedKey(key: Buffer, globalKeyPrefix: string): boolean {
  const text = key.toString('latin1');
  const prefix = Buffer.from(globalKeyPrefix).toString('latin1');
  return [prefix, ''].some(
    (start) =>
      text.startsWith(`${start}_kombu.binding.`) ||
      ['unacked', 'unacked_index', 'unacked_mutex'].some((name) => text === start + name),
  );
}

/** How a key that begins with a queue's name belongs to it. */
export type QueueKey =
  /** The list of priority 0, or of a priority behind kombu's own separator. */
  | 'certain'
  /** Another separator (transport option `sep`) and a number: its messages must tell. */
  | 'possible'
  | 'other';

/** @param rest what follows the queue's name in the key. */
export function classifyQueueKey(rest: Buffer): QueueKey {
  const text = rest.toString('latin1');
  if (text === '') return 'certain';
  if (text.startsWith(SEPARATOR)) return /^\d+$/.test(text.slice(2)) ? 'certain' : 'other';
  return /^[^A-Za-z0-9]+\d+$/.test(text) ? 'possible' : 'other';
}

/** A member of `_kombu.binding.<exchange>`: routing key, pattern, queue (kombu's `_queue_bind`). */
export interface Binding {
  readonly routingKey: string;
  readonly pattern: string;
  readonly queue: string;
}

export function parseBinding(member: Buffer): Binding | undefined {
  const [routingKey, pattern, queue] = member.toString().split(SEPARATOR);
  if (routingKey === undefined || pattern === undefined || queue === undefined) return undefined;
  return { routingKey, pattern, queue };
}

/**
 * The queues that a message goes back to, as kombu finds them when it restores it (`_lookup`):
 * the default exchange names the queue itself, others ask their bindings.
 */
export function queuesOf(
  exchange: string,
  routingKey: string,
  bindings: readonly Binding[],
): readonly string[] {
  if (exchange === '' || bindings.length === 0) return [routingKey];
  const matching = bindings.filter(
    (binding) => binding.routingKey === routingKey || matchesPattern(binding.pattern, routingKey),
  );
  return [...new Set(matching.map((binding) => binding.queue))];
}

function matchesPattern(pattern: string, routingKey: string): boolean {
  if (pattern === '') return false;
  try {
    return new RegExp(pattern).test(routingKey);
  } catch {
    return false;
  }
}
