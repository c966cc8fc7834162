import { randomUUID } from 'node:crypto';
import type { RedisConnection } from './connect.ts';
import { scanKeys, startsWith } from './scan.ts';

const EXISTS_BATCH = 1000;
const TOLD_APART = 100_000;

/** Which keys are a service's jobs. */
export interface JobKeys {
  readonly prefixes: readonly string[];
  /** Keys that stay whatever the prefixes match. */
  readonly isProtected: (key: Buffer) => boolean;
}

/**
 * The job keys in batches, each key for the first of the prefixes that it begins with.
 * @throws RedisError, or the signal's reason.
 */
export async function* scanJobs(
  redis: RedisConnection,
  jobs: JobKeys,
  signal: AbortSignal,
): AsyncGenerator<{ readonly keys: readonly Buffer[]; readonly ids: readonly Buffer[] }> {
  const prefixes = jobs.prefixes.map((prefix) => Buffer.from(prefix));
  for (const [index, prefix] of prefixes.entries()) {
    const earlier = prefixes.slice(0, index);
    for await (const batch of scanKeys(redis, prefix, signal)) {
      const keys = batch.filter(
        (key) => !jobs.isProtected(key) && !earlier.some((other) => startsWith(key, other)),
      );
      if (keys.length > 0) yield { keys, ids: keys.map((key) => key.subarray(prefix.length)) };
    }
  }
}

/**
 * How many job keys there are now. A SCAN while Redis resizes its table shows keys twice, so up to
 * 100 000 keys are told apart; what more there are is counted as it comes, in constant memory.
 * @param found gets each key, one that comes twice too.
 */
export async function countJobs(
  redis: RedisConnection,
  jobs: JobKeys,
  signal: AbortSignal,
  found?: (key: Buffer) => void,
): Promise<number> {
  const seen = new Set<string>();
  let more = 0;
  for await (const { keys } of scanJobs(redis, jobs, signal)) {
    for (const key of keys) {
      const name = key.toString('latin1');
      found?.(key);
      if (seen.size < TOLD_APART) seen.add(name);
      else if (!seen.has(name)) more += 1;
    }
  }
  return seen.size + more;
}

/** How many of these keys exist. @throws RedisError. */
export async function countExisting(
  redis: RedisConnection,
  keys: readonly Buffer[],
): Promise<number> {
  let count = 0;
  for (let start = 0; start < keys.length; start += EXISTS_BATCH) {
    count += await redis.exists(keys.slice(start, start + EXISTS_BATCH));
  }
  return count;
}

/**
 * Whether keys that begin with `prefix` could be found and removed, without removing any: asks to
 * remove one that does not exist.
 * @throws RedisError: READONLY, NOPERM …
 */
export async function probeRemoval(redis: RedisConnection, prefix: Buffer): Promise<void> {
  const name = Buffer.from(`media-cleanup-probe-${randomUUID()}`);
  await redis.send('SCAN', '0', 'COUNT', 1);
  await redis.unlink([Buffer.concat([prefix, name])]);
}

export interface RemovedJobs {
  readonly jobs: number;
  readonly results: number;
}

/** The keys that go with a batch of jobs, and whom to tell when those cannot be removed. */
export interface JobResults {
  readonly keysOf: (jobId: Buffer) => readonly Buffer[];
  /** Called once; the jobs go on without their results. */
  readonly failed: (error: unknown) => void;
}

/**
 * Removes the jobs, and for each of them its results (its task id is the job id). Both counts are
 * what UNLINK said. The UNLINKs of a batch run beside the SCAN of the next.
 * @throws RedisError, or the signal's reason between two batches; `onProgress` has the counts so far.
 */
export async function removeJobs(
  redis: RedisConnection,
  jobs: JobKeys,
  results: JobResults | undefined,
  onProgress: (removed: RemovedJobs, keys: readonly Buffer[]) => void,
  signal: AbortSignal,
): Promise<RemovedJobs> {
  let removed: RemovedJobs = { jobs: 0, results: 0 };
  let working = results;
  for await (const { keys, ids } of scanJobs(redis, jobs, signal)) {
    const [jobCount, resultCount] = await Promise.allSettled([
      redis.unlink(keys),
      redis.unlink(working === undefined ? [] : ids.flatMap(working.keysOf)),
    ]);
    if (jobCount.status === 'rejected') throw jobCount.reason;
    removed = {
      jobs: removed.jobs + jobCount.value,
      results: removed.results + (resultCount.status === 'fulfilled' ? resultCount.value : 0),
    };
    onProgress(removed, keys);
    if (resultCount.status === 'rejected') {
      working?.failed(resultCount.reason);
      working = undefined;
    }
  }
  return removed;
}

/** How many keys begin with `prefix` now. @throws RedisError, or the signal's reason. */
export async function countByPrefix(
  redis: RedisConnection,
  prefix: Buffer,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for await (const keys of scanKeys(redis, prefix, signal)) count += keys.length;
  return count;
}

/** Removes every key that begins with `prefix`; the number that UNLINK says. */
export async function removeByPrefix(
  redis: RedisConnection,
  prefix: Buffer,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  for await (const keys of scanKeys(redis, prefix, signal)) removed += await redis.unlink(keys);
  return removed;
}
