/**
 * Looks for the jobs of a service in other databases than the configured one: in its broker's, and in
 * those of the same server. Reads only.
 */
import type { ServiceConfig } from '../config/types.ts';
import { connectRedis } from '../redis/connect.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { RedisError } from '../redis/errors.ts';
import { isTelling, keysOfJob } from '../redis/job-id.ts';
import { countExisting } from '../redis/jobs.ts';
import { readKeyspace } from '../redis/keyspace.ts';
import { targetIdentity, targetLabel } from '../redis/target.ts';
import type { RedisTarget } from '../redis/target.ts';
import { judgeFamilies } from './judge-families.ts';
import type { TaskIds } from './judge-families.ts';
import { neighboursIn } from './key-families.ts';
import type { KnownFamily, SurveySubject } from './key-families.ts';

/** `unlikely`: the service keeps its jobs in the configured database, so those are another stack's. */
export type Certainty = 'certain' | 'unlikely';

export interface OtherDatabase {
  readonly target: RedisTarget;
  readonly isBroker: boolean;
  /** Families that look like jobs of the service, or begin with its prefix. */
  readonly jobs: readonly KnownFamily[];
  readonly certainty: Certainty;
}

/** A database that has the service's queues. */
export interface OtherBroker {
  readonly target: RedisTarget;
  readonly queues: readonly string[];
}

/** A database that has results of the service's jobs. */
export interface OtherResults {
  readonly target: RedisTarget;
  readonly count: number;
}

export interface OtherDatabases {
  readonly found: readonly OtherDatabase[];
  readonly brokers: readonly OtherBroker[];
  readonly results: readonly OtherResults[];
  /** The server's other databases with keys, as far as no service of the config is there. */
  readonly unclaimed: ReadonlyMap<number, number>;
  /** Whether this user may know which databases hold keys. */
  readonly isKnown: boolean;
}

/** A database of more keys is looked at in part: its share of jobs shows all the same. */
const MOST_KEYS = 100_000;
/** Results of so many jobs are asked for: one that is there tells. */
const MOST_IDS = 500;
/** More databases are named, and not looked into. */
const MOST_DATABASES = 16;

/**
 * Looks into the broker's database and into those that no service of the config uses.
 * @param redis the connection to the configured database of the jobs.
 * @param seen how many keys the prefixes match there, whether an earlier run removed some, and ids of jobs.
 * @throws RedisError of that connection, or the signal's reason.
 */
export async function lookElsewhere(
  redis: RedisConnection,
  subject: SurveySubject & { readonly all: readonly ServiceConfig[] },
  options: {
    readonly taskIds: TaskIds;
    readonly seen: {
      readonly matched: number;
      readonly wereHere: boolean;
      readonly ids: ReadonlySet<string>;
    };
  },
  signal: AbortSignal,
): Promise<OtherDatabases> {
  const { config, all } = subject;
  const own = config.redis;
  const results: OtherResults[] = [];
  if (own === undefined)
    return { found: [], brokers: [], results, unclaimed: new Map(), isKnown: true };
  const unclaimed = new Map<number, number>();
  const targets = new Map<string, RedisTarget>();
  const { broker } = config.celery ?? {};
  if (broker !== undefined) targets.set(targetIdentity(broker), broker);
  const keyspace = await unclaimedOf(redis, own, all);
  if (broker !== undefined && !isSameServer(own, broker)) {
    for (const { target } of (await unclaimedOfBroker(broker, all, signal)) ?? []) {
      targets.set(targetIdentity(target), target);
    }
  }
  for (const { target, db, keys } of keyspace ?? []) {
    targets.set(targetIdentity(target), target);
    unclaimed.set(db, keys);
  }
  targets.delete(targetIdentity(own));
  const found: OtherDatabase[] = [];
  const brokers: OtherBroker[] = [];
  for (const target of [...targets.values()].slice(0, MOST_DATABASES)) {
    const isBroker = broker !== undefined && targetIdentity(target) === targetIdentity(broker);
    const looked = await lookInto(target, subject, options, signal);
    const { jobs, queues } = looked;
    if (looked.results > 0 && !isOfService(target, config)) {
      results.push({ target, count: looked.results });
    }
    if (!isBroker && queues.length > 0) brokers.push({ target, queues });
    if (jobs.length === 0) continue;
    const certainty = certaintyOf(jobs, options.seen);
    found.push({ target, isBroker, jobs, certainty });
  }
  return { found, brokers, results, unclaimed, isKnown: keyspace !== undefined };
}

/** Whether a wipe removes results there: it does in each database of the service. */
function isOfService(target: RedisTarget, { celery }: ServiceConfig): boolean {
  return [celery?.resultBackend, celery?.broker].some(
    (known) => known !== undefined && targetIdentity(known) === targetIdentity(target),
  );
}

