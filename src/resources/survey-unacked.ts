/**
 * In-flight messages of the service's queues under another name than the configured one (kombu's
 * `unacked_key`), known by their shape: workers give them back, and nobody has looked at them.
 * Reads only.
 */
import { scanInFlight } from '../celery/in-flight.ts';
import { brokerKeys } from '../celery/keys.ts';
import { parseUnacked } from '../celery/message.ts';
import type { QueueScope } from '../celery/scope.ts';
import type { ServiceConfig } from '../config/types.ts';
import type { Finding } from '../model/finding.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { typesOf } from '../redis/families.ts';
import { printable } from '../report/printable.ts';
import { counted } from '../report/text.ts';
import type { SubjectKeys } from './key-families.ts';

/** So many messages are counted. */
const MOST_MESSAGES = 100;
/** So many keys are asked for at a time. */
const AT_ONCE = 500;

/**
 * @param singled keys of the broker's database that are worth a look.
 * @throws RedisError, or the signal's reason.
 */
export async function surveyUnacked(
  broker: RedisConnection,
  { config, keys }: { readonly config: ServiceConfig; readonly keys: SubjectKeys },
  scope: QueueScope,
  singled: readonly Buffer[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (scope.own.length === 0) return [];
  const own = [keys.broker.unacked, keys.broker.unackedIndex];
  const once = new Map(singled.map((key) => [key.toString('latin1'), key]));
  for (const name of own) once.delete(name.toString('latin1'));
  const { hashes, sets } = await lookAt(broker, [...once.values()], signal);
  const findings: Finding[] = [];
  for (const key of hashes) {
    signal.throwIfAborted();
    const tags: Buffer[] = [];
    const names = { ...keys.broker, unacked: key };
    for await (const { deliveryTags } of scanInFlight(broker, scope, names, signal)) {
      tags.push(...deliveryTags);
      if (tags.length >= MOST_MESSAGES) break;
    }
    const [tag] = tags;
    if (tag === undefined) continue;
    const index = await indexOf(broker, sets, tag);
    const front = await frontOf(broker, keys, key);
    findings.push(otherUnacked(config, broker.label, { key, index, count: tags.length, front }));
  }
  return findings;
}

/** Hashes of messages, and sorted sets. */
async function lookAt(
  broker: RedisConnection,
  keys: readonly Buffer[],
  signal: AbortSignal,
): Promise<{ readonly hashes: readonly Buffer[]; readonly sets: readonly Buffer[] }> {
  const hashes: Buffer[] = [];
  const sets: Buffer[] = [];
  for (let start = 0; start < keys.length; start += AT_ONCE) {
    signal.throwIfAborted();
    const types = await typesOf(broker, keys.slice(start, start + AT_ONCE));
    sets.push(...(types.get('zset') ?? []));
    const some = types.get('hash') ?? [];
    const areMessages = await Promise.all(some.map(async (key) => hasMessages(broker, key)));
    hashes.push(...some.filter((_, index) => areMessages[index]));
  }
  return { hashes, sets };
}

/** Whether the values look like kombu's `[message, exchange, routing_key]`, by the first of them. */
async function hasMessages(broker: RedisConnection, key: Buffer): Promise<boolean> {
  const reply = await permitted(broker.send('HSCAN', key, '0', 'COUNT', 1));
  const value = reply?.[1][1];
  const entry = value === undefined ? undefined : parseUnacked(value);
  return entry !== undefined && (entry.taskId !== undefined || entry.hidesIds === true);
}

/** The sorted set that has the tag of a message. */
async function indexOf(
  broker: RedisConnection,
  sets: readonly Buffer[],
  tag: Buffer,
): Promise<Buffer | undefined> {
  for (const set of sets) {
    const score = (await permitted(broker.send('ZSCORE', set, tag))) ?? undefined;
    if (score !== undefined) return set;
  }
  return undefined;
}

function otherUnacked(
  { name, celery }: ServiceConfig,
  label: string,
  found: {
    readonly key: Buffer;
    readonly index: Buffer | undefined;
    readonly count: number;
    readonly front: string | undefined;
  },
): Finding {
  const { key, count, front } = found;
  const line =
    front === undefined
      ? settingsLine(found, celery?.globalKeyPrefix ?? '')
      : `"globalKeyPrefix": ${JSON.stringify(front)}`;
  const many =
    count >= MOST_MESSAGES ? `${MOST_MESSAGES} or more messages` : counted(count, 'message');
  return {
    code: 'EUNACKED',
    severity: 'problem',
    target: 'Celery',
    item: `${label} (in flight)`,
    reason: `the hash "${printable(key)}" holds ${many} of its queues that workers have not acknowledged: left alone, and given back to the queue later`,
    hint: `in the config, services.${name}.celery: ${line}`,
  };
}

/** Of the app's own names. */
function settingsLine(
  { key, index }: { readonly key: Buffer; readonly index: Buffer | undefined },
  front: string,
): string {
  const setting = (bytes: Buffer): string => {
    const text = bytes.toString();
    return JSON.stringify(text.startsWith(front) ? text.slice(front.length) : text);
  };
  const ofIndex = index === undefined ? [] : [`"unackedIndexKey": ${setting(index)}`];
  return [`"unackedKey": ${setting(key)}`, ...ofIndex].join(', ');
}

/** Another global prefix, behind which the hash has kombu's own name and a queue of the service is declared. */
async function frontOf(
  broker: RedisConnection,
  { queues, broker: names }: SubjectKeys,
  key: Buffer,
): Promise<string | undefined> {
  const front = /^(.+)unacked$/s.exec(key.toString())?.[1];
  if (front === undefined) return undefined;
  const there = brokerKeys({ ...names.settings, globalKeyPrefix: front });
  const tables = queues.map(there.binding);
  return ((await permitted(broker.exists(tables))) ?? 0) > 0 ? front : undefined;
}
