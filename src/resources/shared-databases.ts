/**
 * The cross-check of the config, repeated by what the servers say of themselves: a name of a name
 * server, a socket or a proxy can lead to a database that another service names by another address.
 */
import { crossCheck } from '../config/cross-check.ts';
import { formatPath } from '../config/json-path.ts';
import type { JsonPath } from '../config/json-path.ts';
import type { ResolvedService } from '../config/resolved.ts';
import type { ServiceConfig } from '../config/types.ts';
import type { Problem } from '../errors.ts';
import { connectRedis } from '../redis/connect.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { RedisError } from '../redis/errors.ts';
import { holdSameKeys, readServerIds } from '../redis/server-ids.ts';
import { targetIdentity, targetLabel } from '../redis/target.ts';
import type { RedisTarget } from '../redis/target.ts';

/** Replicas of replicas: more than that in a row are a circle. */
const MOST_HOPS = 8;

/** A database that this run works on. */
export interface OpenDatabase {
  readonly target: RedisTarget;
  readonly connection: RedisConnection;
}

export interface SharedDatabases {
  /** What one wipe would delete of another service; a JSON path and its service with each. */
  readonly problems: readonly (Problem & { readonly service: string })[];
  /** Pairs of addresses that lead to one database. */
  readonly pairs: readonly string[];
  /** What could not be judged, with the service of the config that this run works on. */
  readonly unjudged: readonly { readonly service: string; readonly text: string }[];
}

interface PlacedService extends ResolvedService {
  /** In the config. */
  readonly position: number;
}

interface Database {
  readonly identity: string;
  readonly target: RedisTarget;
  readonly services: PlacedService[];
  /** Whether this run works on it. */
  readonly isOpened: boolean;
  connection: RedisConnection | undefined;
  /** Undefined: not told. */
  ids: readonly string[] | undefined;
  /** Why what it says tells nothing: it is not connected, or a replica without its primary. */
  reason: string | undefined;
}

/**
 * Which of the config's rules are broken once databases that are the same count as the same. Servers
 * are asked only where that could break a rule; those that this run does not work on are connected
 * for it. A server that does not name itself is known by a key that expires within seconds.
 * @param opened the databases that this run works on.
 * @param mayWrite whether such a key may be written.
 * @throws the signal's reason.
 */
export async function judgeSharedDatabases(
  all: readonly ServiceConfig[],
  opened: readonly OpenDatabase[],
  { mayWrite }: { readonly mayWrite: boolean },
  signal: AbortSignal,
): Promise<SharedDatabases> {
  const databases = candidates(all.map(asResolved), opened);
  try {
    await Promise.all(databases.map(async (one) => askIds(one, signal)));
    const classes = createClasses();
    for (const [index, one] of databases.entries()) {
      for (const other of databases.slice(0, index)) {
        const isShared = one.ids?.some((id) => other.ids?.includes(id)) === true;
        if (isShared && numberOf(one.target) === numberOf(other.target)) classes.merge(one, other);
      }
    }
    const unjudged: SharedDatabases['unjudged'][number][] = [];
    for (const [own, other] of untoldPairs(databases)) {
      const verdict = await compareByKey(own, other, mayWrite);
      if (verdict === true) classes.merge(own, other);
      if (typeof verdict !== 'string') continue;
      const service = own.services[0]?.config.name ?? '';
      unjudged.push({ service, text: unjudgedText(own, other, verdict) });
    }
    const problems =
      classes.pairs.length === 0 ? [] : brokenRules(servicesOf(databases), classes.classOf);
    return { problems, pairs: classes.pairs, unjudged };
  } finally {
    for (const { isOpened, connection } of databases) if (!isOpened) connection?.close();
  }
}

