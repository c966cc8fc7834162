/**
 * Asks the Redis servers of the proposed services: what keys begin with, who consumes which queue.
 * Reads, and for the workers' replies writes one binding that is removed again. Bounded in time.
 */
import { brokerKeys } from '../celery/keys.ts';
import type { BrokerKeys } from '../celery/keys.ts';
import { lookAtWorkers, refusable } from '../celery/look.ts';
import { peekQueue } from '../celery/queue.ts';
import { declaredQueues } from '../celery/routes.ts';
import { connectRedis } from '../redis/connect.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted, RedisError } from '../redis/errors.ts';
import { takeCensus } from '../redis/families.ts';
import type { KeyCensus } from '../redis/families.ts';
import { scanKeys, startsWith } from '../redis/scan.ts';
import { serverLabel, targetIdentity } from '../redis/target.ts';
import type { RedisTarget } from '../redis/target.ts';
import { likeness } from '../resources/job-evidence.ts';
import { findJobFamilies } from './job-families.ts';
import type { JobFamilies, JobFamily } from './job-families.ts';
import type { RedisAnswer } from './redis-answer.ts';

export interface RedisQuestion {
  readonly service: string;
  readonly jobs: RedisTarget;
  readonly broker: RedisTarget;
  /** Queues that the files name. */
  readonly queues: readonly string[];
  /** Prefixes of job keys that the files or the shipped example name. */
  readonly prefixes: readonly string[];
}

export interface AskOptions {
  /** Milliseconds for each server, connecting included. */
  readonly timeout: number;
  /** Workers reply through a key that is written for them; without it they are not asked. */
  readonly mayWrite: boolean;
  readonly signal: AbortSignal;
}

/** Of each service by name; servers are asked at the same time. @throws the signal's reason. */
export async function askRedis(
  questions: readonly RedisQuestion[],
  options: AskOptions,
): Promise<ReadonlyMap<string, RedisAnswer>> {
  const targets = new Map<string, RedisTarget>();
  for (const { jobs, broker } of questions) {
    for (const target of [jobs, broker]) targets.set(targetIdentity(target), target);
  }
  const names: AskedNames = {
    queues: [...new Set(questions.flatMap((question) => question.queues))],
    prefixes: [...new Set(questions.flatMap((question) => question.prefixes))],
  };
  const looks = new Map<string, Look>();
  const servers = new Map<string, RedisTarget[]>();
  for (const target of targets.values()) {
    const server = serverLabel(target);
    servers.set(server, [...(servers.get(server) ?? []), target]);
  }
  await Promise.all(
    [...servers.values()].map(async (databases) => {
      const found = await lookAtServer(databases, names, options);
      databases.forEach((target, index) => {
        looks.set(targetIdentity(target), found[index] ?? TOO_SLOW);
      });
    }),
  );
  options.signal.throwIfAborted();
  return new Map(
    questions.map((question) => [question.service, answerOf(question, questions, looks)]),
  );
}

/** What one database says; `reason`: why it says nothing. */
type Look = DatabaseLook | { readonly reason: string };

interface DatabaseLook {
  readonly jobs: JobFamilies;
  /** By prefix: queues of which tasks have the id of a key. */
  readonly ofTasks: ReadonlyMap<string, ReadonlySet<string>>;
  readonly workers: RedisAnswer['workers'];
  readonly declared: readonly string[];
  /** Of the prefixes asked for: those that no key begins with. */
  readonly unused: readonly string[];
}

/** What the files of all services name. */
type AskedNames = Pick<RedisQuestion, 'queues' | 'prefixes'>;

const TOO_SLOW = { reason: 'did not answer in time' } as const;
/** After the time is up, for removing what was written for replies. */
const TIDY_MS = 500;

