/**
 * Looks for the jobs of a service in other databases than the configured one: in its broker's, and in
 * those of the same server. Reads only.
 */
import type { ServiceConfig } from '../config/types.ts';
import { connectRedis } from '../redis/connect.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { RedisError } from '../redis/errors.ts';
import { readKeyspace } from '../redis/keyspace.ts';
import { targetIdentity, targetLabel } from '../redis/target.ts';
import type { RedisTarget } from '../redis/target.ts';
import { isGeneric } from './job-evidence.ts';
import { judgeFamilies } from './judge-families.ts';
import type { TaskIds } from './judge-families.ts';
import { neighboursIn } from './key-families.ts';
import type { KnownFamily, SurveySubject } from './key-families.ts';

/**
 * Whether jobs in another database are the service's: `certain` by its name or its queue, `likely`
 * where they are called like any service's, `unlikely` where the service keeps its jobs here.
 */
export type Certainty = 'certain' | 'likely' | 'unlikely';

export interface OtherDatabase {
  readonly target: RedisTarget;
  readonly isBroker: boolean;
  /** Keys in the database, as far as the server tells. */
  readonly keys: number | undefined;
  /** Families that look like jobs of the service, or begin with its prefix. */
  readonly jobs: readonly KnownFamily[];
  readonly certainty: Certainty;
}

export interface OtherDatabases {
  readonly found: readonly OtherDatabase[];
  /** The server's other databases with keys, as far as no service of the config is there. */
  readonly unclaimed: ReadonlyMap<number, number>;
  /** Whether this user may know which databases hold keys. */
  readonly isKnown: boolean;
}

/** A database of more keys is looked at in part: its share of jobs shows all the same. */
const MOST_KEYS = 100_000;
/** More databases are named, and not looked into. */
const MOST_DATABASES = 16;

/**
 * @param redis the connection to the configured database of the jobs.
 * @param home what of the service is known to be in that database. Its queue: keys elsewhere that are
 *   called like any service's may be another stack's; its jobs: those that are called like its own too.
 * @throws RedisError of that connection, or the signal's reason.
 */
export async function lookElsewhere(
  redis: RedisConnection,
  subject: SurveySubject & { readonly all: readonly ServiceConfig[] },
  options: { readonly taskIds: TaskIds; readonly home: 'jobs' | 'queue' | 'nothing' },
  signal: AbortSignal,
): Promise<OtherDatabases> {
  const { config, all } = subject;
  const own = config.redis;
  if (own === undefined) return { found: [], unclaimed: new Map(), isKnown: true };
  const keyspace = own.kind === 'cluster' ? new Map<number, number>() : await readKeyspace(redis);
  const broker = config.celery?.broker;
  const targets = new Map<string, { target: RedisTarget; keys: number | undefined }>();
  if (broker !== undefined)
    targets.set(targetIdentity(broker), { target: broker, keys: undefined });
  const unclaimed = new Map<number, number>();
  if (own.kind !== 'cluster') {
    for (const [db, keys] of keyspace ?? []) {
      const target = { ...own, db };
      if (db === own.db) continue;
      targets.set(targetIdentity(target), { target, keys });
      if (neighboursIn(target, config, all).length === 0) unclaimed.set(db, keys);
    }
  }
  targets.delete(targetIdentity(own));
  const found: OtherDatabase[] = [];
  for (const { target, keys } of [...targets.values()].slice(0, MOST_DATABASES)) {
    const isBroker = broker !== undefined && targetIdentity(target) === targetIdentity(broker);
    const judged = await lookInto(target, subject, options.taskIds, signal);
    if (judged === undefined || judged.length === 0) continue;
    const certainty = certaintyOf(judged, config, isBroker, options.home);
    found.push({ target, isBroker, keys, jobs: judged, certainty });
  }
  return { found, unclaimed, isKnown: keyspace !== undefined };
}

function certaintyOf(
  jobs: readonly KnownFamily[],
  config: ServiceConfig,
  isBroker: boolean,
  home: 'jobs' | 'queue' | 'nothing',
): Certainty {
  if (jobs.some(({ evidence }) => evidence.includes('with ids of tasks of its queue'))) {
    return 'certain';
  }
  if (home === 'jobs') return 'unlikely';
  const isCertain = isBroker || home === 'nothing' || jobs.some((one) => isTied(one, config));
  return isCertain ? 'certain' : 'likely';
}

/** Called like this service, and not only like any. */
function isTied({ prefix, evidence }: KnownFamily, { keyPrefixes }: ServiceConfig): boolean {
  return (
    (!isGeneric(prefix) && evidence.some((words) => words.endsWith('in their name'))) ||
    keyPrefixes.some((own) => !isGeneric(own) && prefix.startsWith(own))
  );
}

/** The families there that are jobs of the service; undefined: the database cannot be looked into. */
async function lookInto(
  target: RedisTarget,
  subject: SurveySubject & { readonly all: readonly ServiceConfig[] },
  taskIds: TaskIds,
  signal: AbortSignal,
): Promise<readonly KnownFamily[] | undefined> {
  let connection: RedisConnection | undefined;
  try {
    connection = await connectRedis(target, signal);
    const there = { ...subject, neighbours: neighboursIn(target, subject.config, subject.all) };
    const { families } = await judgeFamilies(
      connection,
      there,
      { isServed: false, taskIds, mostKeys: MOST_KEYS },
      signal,
    );
    return families.filter(
      ({ whose, claimants }) => whose === 'jobs' || claimants.includes(subject.config.name),
    );
  } catch (error) {
    // It is looked into as a courtesy; its own service tells what is wrong with it.
    if (error instanceof RedisError) return undefined;
    throw error;
  } finally {
    connection?.close();
  }
}

/** `database 4 of 127.0.0.1:6379`. */
export function databaseText(target: RedisTarget): string {
  return target.kind === 'cluster'
    ? targetLabel(target)
    : `database ${target.db} (${targetLabel(target)})`;
}