/** Of each database number the databases that would break a rule together if they were one. */
function candidates(
  services: readonly PlacedService[],
  opened: readonly OpenDatabase[],
): readonly Database[] {
  const connections = new Map(
    opened.map(({ target, connection }) => [targetIdentity(target), connection]),
  );
  const byNumber = new Map<number, Map<string, Database>>();
  for (const service of services) {
    const { redis, celery } = service.config;
    for (const target of [redis, celery?.broker, celery?.resultBackend]) {
      if (target === undefined) continue;
      const identity = targetIdentity(target);
      const databases = byNumber.get(numberOf(target)) ?? new Map<string, Database>();
      byNumber.set(numberOf(target), databases);
      const known = databases.get(identity);
      if (known?.services.includes(service) === true) continue;
      known?.services.push(service);
      if (known !== undefined) continue;
      const connection = connections.get(identity);
      const isOpened = connection !== undefined;
      const database = { identity, target, connection, isOpened, services: [service] };
      databases.set(identity, { ...database, ids: undefined, reason: undefined });
    }
  }
  return [...byNumber.values()].flatMap((databases) => {
    const own = [...databases.values()].filter(({ isOpened }) => isOpened);
    if (own.length === 0 || !wouldBreak([...databases.values()])) return [];
    const others = [...databases.values()].filter(
      (one) => !one.isOpened && wouldBreak([...own, one]),
    );
    return others.length > 0 || wouldBreak(own) ? [...own, ...others] : [];
  });
}

/** Those with a server that does not name itself, and of which it matters. */
function untoldPairs(databases: readonly Database[]): readonly (readonly [Database, Database])[] {
  return databases.flatMap((own, index) =>
    databases
      .slice(index + 1)
      .filter(
        (other) =>
          own.isOpened &&
          (own.ids === undefined || other.ids === undefined) &&
          numberOf(own.target) === numberOf(other.target) &&
          wouldBreak([own, other]),
      )
      .map((other) => [own, other] as const),
  );
}

interface Classes {
  readonly pairs: string[];
  readonly merge: (one: Database, other: Database) => void;
  readonly classOf: ClassOf;
}

/** Which databases are known to be one. */
function createClasses(): Classes {
  const names = new Map<string, string>();
  const nameOf = (identity: string): string => names.get(identity) ?? identity;
  const pairs: string[] = [];
  return {
    pairs,
    merge: (one, other) => {
      const [to, from] = [nameOf(one.identity), nameOf(other.identity)];
      pairs.push(`${targetLabel(other.target)} and ${targetLabel(one.target)}`);
      for (const [identity, name] of names) if (name === from) names.set(identity, to);
      names.set(one.identity, to);
      names.set(other.identity, to);
    },
    classOf: (target) => names.get(targetIdentity(target)),
  };
}

async function askIds(database: Database, signal: AbortSignal): Promise<void> {
  try {
    database.connection ??= await connectRedis(database.target, signal);
    const { ids, awaits } = await readServerIds(database.connection);
    database.ids = ids;
    if (awaits === undefined) return;
    try {
      database.ids = await idsOfPrimary(database.target, awaits, MOST_HOPS, signal);
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      database.ids = undefined;
      const primary = database.connection.replicaOf ?? 'its primary';
      database.reason = `is a replica without a link to ${primary}, of which no id can be read (${error.message})`;
    }
  } catch (error) {
    if (!(error instanceof RedisError)) throw error;
    database.reason = `does not answer (${error.message})`;
  }
}

/**
 * The ids of the primary that a replica has no link to, by the replica's own credentials.
 * @throws RedisError when it does not answer or does not name itself.
 */
async function idsOfPrimary(
  replica: RedisTarget,
  address: { readonly host: string; readonly port: number },
  hops: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { credentials, tls } = replica;
  const db = numberOf(replica);
  const connection = await connectRedis({ kind: 'server', address, db, credentials, tls }, signal);
  try {
    const { ids, awaits } = await readServerIds(connection);
    if (awaits !== undefined && hops > 1) {
      return await idsOfPrimary(replica, awaits, hops - 1, signal);
    }
    if (ids === undefined || awaits !== undefined) {
      throw new RedisError('EREPLICA', 'Its primary does not name itself', '');
    }
    return ids;
  } finally {
    connection.close();
  }
}

