/** What a database holds, whose it is, and what of it looks like jobs of a service. */
import type { ServiceConfig } from '../config/types.ts';
import { findQueueKeys } from '../celery/queue.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { takeCensus, typesOf } from '../redis/families.ts';
import type { Family, KeyCensus } from '../redis/families.ts';
import { createKeyNames } from '../redis/key-names.ts';
import { startsWith } from '../redis/scan.ts';
import { printable } from '../report/printable.ts';
import { assignFamilies } from './assign-families.ts';
import type { Claim } from './assign-families.ts';
import { isNearly, likeness, prefixOf, readJobs } from './job-evidence.ts';
import type { Likeness } from './job-evidence.ts';
import { createOwners } from './key-families.ts';
import type { KnownFamily, SurveySubject } from './key-families.ts';

export interface Judgement {
  /** How many keys were looked at, and whether those are all of the database. */
  readonly keys: number;
  readonly isComplete: boolean;
  /** The most frequent first. */
  readonly families: readonly KnownFamily[];
  readonly givenNames: KeyCensus['givenNames'];
}

/** Some ids of tasks that wait in the queues of a service. */
export type TaskIds = (service: ServiceConfig) => Promise<readonly string[]>;

/** Of so many families the keys are looked at; the rest is rare. */
const MOST_LOOKED_AT = 40;

/**
 * In one SCAN, where no census is there, and a few looks at keys of the most frequent families.
 * @param isServed whether the service's own prefix is known to match keys here.
 * @throws RedisError, or the signal's reason.
 */
export async function judgeFamilies(
  redis: RedisConnection,
  subject: SurveySubject,
  options: {
    readonly isServed: boolean;
    readonly taskIds: TaskIds;
    /** Whether the service's queues are the only ones that are declared in the database. */
    readonly isOnlyQueue?: () => Promise<boolean>;
    readonly mostKeys?: number | undefined;
    /** Taken by a pass; families of which nothing is left since are none. */
    readonly census?: KeyCensus | undefined;
  },
  signal: AbortSignal,
): Promise<Judgement> {
  const { config, keys, neighbours } = subject;
  const census =
    options.census === undefined
      ? await takeCensus(redis, keys.isLock, signal, options.mostKeys)
      : await whatIsLeft(redis, options.census);
  const ownerOf = createOwners(subject);
  const candidates = [config, ...neighbours];
  const served = new Set(
    neighbours.filter((one) => isServedBy(one, census.families)).map(({ name }) => name),
  );
  if (options.isServed) served.add(config.name);
  const resultIds = resultIdsOf(subject, census.families);
  const claims: Claim[][] = [];
  const known: Omit<KnownFamily, 'claimants' | 'isTied'>[] = [];
  for (const [index, family] of census.families.entries()) {
    const isLookedAt = index < MOST_LOOKED_AT;
    const byType = isLookedAt ? await typesOf(redis, family.samples) : new Map<string, Buffer[]>();
    const whose = ownerOf(family) ?? (await queueOf(redis, subject, byType, signal));
    const evidence =
      whose === undefined && isLookedAt
        ? await gather(redis, subject, family, { byType, candidates, resultIds, ...options })
        : NO_EVIDENCE;
    claims.push(evidence.ties.map((tie) => ({ ...tie, isServed: served.has(tie.service) })));
    const bytes = evidence.prefix ?? family.prefix;
    known.push({
      prefix: printable(bytes),
      bytes,
      count: family.count,
      share: family.count / census.keys,
      samples: family.samples,
      types: [...byType].toSorted(([, a], [, b]) => b.length - a.length).map(([type]) => type),
      whose,
      evidence: evidence.words,
    });
  }
  const claimants = assignFamilies(claims);
  return {
    keys: census.keys,
    isComplete: census.isComplete,
    givenNames: census.givenNames,
    families: known.map((family, index) => ({
      ...family,
      claimants: claimants[index] ?? [],
      isTied: (claims[index] ?? []).some(
        ({ service, words, hasTaskIds }) => service === config.name && (words > 0 || hasTaskIds),
      ),
    })),
  };
}

/** A census without the samples that went since, and without families that have none left. */
async function whatIsLeft(redis: RedisConnection, census: KeyCensus): Promise<KeyCensus> {
  const families = await Promise.all(
    census.families.map(async (family, index) => {
      if (index >= MOST_LOOKED_AT) return family;
      const there = await Promise.all(
        family.samples.map(async (key) => (await permitted(redis.exists([key]))) !== 0),
      );
      return { ...family, samples: family.samples.filter((_, at) => there[at]) };
    }),
  );
  return { ...census, families: families.filter(({ samples }) => samples.length > 0) };
}

/** Ids of some of the tasks that the database has results of. */
function resultIdsOf({ keys }: SurveySubject, families: readonly Family[]): readonly Buffer[] {
  return families.flatMap(({ samples }) =>
    samples.flatMap((key) =>
      keys.broker.resultStarts.flatMap((start) =>
        startsWith(key, start) ? [key.subarray(start.length)] : [],
      ),
    ),
  );
}

