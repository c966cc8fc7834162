/** Whether keys that begin alike look like the jobs of a service. Reads names, types and small values. */
import { parseJson, asRecord } from '../celery/message.ts';
import type { BrokerKeys } from '../celery/keys.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { typesOf } from '../redis/families.ts';
import type { Family, KeyCensus } from '../redis/families.ts';
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
/** A job is small: what is larger is not read. */
const LARGEST_JOB = 64 * 1024;
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
    const jobs = await readJobs(redis, family);
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

interface SampledJob {
  readonly id: string;
  readonly isNamedById: boolean;
}

/** Those of the samples that have an id, a state and a time, or are named by their id. */
async function readJobs(redis: RedisConnection, family: Family): Promise<readonly SampledJob[]> {
  const types = await typesOf(redis, family.samples);
  const jobs: SampledJob[] = [];
  const take = (key: Buffer, fields: Readonly<Record<string, unknown>> | undefined): void => {
    const id = fields?.['id'] ?? fields?.['job_id'] ?? fields?.['task_id'];
    if (typeof id !== 'string' && typeof id !== 'number') return;
    if (!('status' in (fields ?? {})) && !('state' in (fields ?? {}))) return;
    const isNamedById = key.toString().endsWith(String(id));
    if (!isNamedById && !('created_at' in (fields ?? {}))) return;
    jobs.push({ id: String(id), isNamedById });
  };
  for (const key of types.get('string') ?? []) {
    const value = await permitted(redis.send('GETRANGE', key, 0, LARGEST_JOB - 1));
    if (Buffer.isBuffer(value)) take(key, asRecord(parseJson(value)));
  }
  for (const key of types.get('hash') ?? []) {
    const names = ['id', 'job_id', 'task_id', 'status', 'state', 'created_at'];
    const values = (await permitted(redis.send('HMGET', key, ...names))) as
      readonly (Buffer | null)[] | undefined;
    const fields = names.flatMap((name, index): [string, string][] => {
      const value = values?.[index];
      return Buffer.isBuffer(value) ? [[name, value.toString()]] : [];
    });
    take(key, Object.fromEntries(fields));
  }
  return jobs;
}

/** What any service may call its keys. */
const GENERIC = new Set('job jobs task tasks item items queue data status'.split(' '));
/** Transcriber and transcription are the same word, clips and clip too. */
const STEM = 6;

export type Likeness = 'specific' | 'generic' | undefined;

/** Whether the prefix has a word of the name, or only words that every service may use. */
export function likeness(prefix: string, name: string): Likeness {
  const words = (text: string): readonly string[] =>
    text
      .toLowerCase()
      .split(/[^a-z]+/)
      .filter((word) => word.length > 2);
  const own = words(prefix);
  const specific = own.filter((word) => !GENERIC.has(word));
  if (specific.length === 0) return own.length === 0 ? undefined : 'generic';
  const stems = words(name).map((word) => word.slice(0, STEM));
  const isAlike = (word: string): boolean => {
    const own = word.slice(0, STEM);
    return stems.some((stem) => stem.startsWith(own) || own.startsWith(stem));
  };
  return specific.some(isAlike) ? 'specific' : undefined;
}
