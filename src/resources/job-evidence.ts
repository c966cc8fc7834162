/** Why keys look like jobs: by their values, and by what their names have in common with a service. */
import leven from 'leven';
import { asRecord, parseJson } from '../celery/message.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';

/** A job is small: of a larger value only the beginning is read. */
const LARGEST_JOB = 64 * 1024;

export interface SampledJob {
  readonly key: Buffer;
  readonly id: string;
  readonly isNamedById: boolean;
  /** It has the time of its creation. */
  readonly isDated: boolean;
}

const IDS = ['id', 'job_id', 'task_id', 'jobId', 'taskId', 'uuid'] as const;
const STATES = ['status', 'state'] as const;
const TIMES = ['created_at', 'createdAt', 'created'] as const;
const FIELDS = [...IDS, ...STATES, ...TIMES];

/**
 * Those of the keys whose value looks like a job's: a state, and the time of its creation or a name
 * that ends with its id. Strings with JSON and hashes. @throws RedisError.
 */
export async function readJobs(
  redis: RedisConnection,
  byType: ReadonlyMap<string, readonly Buffer[]>,
): Promise<readonly SampledJob[]> {
  const jobs: SampledJob[] = [];
  for (const key of byType.get('string') ?? []) {
    const value = await permitted(redis.send('GETRANGE', key, 0, LARGEST_JOB - 1));
    jobs.push(...jobOf(key, value === undefined ? undefined : asRecord(parseJson(value))));
  }
  for (const key of byType.get('hash') ?? []) {
    const reply = await permitted(redis.send('HMGET', key, ...FIELDS));
    const fields = FIELDS.flatMap((name, index): [string, string][] => {
      const value = reply?.[index] ?? undefined;
      return value === undefined ? [] : [[name, value.toString()]];
    });
    jobs.push(...jobOf(key, Object.fromEntries(fields)));
  }
  return jobs;
}

function jobOf(
  key: Buffer,
  fields: Readonly<Record<string, unknown>> | undefined,
): readonly SampledJob[] {
  if (fields === undefined || !STATES.some((name) => name in fields)) return [];
  const isDated = TIMES.some((name) => name in fields);
  const text = key.toString();
  const told = IDS.map((name) => fields[name]).find(
    (id) => typeof id === 'string' || typeof id === 'number',
  );
  // A job need not repeat its id: the name's last part is the id then.
  const id = told === undefined ? lastPart(text) : String(told);
  if (id === '') return [];
  const isNamedById = told === undefined ? isDated : text.endsWith(id);
  return isNamedById || isDated ? [{ key, id, isNamedById, isDated }] : [];
}

/** What follows the last separator. */
function lastPart(text: string): string {
  const separators = [':', '/', '|', '.'].map((separator) => text.lastIndexOf(separator));
  return text.slice(Math.max(...separators) + 1);
}

/**
 * What stands before the id in the names of jobs, where it is the same in all: `trx:` of `trx:id-1`,
 * whose names alone look like `trx:id-…`. Undefined where the names do not end with the id.
 */
export function prefixOf(jobs: readonly SampledJob[]): Buffer | undefined {
  const prefixes = jobs.map(({ key, id, isNamedById }) =>
    isNamedById ? key.subarray(0, key.length - Buffer.byteLength(id)) : undefined,
  );
  const [first] = prefixes;
  const isSame = prefixes.every((prefix) => prefix !== undefined && first?.equals(prefix));
  return isSame && first !== undefined && first.length > 0 ? Buffer.from(first) : undefined;
}

/** What any service may call its keys. */
const GENERIC = new Set([
  'job',
  'jobs',
  'task',
  'tasks',
  'item',
  'items',
  'queue',
  'data',
  'status',
]);
/** Transcriber and transcription are the same word, clip and clips too. */
const STEM = 6;

/** How a prefix is like the names of a service. */
export interface Likeness {
  /** A word that both have; of a generic prefix its first word. */
  readonly word: string;
  /** How many words both have; 0: any service may use the prefix (`job:`, but not `print_job:`). */
  readonly words: number;
}

/** @param names of the service, its queues and its configured prefixes. */
export function likeness(prefix: string, names: readonly string[]): Likeness | undefined {
  const own = wordsOf(prefix);
  const specific = own.filter((word) => !GENERIC.has(word));
  const [first] = own;
  if (specific.length === 0) return first === undefined ? undefined : { word: first, words: 0 };
  const stems = names
    .flatMap(wordsOf)
    .filter((word) => !GENERIC.has(word))
    .map((word) => word.slice(0, STEM));
  const shared = specific.filter((word) => {
    const stem = word.slice(0, STEM);
    return stems.some((other) => other.startsWith(stem) || stem.startsWith(other));
  });
  const [word] = shared;
  return word === undefined ? undefined : { word, words: shared.length };
}

/** Whether a prefix has no word that tells one service from another. */
export function isGeneric(prefix: string): boolean {
  return wordsOf(prefix).every((word) => GENERIC.has(word));
}

function wordsOf(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word.length > 1 && !/^\d+$/.test(word));
}

/** Whether a prefix is written nearly like the configured one: `enc:job:` and `enc:jobs:`. */
export function isNearly(prefix: string, configured: readonly string[]): boolean {
  if (/[\p{L}\p{N}]$/u.test(prefix)) return false;
  return configured.some(
    // A name in front is another stack's: `staging:enc:job:`.
    (own) =>
      !prefix.endsWith(own) && Math.min(prefix.length, own.length) > 4 && leven(prefix, own) <= 2,
  );
}
