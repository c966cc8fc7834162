/**
 * What is right in itself and wrong together: a wipe of one service must not remove what belongs
 * to another, or to Celery. Only databases that are the same for certain are compared.
 */
import { canMatchBeginning, isKeyPattern, matchesKeyPattern } from '../model/key-pattern.ts';
import type { RedisTarget } from '../redis/target.ts';
import { targetIdentity } from '../redis/target.ts';
import { formatPath } from './json-path.ts';
import { createPrefixIndex } from './prefix-index.ts';
import type { PrefixIndex } from './prefix-index.ts';
import type { ProblemCollector } from './problems.ts';
import type { Located, ResolvedService } from './resolved.ts';

/** Where kombu and Celery keep their own data (kombu/transport/redis.py, celery/backends/base.py). */
const BINDINGS = '_kombu.binding.';
const RESULTS = 'celery-task-meta-';
const CELERY_NAMES = [BINDINGS, 'unacked', 'unacked_index', 'unacked_mutex', RESULTS] as const;

/** A name in a database, and the service that it belongs to. */
interface Owned extends Located {
  /** The place of the service in the config. */
  readonly index: number;
}

/** An index key or a pattern of some, with what every name that it matches begins and ends with. */
interface OwnedIndex extends Owned {
  readonly start: string;
  readonly end: string;
  readonly isPattern: boolean;
}

/** What all services together have in one database. */
interface Database {
  /** That have their jobs or their broker here, by their place in the config; two are enough. */
  readonly users: number[];
  readonly globalPrefixes: Set<string>;
  /** Keys that services say to be Celery's own, behind their global prefix. */
  readonly ownNames: Set<string>;
  readonly prefixes: Owned[];
  readonly queues: Owned[];
  readonly indexKeys: Owned[];
}

/** The same, to be asked in few steps however many services there are. */
interface IndexedDatabase {
  readonly users: readonly number[];
  /** Keys of Celery's own, behind every global prefix. */
  readonly celeryKeys: PrefixIndex<undefined>;
  /** A global prefix as it stands before keys. */
  readonly fronts: ReadonlySet<string>;
  readonly prefixes: PrefixIndex<Owned>;
  readonly queues: PrefixIndex<Owned>;
  /** By what their names begin with. */
  readonly indexKeys: PrefixIndex<OwnedIndex>;
  readonly indexPatterns: PrefixIndex<OwnedIndex>;
}

/**
 * In steps as many as the services have names: no pair of them is looked at for nothing.
 * @param options `isHeldBack`: a pattern of index keys does not reach the keys of another service's
 *   prefix, since the wipe leaves them out; so it is where both name the database by one address.
 */
export function crossCheck(
  services: readonly ResolvedService[],
  problems: ProblemCollector,
  { isHeldBack }: { readonly isHeldBack: boolean } = { isHeldBack: true },
): void {
  const databases = new Map(
    [...databasesOf(services)].map(([identity, database]) => [identity, indexed(database)]),
  );
  const at = (target: RedisTarget | undefined): IndexedDatabase | undefined =>
    target && databases.get(targetIdentity(target));
  for (const [index, service] of services.entries()) {
    const { config } = service;
    const jobs = at(config.redis);
    const broker = at(config.celery?.broker);
    const own = [...new Set([jobs, broker])].filter(isPresent);
    for (const prefix of service.prefixes) {
      if (prefix.value.trim() === '') continue;
      checkCeleryNames(service, prefix, own, problems);
      if (jobs === undefined) continue;
      checkQueueNames(prefix, jobs, problems);
      checkPrefixes(prefix, index, jobs, problems);
    }
    if (broker !== undefined) checkSameQueue(service, index, broker, problems);
    checkForeignPrefixes(service, problems);
    for (const name of service.indexKeys) {
      const own = checkIndexKey(service, name, index, jobs, problems);
      if (own === undefined || jobs === undefined) continue;
      checkIndexOfJobs(own, jobs, isHeldBack, problems);
      checkSameIndex(own, jobs, problems);
    }
    const backend = config.celery?.resultBackend;
    const holdResults = backend === undefined ? own : [at(backend)].filter(isPresent);
    checkAllResults(service, index, holdResults, services, problems);
  }
}