/** `queue` where all are lists of the service's queues, behind a separator of its app's own. */
async function queueOf(
  redis: RedisConnection,
  { keys: { broker, queues }, neighbours }: SurveySubject,
  byType: ReadonlyMap<string, readonly Buffer[]>,
  signal: AbortSignal,
): Promise<'queue' | undefined> {
  const lists = byType.get('list') ?? [];
  const isNamedAlike = (key: Buffer): boolean =>
    queues.some((queue) => startsWith(key, broker.queue(queue)));
  if (lists.length === 0 || byType.size > 1 || !lists.every(isNamedAlike)) return undefined;
  const others = new Set(neighbours.flatMap(({ celery }) => celery?.queues ?? []));
  const known = createKeyNames();
  lists.forEach(known.add);
  const found = await permitted(
    findQueueKeys(redis, { own: queues, others }, broker, signal, known),
  );
  return found?.keys.length === lists.length ? 'queue' : undefined;
}

async function isAnyThere(redis: RedisConnection, keys: readonly Buffer[]): Promise<boolean> {
  return ((await permitted(redis.exists(keys))) ?? 0) > 0;
}

function isServedBy({ keyPrefixes }: ServiceConfig, families: readonly Family[]): boolean {
  const prefixes = keyPrefixes.map((prefix) => Buffer.from(prefix));
  return families.some(({ samples }) =>
    samples.some((key) => prefixes.some((prefix) => startsWith(key, prefix))),
  );
}

interface Evidence {
  /** For people, as in `JSON with id, status and created_at`. */
  readonly words: readonly string[];
  readonly ties: readonly Omit<Claim, 'isServed'>[];
  /** What the jobs' names begin with, where their ids tell it better than the names. */
  readonly prefix: Buffer | undefined;
}

const NO_EVIDENCE: Evidence = { words: [], ties: [], prefix: undefined };

/** Why these keys look like jobs, and whose. @throws RedisError. */
async function gather(
  redis: RedisConnection,
  { config, keys }: SurveySubject,
  family: Family,
  around: {
    readonly byType: ReadonlyMap<string, readonly Buffer[]>;
    readonly isServed: boolean;
    readonly candidates: readonly ServiceConfig[];
    readonly resultIds: readonly Buffer[];
    readonly taskIds: TaskIds;
    readonly isOnlyQueue?: () => Promise<boolean>;
  },
): Promise<Evidence> {
  const { byType, candidates, resultIds, taskIds } = around;
  const jobs = await readJobs(redis, byType);
  const prefix = prefixOf(jobs) ?? family.prefix;
  const waiting = new Set<string>();
  for (const service of candidates) {
    const ids = await taskIds(service);
    const named = ids.map((id) => Buffer.concat([prefix, Buffer.from(id)]));
    if (await isAnyThere(redis, named)) waiting.add(service.name);
  }
  // All of those that could be looked at, or nearly.
  const areJobs = jobs.length > 0 && jobs.length * 2 >= family.samples.length;
  const isNear =
    !around.isServed &&
    family.count > 1 &&
    [...byType.keys()].every((type) => type === 'string' || type === 'hash') &&
    isNearly(printable(prefix), config.keyPrefixes);
  if (!areJobs && !isNear && waiting.size === 0) return NO_EVIDENCE;
  const hasResults =
    (await isAnyThere(
      redis,
      jobs.flatMap(({ id }) => keys.broker.resultsOf(Buffer.from(id))),
    )) ||
    (await isAnyThere(
      redis,
      resultIds.map((id) => Buffer.concat([prefix, id])),
    ));
  // Results do not say whose tasks they are of, unless nobody else has a queue here.
  const isOnly = hasResults && areJobs && (await around.isOnlyQueue?.()) === true;
  const likenessOf = (service: ServiceConfig): Likeness | undefined =>
    likeness(printable(prefix), namesOf(service));
  const own = likenessOf(config);
  const isDated = jobs.every((job) => job.isDated);
  const fields = isDated ? 'id, status and created_at' : 'id and status';
  return {
    prefix: areJobs ? prefix : undefined,
    words: [
      ...(areJobs ? [`${byType.has('string') ? 'JSON' : 'hashes'} with ${fields}`] : []),
      ...(areJobs && jobs.length < family.samples.length
        ? [`${jobs.length} of ${family.samples.length} that were looked at`]
        : []),
      ...(isNear ? ['nearly the configured prefix'] : []),
      ...(areJobs && jobs.every(({ isNamedById }) => isNamedById) ? ['named by their id'] : []),
      // Every Celery app has those.
      ...(hasResults ? ['with results of tasks of these ids'] : []),
      ...(waiting.has(config.name) ? ['with ids of tasks of its queue'] : []),
      ...(isOnly ? ['no queue but its own is declared here'] : []),
      ...(own === undefined ? [] : [`"${own.word}" in their name`]),
    ],
    ties: candidates.flatMap((service) => {
      const words = likenessOf(service)?.words;
      const hasTaskIds = waiting.has(service.name) || (isOnly && service === config);
      return words === undefined && !hasTaskIds
        ? []
        : [{ service: service.name, hasTaskIds, words: words ?? 0 }];
    }),
  };
}

function namesOf({ name, keyPrefixes, celery }: ServiceConfig): readonly string[] {
  return [name, ...keyPrefixes, ...(celery?.queues ?? [])];
}
