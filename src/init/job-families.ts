/** Whether keys that begin alike look like the jobs of a service. Reads names, types and small values. */
import type { BrokerKeys } from '../celery/keys.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { typesOf } from '../redis/families.ts';
import type { KeyCensus } from '../redis/families.ts';
import { readJobs } from '../resources/job-evidence.ts';
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
/** An id follows, so the prefix ends where a part of the name ends. */
const PREFIX = /^[A-Za-z0-9][\w.:/|-]*[:/|._-]$/;
const CELERY = /^(?:celery-task(?:set)?-meta-|chord-unlock-|_kombu|unacked|media-cleanup:)/;

/** @throws RedisError. */
export async function findJobFamilies(
  redis: RedisConnection,
  names: BrokerKeys,
  { families }: KeyCensus,
): Promise<JobFamilies> {
  const own = families.filter(({ samples, prefix }) => {
    const texts = samples.map((sample) => sample.toString('latin1'));
    return (
      !CELERY.test(prefix.toString('latin1')) &&
      !texts.some((text) => text.includes('.reply.celery.pidbox'))
    );
  });
  const found: JobFamily[] = [];
  for (const family of own.slice(0, MOST_LOOKED_AT)) {
    const prefix = family.prefix.toString('latin1');
    if (!PREFIX.test(prefix)) continue;
    const jobs = await readJobs(redis, await typesOf(redis, family.samples));
    if (jobs.length === 0 || jobs.length * 2 < family.samples.length) continue;
    const results = jobs.flatMap(({ id }) => names.resultsOf(Buffer.from(id)));
    const hasResults = ((await permitted(redis.exists(results))) ?? 0) > 0;
    const areNamed = jobs.every(({ isNamedById }) => isNamedById);
    found.push({
      ...{ prefix, count: family.count, hasResults },
      evidence: [
        'values with id and status',
        ...(areNamed ? ['named by their id'] : []),
        ...(hasResults ? ['results of tasks with these ids'] : []),
      ],
    });
  }
  return { families: found, beginnings: own.map(({ prefix }) => prefix.toString('latin1')) };
}