function isPresent<T>(value: T | undefined): value is T {
  return value !== undefined;
}

function databasesOf(services: readonly ResolvedService[]): ReadonlyMap<string, Database> {
  const databases = new Map<string, Database>();
  const at = (target: RedisTarget): Database => {
    const identity = targetIdentity(target);
    const known = databases.get(identity);
    if (known !== undefined) return known;
    const made = {
      users: [],
      globalPrefixes: new Set(['']),
      ownNames: new Set<string>(),
      prefixes: [],
      queues: [],
      indexKeys: [],
    };
    databases.set(identity, made);
    return made;
  };
  for (const [index, service] of services.entries()) {
    const { redis, celery } = service.config;
    const front = service.globalKeyPrefix;
    for (const target of [redis, celery?.broker, celery?.resultBackend]) {
      if (target === undefined) continue;
      const { users, globalPrefixes } = at(target);
      globalPrefixes.add(front);
      if (celery?.resultKeyPrefix !== undefined) globalPrefixes.add(celery.resultKeyPrefix);
      if (users.length < 2 && users.at(-1) !== index) users.push(index);
    }
    if (redis !== undefined) {
      const { prefixes, indexKeys } = at(redis);
      for (const one of service.prefixes) {
        if (one.value.trim() !== '') prefixes.push({ ...one, index });
      }
      for (const one of service.indexKeys) indexKeys.push({ ...one, index });
    }
    if (celery?.broker !== undefined) {
      const { queues, ownNames } = at(celery.broker);
      for (const name of ownNamesOf(service)) ownNames.add(name);
      for (const { path, value } of service.queues) {
        queues.push({ path, value: front + value, index });
      }
    }
  }
  return databases;
}

function indexed(database: Database): IndexedDatabase {
  const { users, globalPrefixes, ownNames, prefixes, queues, indexKeys } = database;
  // Celery sets a global prefix apart from its results with a `_` (`_add_global_keyprefix`).
  const fronts = new Set([...globalPrefixes].flatMap((front) => [front, `${front}_`]));
  const celeryKeys = [...fronts].flatMap((front) => CELERY_NAMES.map((name) => front + name));
  celeryKeys.push(...ownNames);
  const entry = (value: Owned) => ({ text: value.value, value });
  const indexes = indexKeys.map((one) => ownedIndex(one, one.index));
  const indexEntries = indexes.map((value) => ({ text: value.start, value }));
  return {
    users,
    celeryKeys: createPrefixIndex(celeryKeys.map((text) => ({ text, value: undefined }))),
    fronts,
    prefixes: createPrefixIndex(prefixes.map(entry)),
    queues: createPrefixIndex(queues.map(entry)),
    indexKeys: createPrefixIndex(indexEntries),
    indexPatterns: createPrefixIndex(indexEntries.filter(({ value }) => value.isPattern)),
  };
}

/** `unackedKey` and `unackedIndexKey` with the global prefix. */
function ownNamesOf({ config: { celery } }: ResolvedService): readonly string[] {
  const names = [celery?.unackedKey, celery?.unackedIndexKey].filter((name) => name !== undefined);
  return names.map((name) => (celery?.globalKeyPrefix ?? '') + name);
}

/** An index key must not be Celery's, a queue, or another service's in the same database. */
function checkIndexKey(
  service: ResolvedService,
  name: Located,
  index: number,
  database: IndexedDatabase | undefined,
  problems: ProblemCollector,
): OwnedIndex | undefined {
  const pattern = Buffer.from(name.value);
  const matches = (key: string): boolean => matchesKeyPattern(pattern, Buffer.from(key));
  const fronts = new Set(['', service.globalKeyPrefix]);
  const isCelery =
    [...fronts].some((front) =>
      CELERY_NAMES.some((key) => matches(front + key) || matches(`${front}${key}x`)),
    ) || ownNamesOf(service).some(matches);
  if (isCelery) {
    problems.add(
      name.path,
      "would match Celery's own keys (_kombu.binding.*, unacked*, celery-task-meta-*): give more of the name",
    );
    return undefined;
  }
  if (database === undefined) return undefined;
  const own = ownedIndex(name, index);
  const queue = first(database.queues.matching(own.start, matches));
  if (queue !== undefined) {
    problems.add(name.path, `would match the queue ${formatPath(queue.path)}: give another name`);
  }
  return own;
}