/** @returns why it cannot be told, where it cannot. */
async function compareByKey(
  own: Database,
  other: Database,
  mayWrite: boolean,
): Promise<boolean | string> {
  for (const { reason, target } of [own, other]) {
    if (reason !== undefined) return `${targetLabel(target)} ${reason}`;
  }
  const [first, second] = [own.connection, other.connection];
  const silent = own.ids === undefined ? own : other;
  const refused = `${targetLabel(silent.target)} does not name itself (INFO)`;
  if (!mayWrite || first === undefined || second === undefined) return refused;
  try {
    const isSame = await holdSameKeys(first, second);
    // A key need not have reached a replica.
    const isReplica = first.replicaOf !== undefined || second.replicaOf !== undefined;
    return !isSame && isReplica ? refused : isSame;
  } catch (error) {
    if (!(error instanceof RedisError)) throw error;
    return `${refused}, and a key to know it by could not be used: ${error.message}`;
  }
}

function unjudgedText(own: Database, other: Database, reason: string): string {
  const [one, two] = [targetLabel(own.target), targetLabel(other.target)];
  return `Redis ${one}: it could not be judged whether ${two} is the same database: ${reason}; if it is, a wipe deletes what belongs to another service: write the same address in both places of the config, and media-cleanup refuses it`;
}

/** Databases of the same number can be one; a cluster has database 0 alone. */
function numberOf(target: RedisTarget): number {
  return target.kind === 'cluster' ? 0 : target.db;
}

type ClassOf = (target: RedisTarget) => string | undefined;

/** In the order of the config: a message tells of the later one. */
function servicesOf(databases: readonly Database[]): readonly ResolvedService[] {
  const services = new Set(databases.flatMap((one) => one.services));
  return [...services].toSorted((one, other) => one.position - other.position);
}

/** Whether a rule of the config would be broken if these databases were one. */
function wouldBreak(databases: readonly Database[]): boolean {
  if (databases.length < 2) return false;
  const merged = new Set(databases.map(({ identity }) => identity));
  const classOf: ClassOf = (target) => (merged.has(targetIdentity(target)) ? 'one' : undefined);
  const broken = new Error('A rule is broken');
  try {
    // Of thousands of services with one prefix each pair would be a problem: the first will do.
    checkMerged(servicesOf(databases), classOf, () => {
      throw broken;
    });
    return false;
  } catch (error) {
    if (error !== broken) throw error;
    return true;
  }
}

function brokenRules(
  services: readonly ResolvedService[],
  classOf: ClassOf,
): SharedDatabases['problems'] {
  const problems = new Map<string, SharedDatabases['problems'][number]>();
  checkMerged(services, classOf, (path, message) => {
    const problem = { path: formatPath(path), message, service: String(path[1]) };
    problems.set(`${problem.path} ${message}`, problem);
  });
  return [...problems.values()];
}

/** @param classOf names what a database is the same as; undefined: only as what has its address. */
function checkMerged(
  services: readonly ResolvedService[],
  classOf: ClassOf,
  add: (path: JsonPath, message: string) => void,
): void {
  const first = new Map<string, RedisTarget>();
  const representative = (target: RedisTarget): RedisTarget => {
    const name = classOf(target);
    if (name === undefined) return target;
    const known = first.get(name) ?? target;
    first.set(name, known);
    return known;
  };
  crossCheck(
    services.map((service) => {
      const { redis, celery } = service.config;
      const config = {
        ...service.config,
        redis: redis && representative(redis),
        celery: celery && { ...celery, broker: representative(celery.broker) },
      };
      return { ...service, config };
    }),
    { add, markBroken: () => undefined, isBroken: () => false, list: () => [] },
    { isHeldBack: false },
  );
}

/** The service with the places that it was read from; a list of one may be a text in the file. */
function asResolved(config: ServiceConfig, position: number): PlacedService {
  const path: JsonPath = ['services', config.name];
  const placed = (key: JsonPath, values: readonly string[]) =>
    values.map((value, index) => ({
      path: [...path, ...key, ...(values.length > 1 ? [index] : [])],
      value,
    }));
  return {
    path,
    config,
    position,
    prefixes: placed(['keyPrefix'], config.keyPrefixes),
    foreignPrefixes: placed(['foreignKeyPrefixes'], config.foreignKeyPrefixes),
    indexKeys: placed(['indexKeys'], config.indexKeys),
    queues: placed(['celery', 'queues'], config.celery?.queues ?? []),
    globalKeyPrefix: config.celery?.globalKeyPrefix ?? '',
  };
}
