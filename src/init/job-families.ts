/** Whether keys that begin alike look like the jobs of a service. Reads names, types and small values. */
import { isReplyList } from '../celery/keys.ts';
import type { BrokerKeys } from '../celery/keys.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { typesOf } from '../redis/families.ts';
import type { Family, KeyCensus } from '../redis/families.ts';
import { scanKeys, startsWith } from '../redis/scan.ts';
import { readJobs } from '../resources/job-evidence.ts';
import type { SampledJob } from '../resources/job-evidence.ts';
import { programOf } from '../resources/other-programs.ts';
import type { FoundPrefix } from './redis-answer.ts';

/** A family of keys whose values look like jobs. */
export interface JobFamily extends FoundPrefix {
  /** Results of tasks with these ids are in the same database. */
  readonly hasResults: boolean;
}

export interface JobFamilies {
  readonly families: readonly JobFamily[];
  /** All beginnings of keys that are not Celery's, with those of no jobs. */
  readonly beginnings: readonly string[];
}

/** The rest is rare. */
const MOST_LOOKED_AT = 20;
/** In a larger database only samples tell whether jobs have results: a pass takes seconds there. */
const MOST_KEYS_TO_PASS = 300_000;
/** An id follows, so the prefix ends where a part of the name ends. */
const PREFIX = /^[A-Za-z0-9][\w.:/|-]*[:/|._-]$/;
const CELERY = /^(?:celery-task(?:set)?-meta-|chord-unlock-|_kombu|unacked|media-cleanup:)/;

/** The same for the same keys, each time. @throws RedisError, or the signal's reason. */
export async function findJobFamilies(
  redis: RedisConnection,
  names: BrokerKeys,
  census: KeyCensus,
  signal: AbortSignal,
): Promise<JobFamilies> {
  const own = census.families.filter(({ samples, prefix }) => {
    if (CELERY.test(prefix.toString('latin1')) || samples.some(isReplyList)) return false;
    return !samples.every((key) => programOf(key) !== undefined);
  });
  const found = new Map<string, { readonly count: number; readonly jobs: readonly SampledJob[] }>();
  for (const family of own.slice(0, MOST_LOOKED_AT)) {
    const prefix = family.prefix.toString('latin1');
    if (!PREFIX.test(prefix)) continue;
    const jobs = await jobsAmong(redis, family);
    if (jobs.length > 0) found.set(prefix, { count: family.count, jobs });
  }
  const idsOf = [...found].map(([prefix, { jobs }]) => ({ prefix, ids: jobs.map(({ id }) => id) }));
  const withResults = await prefixesWithResults(redis, names, census, idsOf, signal);
  const families = [...found].map(([prefix, { count, jobs }]): JobFamily => {
    const hasResults = withResults.has(prefix);
    return {
      ...{ prefix, count, hasResults },
      evidence: [
        'values with id and status',
        ...(jobs.every(({ isNamedById }) => isNamedById) ? ['named by their id'] : []),
        ...(hasResults ? ['results of tasks with these ids'] : []),
      ],
    };
  });
  return { families, beginnings: own.map(({ prefix }) => prefix.toString('latin1')) };
}

/** None when most values that could be jobs are none, or most keys are indexes, sets and lists. */
async function jobsAmong(
  redis: RedisConnection,
  { samples }: Family,
): Promise<readonly SampledJob[]> {
  const byType = await typesOf(redis, samples);
  const jobs = await readJobs(redis, byType);
  const sizeOf = (type: string): number => byType.get(type)?.length ?? 0;
  const possible = sizeOf('string') + sizeOf('hash');
  const others = [...byType.values()].reduce((sum, keys) => sum + keys.length, 0) - possible;
  return jobs.length * 2 >= possible && jobs.length >= others ? jobs : [];
}

interface FamilyIds {
  readonly prefix: string;
  readonly ids: readonly string[];
}

/**
 * Prefixes of which a key and a result have the same id. Asked from both sides, because few jobs may
 * have a result and few results a job; then, in a database that is not large, of every result.
 */
async function prefixesWithResults(
  redis: RedisConnection,
  names: BrokerKeys,
  census: KeyCensus,
  families: readonly FamilyIds[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const { prefix, ids } of families) {
    const results = ids.flatMap((id) => names.resultsOf(Buffer.from(id)));
    if (((await permitted(redis.exists(results))) ?? 0) > 0) found.add(prefix);
  }
  const addThoseWith = async (ids: readonly Buffer[]): Promise<void> => {
    if (ids.length === 0) return;
    for (const { prefix } of families) {
      if (found.has(prefix)) continue;
      const keys = ids.map((id) => Buffer.concat([Buffer.from(prefix, 'latin1'), id]));
      if (((await permitted(redis.exists(keys))) ?? 0) > 0) found.add(prefix);
    }
  };
  const isDone = (): boolean => found.size === families.length;
  const sampled = idsOfResults(names, census);
  if (isDone() || sampled.length === 0) return found;
  await addThoseWith(sampled);
  if (isDone() || census.keys > MOST_KEYS_TO_PASS) return found;
  for await (const keys of scanKeys(redis, names.results, signal)) {
    await addThoseWith(keys.map((key) => key.subarray(names.results.length)));
    if (isDone()) break;
  }
  return found;
}

function idsOfResults({ results }: BrokerKeys, { families }: KeyCensus): readonly Buffer[] {
  return families
    .flatMap(({ samples }) => samples)
    .filter((key) => startsWith(key, results))
    .map((key) => key.subarray(results.length));
}
