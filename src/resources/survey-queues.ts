/**
 * Task queues of the database that no service of the config names: messages in them stay, and run when
 * their worker comes back; tasks of them that a worker has go on. Reads only.
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
import { askForWorkerQueues, NO_WORKER_QUEUES } from './worker-queues.ts';

/** So many queues are looked into, and so many messages of each. */
const MOST_QUEUES = 50;
const MOST_MESSAGES = 100;

/**
 * @param declared every task queue that somebody declared there.
 * @param neighbours the other services with queues in this database.
 * @param hasJob whether one of these ids is that of a job of this service, removed or there.
 * @throws RedisError, or the signal's reason.
 */
export async function surveyQueues(
  broker: RedisConnection,
  { config, keys }: { readonly config: ServiceConfig; readonly keys: SubjectKeys },
  known: {
    readonly declared: ReadonlySet<string>;
    readonly neighbours: readonly ServiceConfig[];
    readonly hasJob: (ids: readonly string[]) => Promise<boolean>;
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
  if (unnamed.length === 0) return [];
  const isAnyOther = await isLost(broker, keys, known);
  // Whose a task is, its id tells by the jobs.
  const { isConsumed, tasks } =
    known.db !== undefined && (isAnyOther || config.keyPrefixes.length > 0)
      ? await askForWorkerQueues(broker, keys.broker, known.db, signal)
      : NO_WORKER_QUEUES;
  const atWorkers = unnamed.filter((queue) => tasks.has(queue));
  const findings: Finding[] = [];
  for (const queue of new Set([...unnamed.slice(0, MOST_QUEUES), ...atWorkers])) {
    const waiting = await peekQueue(broker, keys.broker.queue(queue), MOST_MESSAGES);
    const taken = await firstInFlight(broker, keys, queue, signal);
    const ids = [...waiting.taskIds, ...taken];
    const isAtWorker = await known.hasJob([...(tasks.get(queue) ?? [])]);
    const held = { ids, isConsumed: isConsumed(queue), isAtWorker };
    if (isAnyOther && (ids.length > 0 || held.isConsumed || isAtWorker)) {
      findings.push(otherQueue(config, broker.label, queue, held));
    } else if (ids.length > 0 || isAtWorker) {
      const isOwn = isAtWorker || (await known.hasJob(ids));
      findings.push(unnamedQueue(config, broker.label, queue, { ...held, isOwn }));
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

/** What is known of a queue that no service names. */
interface Held {
  /** Of its messages. */
  readonly ids: readonly string[];
  readonly isConsumed: boolean;
  /** A worker has tasks of it with ids of jobs of the service. */
  readonly isAtWorker: boolean;
}

const AT_WORKER = 'has tasks with ids of its jobs at a worker, which may write them again';

/** Another queue works here, and none of the service's: its name in the config may be wrong. */
function otherQueue(
  { name, celery }: ServiceConfig,
  label: string,
  queue: string,
  held: Held,
): Finding {
  const queues = celery?.queues ?? [];
  const does = [
    ...(held.isConsumed ? ['is consumed here'] : []),
    ...(held.ids.length > 0 ? [`holds ${messagesText(held.ids)}`] : []),
    ...(held.isAtWorker ? [AT_WORKER] : []),
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
  { ids, isAtWorker, isOwn }: Held & { readonly isOwn: boolean },
): Finding {
  const queues = celery?.queues ?? [];
  const isMisspelt = queues.length === 1 && nearestWord(queue, queues) !== undefined;
  const value = JSON.stringify(isMisspelt ? [queue] : [...queues, queue]);
  const many = messagesText(ids);
  const does = isAtWorker
    ? `${AT_WORKER}, and the config does not name it`
    : isOwn
      ? `holds ${many} with ids of its jobs, and the config does not name it`
      : `holds ${many}, and no service of the config names it`;
  return {
    code: 'EQUEUE',
    severity: isOwn ? 'problem' : 'warning',
    target: 'Celery',
    item: `${label} (queue)`,
    reason: `the queue "${queue}" ${does}: left alone`,
    hint: `in the config, services.${name}: "celery": { "queues": ${value} } if it is its queue; if it is another program's: "foreignKeyPrefixes": ${JSON.stringify([queue])}`,
  };
}