/** A wipe of the one would delete jobs of the other, or a wipe of the other this index. */
function checkIndexOfJobs(
  own: OwnedIndex,
  { prefixes }: IndexedDatabase,
  isHeldBack: boolean,
  problems: ProblemCollector,
): void {
  const isOther = (other: Owned): boolean => other.index !== own.index;
  const around = prefixes.beginningOf(own.start, isOther).map(({ value }) => value);
  const pattern = Buffer.from(own.value);
  const within =
    own.isPattern && !isHeldBack
      ? prefixes.matching(
          own.start,
          (text, other) => isOther(other) && canMatchBeginning(pattern, Buffer.from(text)),
        )
      : [];
  const other = first([...around, ...within]);
  if (other === undefined) return;
  const relation = own.isPattern ? 'would match keys that begin with' : 'begins with';
  problems.add(
    own.path,
    `${relation} ${formatPath(other.path)} in the same Redis database, so one wipe would delete the other's keys: ` +
      'give another name, or give each service its own database',
  );
}

/** A pair is told at the later service. */
function checkSameIndex(
  own: OwnedIndex,
  { indexKeys, indexPatterns }: IndexedDatabase,
  problems: ProblemCollector,
): void {
  const overlaps = (other: OwnedIndex): boolean => other.index < own.index && overlap(own, other);
  const around = indexPatterns.beginningOf(own.start, overlaps).map(({ value }) => value);
  const within = own.isPattern
    ? indexKeys.matching(own.start, (_, other) => overlaps(other))
    : indexKeys.beginningOf(own.start, overlaps).map(({ value }) => value);
  const all = [...around, ...within];
  const other = first(all.filter(({ value }) => value === own.value)) ?? first(all);
  if (other === undefined) return;
  const relation = other.value === own.value ? 'is the same key as' : 'can be the same key as';
  problems.add(
    own.path,
    `${relation} ${formatPath(other.path)} in the same Redis database: list it under one service only`,
  );
}

/** Of two patterns only what they begin and end with is compared. */
function overlap(one: OwnedIndex, other: OwnedIndex): boolean {
  if (one.value === other.value) return true;
  if (one.isPattern && other.isPattern) {
    return (
      (one.end.endsWith(other.end) || other.end.endsWith(one.end)) &&
      canMatchBeginning(Buffer.from(one.value), Buffer.from(other.start)) &&
      canMatchBeginning(Buffer.from(other.value), Buffer.from(one.start))
    );
  }
  if (!one.isPattern && !other.isPattern) return false;
  const [pattern, name] = one.isPattern ? [one, other] : [other, one];
  return matchesKeyPattern(Buffer.from(pattern.value), Buffer.from(name.value));
}

function first<T extends Owned>(entries: readonly T[]): T | undefined {
  return entries.toSorted((a, b) => a.index - b.index)[0];
}

function ownedIndex({ path, value }: Located, index: number): OwnedIndex {
  const isPattern = isKeyPattern(value);
  const start = /^[^*?[\\]*/.exec(value)?.[0] ?? '';
  const end = /[^*?[\]\\]*$/.exec(value)?.[0] ?? '';
  return { path, value, index, isPattern, start, end };
}

function checkCeleryNames(
  service: ResolvedService,
  prefix: Located,
  databases: readonly IndexedDatabase[],
  problems: ProblemCollector,
): void {
  const { value } = prefix;
  // Of a service whose Redis is wrong nothing else is known.
  const own = service.globalKeyPrefix;
  const ownFronts = ['', '_', own, `${own}_`];
  const isFront = (front: string): boolean =>
    ownFronts.includes(front) || databases.some(({ fronts }) => fronts.has(front));
  const begins = [BINDINGS, RESULTS].some((name) =>
    occurrences(value, name).some((at) => isFront(value.slice(0, at))),
  );
  const hit =
    begins ||
    ownFronts.some((front) => CELERY_NAMES.some((name) => (front + name).startsWith(value))) ||
    databases.some(({ celeryKeys }) => celeryKeys.beginningWith(value).length > 0);
  if (!hit) return;
  problems.add(
    prefix.path,
    "would match Celery's own keys (_kombu.binding.*, unacked*, celery-task-meta-*): give the full prefix of the jobs",
  );
}

function occurrences(text: string, part: string): readonly number[] {
  const found: number[] = [];
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + 1)) found.push(at);
  return found;
}