function isSameServer(one: RedisTarget, other: RedisTarget): boolean {
  const identity = (target: RedisTarget): string =>
    targetIdentity(target.kind === 'cluster' ? target : { ...target, db: 0 });
  return identity(one) === identity(other);
}

interface UnclaimedDatabase {
  readonly target: RedisTarget;
  readonly db: number;
  readonly keys: number;
}

/** Nothing where the server does not answer: the service's own look at its queues says so. */
async function unclaimedOfBroker(
  broker: RedisTarget,
  all: readonly ServiceConfig[],
  signal: AbortSignal,
): Promise<readonly UnclaimedDatabase[] | undefined> {
  let connection: RedisConnection | undefined;
  try {
    connection = await connectRedis(broker, signal);
    return await unclaimedOf(connection, broker, all);
  } catch (error) {
    if (error instanceof RedisError) return undefined;
    throw error;
  } finally {
    connection?.close();
  }
}

/** Databases of the same server with keys, and without a service of the config; undefined: not told. */
async function unclaimedOf(
  redis: RedisConnection,
  own: RedisTarget,
  all: readonly ServiceConfig[],
): Promise<readonly UnclaimedDatabase[] | undefined> {
  if (own.kind === 'cluster') return [];
  const keyspace = await readKeyspace(redis);
  if (keyspace === undefined) return undefined;
  return [...keyspace].flatMap(([db, keys]) => {
    const target = { ...own, db };
    return db === own.db || neighboursIn(target, undefined, all).length > 0
      ? []
      : [{ target, db, keys }];
  });
}

/** Other jobs are worth an error beside some that match when they are so many times more. */
const FAR_MORE = 10;

function certaintyOf(
  jobs: readonly KnownFamily[],
  { matched, wereHere }: { readonly matched: number; readonly wereHere: boolean },
): Certainty {
  if (jobs.some(({ evidence }) => evidence.includes('with ids of tasks of its queue'))) {
    return 'certain';
  }
  const count = jobs.reduce((sum, one) => sum + one.count, 0);
  return matched > 0 || wereHere
    ? matched > 0 && count > FAR_MORE * matched
      ? 'certain'
      : 'unlikely'
    : 'certain';
}

/** What of the service is there; nothing where the database cannot be looked into. */
async function lookInto(
  target: RedisTarget,
  subject: SurveySubject & { readonly all: readonly ServiceConfig[] },
  {
    taskIds,
    seen,
  }: { readonly taskIds: TaskIds; readonly seen: { readonly ids: ReadonlySet<string> } },
  signal: AbortSignal,
): Promise<{
  readonly jobs: readonly KnownFamily[];
  readonly queues: readonly string[];
  readonly results: number;
}> {
  let connection: RedisConnection | undefined;
  try {
    connection = await connectRedis(target, signal);
    const redis = connection;
    const there = { ...subject, neighbours: neighboursIn(target, subject.config, subject.all) };
    const options = { isServed: false, taskIds, mostKeys: MOST_KEYS };
    const { families } = await judgeFamilies(redis, there, options, signal);
    const jobs = families.filter(
      ({ whose, claimants }) => whose === 'jobs' || claimants.includes(subject.config.name),
    );
    const { broker, queues } = subject.keys;
    const counts = await Promise.all(
      queues.map(async (queue) => redis.exists([broker.queue(queue), broker.binding(queue)])),
    );
    const results = await countOwnResults(redis, subject, seen.ids);
    return { jobs, queues: queues.filter((_, index) => (counts[index] ?? 0) > 0), results };
  } catch (error) {
    // It is looked into as a courtesy; its own service tells what is wrong with it.
    if (error instanceof RedisError) return { jobs: [], queues: [], results: 0 };
    throw error;
  } finally {
    connection?.close();
  }
}

/** Results of these jobs; none where the jobs stand beside them, as in a copy of a whole stack. */
async function countOwnResults(
  redis: RedisConnection,
  { config, keys }: SurveySubject,
  jobIds: ReadonlySet<string>,
): Promise<number> {
  if (keys.results === 'none') return 0;
  const ids = [...jobIds].filter(isTelling).slice(0, MOST_IDS);
  const results = ids.flatMap((id) => keys.broker.resultsOf(Buffer.from(id)));
  const count = await countExisting(redis, results);
  if (count === 0) return 0;
  const jobs = ids.flatMap((id) => config.keyPrefixes.flatMap((one) => keysOfJob(one, id)));
  return (await countExisting(redis, jobs)) > 0 ? 0 : count;
}

/** `database 4 of 127.0.0.1:6379`. */
export function databaseText(target: RedisTarget): string {
  return target.kind === 'cluster'
    ? targetLabel(target)
    : `database ${target.db} (${targetLabel(target)})`;
}