async function lookAtServer(
  databases: readonly RedisTarget[],
  names: AskedNames,
  options: AskOptions,
): Promise<readonly Look[]> {
  const timer = new AbortController();
  const { signal } = timer;
  const stop = (): void => {
    timer.abort(new Error(TOO_SLOW.reason));
  };
  options.signal.addEventListener('abort', stop, { once: true });
  const timeout = setTimeout(stop, options.timeout);
  const looking = databases.map(async (target): Promise<Look> => {
    let connection: RedisConnection | undefined;
    try {
      connection = await connectRedis(target, signal);
      const closing = connection;
      signal.addEventListener('abort', () => {
        setTimeout(() => {
          closing.close();
        }, TIDY_MS);
      });
      return await lookAtDatabase(connection, target, names, options.mayWrite, signal);
    } catch (error) {
      if (error instanceof RedisError) return { reason: reasonOf(error) };
      if (signal.aborted) return TOO_SLOW;
      throw error;
    } finally {
      connection?.close();
    }
  });
  try {
    return await Promise.all(looking);
  } finally {
    clearTimeout(timeout);
    options.signal.removeEventListener('abort', stop);
  }
}

function reasonOf(error: RedisError): string {
  if (/^(?:NOAUTH|WRONGPASS)$/.test(error.code)) return 'wants another password than is set here';
  if (error.code === 'EREPLY') return `answers otherwise than Redis (${error.message})`;
  return /^(?:E[A-Z]+)$/.test(error.code) ? 'did not answer' : `refused it (${error.message})`;
}

async function lookAtDatabase(
  redis: RedisConnection,
  target: RedisTarget,
  { queues, prefixes }: AskedNames,
  mayWrite: boolean,
  signal: AbortSignal,
): Promise<DatabaseLook> {
  const names = brokerKeys({ globalKeyPrefix: '' });
  const db = 'db' in target ? target.db : 0;
  const asking = mayWrite ? askWorkers(redis, names, db, signal) : [];
  const reading = async () => {
    const census = await takeCensus(redis, () => false, signal);
    const jobs = await findJobFamilies(redis, names, census, signal);
    const declared = await refusable(declaredQueues(redis, names, signal));
    const known = declared instanceof RedisError ? [] : [...declared].toSorted();
    const ofTasks = await tasksOf(redis, jobs.families, [...new Set([...queues, ...known])]);
    const unused = await prefixesWithoutKeys(redis, census, prefixes, signal);
    return { jobs, ofTasks, declared: known, unused };
  };
  // Both to their end: the workers' reply key is removed before the connection is closed.
  const [told, workers] = await Promise.allSettled([reading(), asking]);
  if (told.status === 'rejected') throw told.reason;
  if (workers.status === 'rejected') throw workers.reason;
  return { ...told.value, workers: workers.value };
}

