/**
 * Task queues of the database that no service of the config names: messages in them stay, and run when
 * their worker comes back. Reads only.
 */
import { scanInFlight } from '../celery/in-flight.ts';
import { peekQueue } from '../celery/queue.ts';
import { scopeOf } from '../celery/scope.ts';
import type { ServiceConfig } from '../config/types.ts';
import { nearestWord } from '../config/suggest.ts';
import type { Finding } from '../model/finding.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { counted } from '../report/text.ts';
import type { SubjectKeys } from './key-families.ts';
import { isBroadcastQueue } from './other-programs.ts';

/** So many queues are looked into, and so many messages of each. */
const MOST_QUEUES = 50;
const MOST_MESSAGES = 100;

/**
 * @param declared every task queue that somebody declared there.
 * @param neighbours the other services with queues in this database.
 * @param isJob whether an id is that of a job of this service, removed or there.
 * @throws RedisError, or the signal's reason.
 */
export async function surveyQueues(
  broker: RedisConnection,
  { config, keys }: { readonly config: ServiceConfig; readonly keys: SubjectKeys },
  known: {
    readonly declared: ReadonlySet<string>;
    readonly neighbours: readonly ServiceConfig[];
    readonly isJob: (id: string) => boolean;
  },
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const named = new Set([
    ...keys.queues,
    ...known.neighbours.flatMap(({ celery }) => celery?.queues ?? []),
  ]);
  const isForeign = (queue: string): boolean =>
    config.foreignKeyPrefixes.some((prefix) => queue.startsWith(prefix));
  // Those of Broadcast would hide the others: each worker declares one anew (see broadcast-queues.ts).
  const unnamed = [...known.declared].filter(
    (queue) => !named.has(queue) && !isForeign(queue) && !isBroadcastQueue(queue),
  );
  const findings: Finding[] = [];
  for (const queue of unnamed.slice(0, MOST_QUEUES)) {
    const waiting = await peekQueue(broker, keys.broker.queue(queue), MOST_MESSAGES);
    const taken = await firstInFlight(broker, keys, queue, signal);
    const ids = [...waiting.taskIds, ...taken];
    if (ids.length === 0) continue;
    findings.push(unnamedQueue(config, broker.label, queue, ids, ids.some(known.isJob)));
  }
  return findings;
}

async function firstInFlight(
  broker: RedisConnection,
  keys: SubjectKeys,
  queue: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const first = async (): Promise<readonly string[]> => {
    for await (const { taskIds } of scanInFlight(broker, scopeOf([queue]), keys.broker, signal)) {
      if (taskIds.length > 0) return taskIds.slice(0, MOST_MESSAGES);
    }
    return [];
  };
  return (await permitted(first())) ?? [];
}

function unnamedQueue(
  { name, celery }: ServiceConfig,
  label: string,
  queue: string,
  ids: readonly string[],
  isOwn: boolean,
): Finding {
  const queues = celery?.queues ?? [];
  const isMisspelt = queues.length === 1 && nearestWord(queue, queues) !== undefined;
  const value = JSON.stringify(isMisspelt ? [queue] : [...queues, queue]);
  const many =
    ids.length >= MOST_MESSAGES
      ? `${MOST_MESSAGES} or more messages`
      : counted(ids.length, 'message');
  return {
    code: 'EQUEUE',
    severity: isOwn ? 'problem' : 'warning',
    target: 'Celery',
    item: `${label} (queue)`,
    reason: isOwn
      ? `the queue "${queue}" holds ${many} with ids of its jobs, and the config does not name it: left alone`
      : `the queue "${queue}" holds ${many}, and no service of the config names it: left alone`,
    hint: `in the config, services.${name}: "celery": { "queues": ${value} } if it is its queue; if it is another program's: "foreignKeyPrefixes": ${JSON.stringify([queue])}`,
  };
}
