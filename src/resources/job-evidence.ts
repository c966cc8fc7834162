/** Why keys look like jobs: by their values, and by what their names have in common with a service. */
import { asRecord, parseJson } from '../celery/message.ts';
import type { ServiceConfig } from '../config/types.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { printable } from '../report/printable.ts';

/** A job is small: of a larger value only the beginning is read. */
const LARGEST_JOB = 64 * 1024;

export interface SampledJob {
  readonly id: string;
  readonly isNamedById: boolean;
}

/** Those of the keys whose value looks like a job's: status, time of creation, id. @throws RedisError. */
export async function readJobs(
  redis: RedisConnection,
  byType: ReadonlyMap<string, readonly Buffer[]>,
): Promise<readonly SampledJob[]> {
  const jobs: SampledJob[] = [];
  const add = (key: Buffer, id: unknown): void => {
    if (typeof id !== 'string' && typeof id !== 'number') return;
    jobs.push({ id: String(id), isNamedById: key.toString().endsWith(String(id)) });
  };
  for (const key of byType.get('string') ?? []) {
    const value = await permitted(redis.send('GETRANGE', key, 0, LARGEST_JOB - 1));
    const job = Buffer.isBuffer(value) ? asRecord(parseJson(value)) : undefined;
    if (job === undefined || !('status' in job) || !('created_at' in job)) continue;
    add(key, job['id'] ?? job['job_id']);
  }
  for (const key of byType.get('hash') ?? []) {
    const names = ['id', 'job_id', 'status', 'created_at'];
    const fields = await permitted(redis.send('HMGET', key, ...names));
    const [id, jobId, status, createdAt] = Array.isArray(fields)
      ? (fields as readonly unknown[]).map((field) =>
          Buffer.isBuffer(field) ? field.toString() : undefined,
        )
      : [];
    if (status !== undefined && createdAt !== undefined) add(key, id ?? jobId);
  }
  return jobs;
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
/** Transcriber and transcription are the same word. */
const STEM = 6;

/** How a prefix is like the names of a service. */
export interface Likeness {
  /** A word that both have; of a generic prefix its first word. */
  readonly word: string;
  /** How many words both have; 0: any service may use the prefix (`job:`, but not `print_job:`). */
  readonly words: number;
}

export function likeness(prefix: Buffer, service: ServiceConfig): Likeness | undefined {
  const own = wordsOf(printable(prefix));
  const specific = own.filter((word) => !GENERIC.has(word));
  const [first] = own;
  if (specific.length === 0) return first === undefined ? undefined : { word: first, words: 0 };
  const names = [service.name, ...service.keyPrefixes, ...(service.celery?.queues ?? [])];
  const stems = new Set(
    names
      .flatMap(wordsOf)
      .filter((word) => !GENERIC.has(word))
      .map((word) => word.slice(0, STEM)),
  );
  const shared = specific.filter((word) => stems.has(word.slice(0, STEM)));
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
    .split(/[^a-z]+/)
    .filter((word) => word.length > 2);
}