async function askWorkers(
  redis: RedisConnection,
  names: BrokerKeys,
  db: number,
  signal: AbortSignal,
): Promise<RedisAnswer['workers']> {
  const { enquiry, mailbox } = await lookAtWorkers(redis, names, db, signal);
  await mailbox?.close();
  return (enquiry?.workers() ?? [])
    .flatMap(({ name, queues }) => (queues === undefined ? [] : [{ name, queues }]))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/** Tasks of a queue whose ids are looked for among the keys. */
const MOST_TASKS = 100;

async function tasksOf(
  redis: RedisConnection,
  families: readonly JobFamily[],
  queues: readonly string[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const found = new Map<string, Set<string>>();
  if (families.length === 0) return found;
  for (const queue of queues) {
    const peeked = await permitted(peekQueue(redis, Buffer.from(queue), MOST_TASKS));
    const ids = peeked?.taskIds ?? [];
    if (ids.length === 0) continue;
    for (const { prefix } of families) {
      const keys = ids.map((id) => Buffer.from(prefix + id));
      if (((await permitted(redis.exists(keys))) ?? 0) === 0) continue;
      found.set(prefix, (found.get(prefix) ?? new Set()).add(queue));
    }
  }
  return found;
}

async function prefixesWithoutKeys(
  redis: RedisConnection,
  { families }: KeyCensus,
  prefixes: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const unused: string[] = [];
  for (const prefix of prefixes) {
    const bytes = Buffer.from(prefix);
    if (families.some((family) => startsWith(family.prefix, bytes))) continue;
    if (!(await hasKeys(redis, bytes, signal))) unused.push(prefix);
  }
  return unused;
}

async function hasKeys(
  redis: RedisConnection,
  prefix: Buffer,
  signal: AbortSignal,
): Promise<boolean> {
  for await (const keys of scanKeys(redis, prefix, signal)) if (keys.length > 0) return true;
  return false;
}

function answerOf(
  question: RedisQuestion,
  all: readonly RedisQuestion[],
  looks: ReadonlyMap<string, Look>,
): RedisAnswer {
  const [jobs, broker] = [question.jobs, question.broker].map((target) => ({
    target,
    look: looks.get(targetIdentity(target)) ?? TOO_SLOW,
  }));
  const silent = [jobs, broker].flatMap((one) =>
    one !== undefined && 'reason' in one.look
      ? [{ server: serverLabel(one.target), reason: one.look.reason }]
      : [],
  );
  const others = all.filter((other) => other !== question);
  const sharing = others.filter(
    (other) => targetIdentity(other.jobs) === targetIdentity(question.jobs),
  );
  const ownsBroker = !others.some(
    (other) => targetIdentity(other.broker) === targetIdentity(question.broker),
  );
  const told =
    jobs === undefined || 'reason' in jobs.look
      ? { prefixes: [], doubtful: [], unused: [] }
      : { ...judge(question, sharing, jobs.look), unused: jobs.look.unused };
  const heard =
    broker === undefined || 'reason' in broker.look
      ? { workers: [], declared: [] }
      : { workers: broker.look.workers, declared: broker.look.declared };
  return { silent, ...told, ...heard, ownsBroker };
}

/** Strong: the ids are those of its tasks, or the name is, and nothing else begins with it. */
function judge(
  { service, queues }: RedisQuestion,
  sharing: readonly RedisQuestion[],
  { jobs, ofTasks }: DatabaseLook,
): Pick<RedisAnswer, 'prefixes' | 'doubtful'> {
  const judged = jobs.families.map((family) => {
    const { prefix, count } = family;
    const ofQueues = [...(ofTasks.get(prefix) ?? [])];
    const isOfTasks = queues.some((queue) => ofQueues.includes(queue));
    const like = likeness(prefix, [service]);
    const isNamed = like !== undefined && like.words > 0;
    const isOthers = sharing.some(
      (other) =>
        (likeness(prefix, [other.service])?.words ?? 0) > 0 ||
        other.queues.some((queue) => ofQueues.includes(queue) && !queues.includes(queue)),
    );
    // A prefix of several kinds of keys would take those that are no jobs.
    const isAlone = !jobs.beginnings.some(
      (other) =>
        other !== prefix &&
        other.startsWith(prefix) &&
        !jobs.families.some((one) => one.prefix === other),
    );
    const isAnys = sharing.length === 0 && (like?.words === 0 || family.hasResults);
    const isStrong = isAlone && !isOthers && (isOfTasks || isNamed || isAnys);
    const evidence = [
      ...family.evidence,
      ...(isOfTasks ? ['ids of tasks of its queue'] : []),
      ...(isNamed ? ["the service's name in theirs"] : []),
      ...(isAlone ? [] : ['other keys begin with it too']),
    ];
    return { found: { prefix, count, evidence }, isStrong, isOthers };
  });
  return {
    prefixes: judged.filter(({ isStrong }) => isStrong).map(({ found }) => found),
    doubtful: judged
      .filter(({ isStrong, isOthers }) => !isStrong && !isOthers)
      .map(({ found }) => found),
  };
}