function checkQueueNames(
  prefix: Located,
  { queues }: IndexedDatabase,
  problems: ProblemCollector,
): void {
  for (const queue of inOrder(queues.beginningWith(prefix.value))) {
    problems.add(
      prefix.path,
      `would match the queue ${formatPath(queue.path)} in the same Redis database: give the full prefix of the jobs`,
    );
  }
}

/** A pair is told at the later service; of very many pairs at least one is. */
function checkPrefixes(
  prefix: Located,
  index: number,
  { prefixes }: IndexedDatabase,
  problems: ProblemCollector,
): void {
  const { value } = prefix;
  const related = new Set([
    ...inOrder(prefixes.beginningOf(value)),
    ...inOrder(prefixes.beginningWith(value)),
  ]);
  for (const other of [...related].toSorted((a, b) => a.index - b.index)) {
    if (other.index >= index) continue;
    problems.add(
      prefix.path,
      `${relate(value, other.value)} ${formatPath(other.path)} in the same Redis database, so one wipe would delete the other's jobs: ` +
        'give each service its own prefix or its own database',
    );
  }
}

/** A key below both would be a job and none. */
function checkForeignPrefixes(service: ResolvedService, problems: ProblemCollector): void {
  const foreign = service.foreignPrefixes.filter(({ value }) => value.trim() !== '');
  if (foreign.length === 0) return;
  const own = service.prefixes.filter(({ value }) => value.trim() !== '');
  const index = createPrefixIndex(
    own.map((one, order) => ({ text: one.value, value: { ...one, index: order } })),
  );
  for (const { path, value } of foreign) {
    const related = new Set([
      ...inOrder(index.beginningOf(value)),
      ...inOrder(index.beginningWith(value)),
    ]);
    for (const one of [...related].toSorted((a, b) => a.index - b.index)) {
      problems.add(
        path,
        `${relate(value, one.value)} ${formatPath(one.path)}, so a key could be this service's and another program's at once: ` +
          'make the two differ, or remove one',
      );
    }
  }
}

function inOrder(entries: readonly { readonly value: Owned }[]): readonly Owned[] {
  return entries.map(({ value }) => value).toSorted((a, b) => a.index - b.index);
}

function relate(prefix: string, other: string): string {
  if (prefix === other) return 'is the same as';
  return prefix.startsWith(other) ? 'begins with' : 'is the beginning of';
}

function checkSameQueue(
  service: ResolvedService,
  index: number,
  { queues }: IndexedDatabase,
  problems: ProblemCollector,
): void {
  for (const queue of service.queues) {
    const name = service.globalKeyPrefix + queue.value;
    const told = new Set<number>();
    for (const other of inOrder(queues.equal(name))) {
      if (other.index >= index || told.has(other.index)) continue;
      told.add(other.index);
      problems.add(
        queue.path,
        `is the same queue as ${formatPath(other.path)} on the same broker: list it under one service only`,
      );
    }
  }
}

function checkAllResults(
  service: ResolvedService,
  index: number,
  databases: readonly IndexedDatabase[],
  services: readonly ResolvedService[],
  problems: ProblemCollector,
): void {
  if (service.config.celery?.results !== 'all') return;
  const others = databases.flatMap(({ users }) => users).filter((user) => user !== index);
  const other = others.length === 0 ? undefined : services[Math.min(...others)];
  if (other === undefined) return;
  problems.add(
    [...service.path, 'celery', 'results'],
    `\`all\` would delete the results of ${formatPath(other.path)} too, which uses the same Redis database: write \`own\``,
  );
}
