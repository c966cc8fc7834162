/**
 * Task queues of the database that no service of the config names: messages in them stay, and run when
 * their worker comes back. Reads only.
 */
import { scanInFlight } from '../celery/in-flight.ts';
import type { BrokerKeys } from '../celery/keys.ts';
import { lookAtWorkers } from '../celery/look.ts';
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
    /** This run has removed messages of the service's queues. */
    readonly hadTasks: boolean;
    /** Of the broker; undefined where Celery can have no workers. */
    readonly db: number | undefined;
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
  const serving =
    unnamed.length > 0 && (await isLost(broker, keys, known))
      ? await consumedQueues(broker, keys.broker, known.db, signal)
      : undefined;
  const findings: Finding[] = [];
  for (const queue of unnamed.slice(0, MOST_QUEUES)) {
    const waiting = await peekQueue(broker, keys.broker.queue(queue), MOST_MESSAGES);
    const taken = await firstInFlight(broker, keys, queue, signal);
    const ids = [...waiting.taskIds, ...taken];
    if (serving !== undefined && (ids.length > 0 || serving(queue))) {
      findings.push(otherQueue(config, broker.label, queue, { ids, isConsumed: serving(queue) }));
    } else if (ids.length > 0) {
      findings.push(unnamedQueue(config, broker.label, queue, ids, ids.some(known.isJob)));
    }
  }
  return findings;
}

/** Whether nothing speaks for it that the service's queues are in this database at all. */
async function isLost(
  broker: RedisConnection,
  { queues, broker: names }: SubjectKeys,
  { declared, hadTasks }: { readonly declared: ReadonlySet<string>; readonly hadTasks: boolean },
): Promise<boolean> {
  if (hadTasks || queues.some((queue) => declared.has(queue))) return false;
  const lists = queues.map(names.queue);
  return lists.length === 0 || ((await permitted(broker.exists(lists))) ?? 0) === 0;
}

/**
 * Whether a worker of the database consumes a queue, by what the workers say. Where a consumer does not
 * say what it consumes, it may be any.
 */
async function consumedQueues(
  broker: RedisConnection,
  names: BrokerKeys,
  db: number | undefined,
  signal: AbortSignal,
): Promise<(queue: string) => boolean> {
  if (db === undefined) return () => false;
  const { enquiry, mailbox, withoutRemoteControl } = await lookAtWorkers(
    ...([broker, names, db, signal] as const),
  );
  await mailbox?.close();
  const workers = enquiry?.workers() ?? [];
  const consumed = new Set(workers.flatMap(({ queues }) => queues ?? []));
  const isUnknown =
    withoutRemoteControl.celery + (enquiry?.silent() ?? 0) > 0 ||
    workers.some(({ queues }) => queues === undefined);
  return (queue) => isUnknown || consumed.has(queue);
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

/** Another queue works here, and none of the service's: its name in the config may be wrong. */
function otherQueue(
  { name, celery }: ServiceConfig,
  label: string,
  queue: string,
  { ids, isConsumed }: { readonly ids: readonly string[]; readonly isConsumed: boolean },
): Finding {
  const queues = celery?.queues ?? [];
  const does = [
    ...(isConsumed ? ['is consumed here'] : []),
    ...(ids.length > 0 ? [`holds ${messagesText(ids)}`] : []),
  ].join(' and ');
  const own =
    queues.length === 0
      ? 'the config names no queue of the service'
      : `nobody ever declared ${queues.map((one) => `"${one}"`).join(' or ')} in this database`;
  return {
    code: 'EQUEUE',
    severity: 'problem',
    target: 'Celery',
    item: `${label} (queue)`,
    reason: `the queue "${queue}" ${does}, and ${own}: its tasks are left alone, and may write again`,
    hint: `in the config, services.${name}: "celery": { "queues": ${JSON.stringify([queue])} } if it is its queue; if it is another program's: "foreignKeyPrefixes": ${JSON.stringify([queue])}`,
  };
}

function messagesText(ids: readonly string[]): string {
  return ids.length >= MOST_MESSAGES
    ? `${MOST_MESSAGES} or more messages`
    : counted(ids.length, 'message');
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
  const many = messagesText(ids);
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
