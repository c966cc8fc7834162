import { createHash } from 'node:crypto';
import type { OnForbidden, RedisConnection } from './connect.ts';
import type { RedisError } from './errors.ts';
import { chooseByAge } from './job-age.ts';
import type { JobAge } from './job-age.ts';
import { idStarts } from './job-id.ts';
import type { KeyNames } from './key-names.ts';
import type { Pace } from './pace.ts';
import { patternOf, scanKeys, startsWith } from './scan.ts';
import { sweep } from './sweep.ts';

const EXISTS_BATCH = 1000;
const TOLD_APART = 100_000;

/** Which keys are a service's jobs. */
export interface JobKeys {
  readonly prefixes: readonly string[];
  /** Which keys that begin with this stay nevertheless; undefined: none. */
  readonly protectedWith: (prefix: Buffer) => ((key: Buffer) => boolean) | undefined;
  /** Only jobs that are old enough; undefined: all of them, and no value is read. */
  readonly age: JobAge | undefined;
}

/**
 * The job keys in batches, each key for the first of the prefixes that it begins with, and the ids
 * that they may have: not one for each key.
 * @param known all keys that begin with a prefix, where a pass has found them; else they are scanned.
 * @throws RedisError, or the signal's reason.
 */
export async function* scanJobs(
  redis: RedisConnection,
  jobs: JobKeys,
  signal: AbortSignal,
  known?: KeyNames,
): AsyncGenerator<{ readonly keys: readonly Buffer[]; readonly ids: readonly Buffer[] }> {
  for (const { prefix, isOwn } of familiesOf(jobs)) {
    const startsOf = idStarts(prefix);
    for await (const batch of known?.batches() ?? scanKeys(redis, prefix, signal)) {
      signal.throwIfAborted();
      const named = batch.filter(isOwn);
      const keys = jobs.age === undefined ? named : await chooseByAge(named, jobs.age, redis);
      if (keys.length > 0)
        yield {
          keys,
          ids: keys.flatMap((key) => startsOf(key).map((start) => key.subarray(start))),
        };
    }
  }
}

function overlaps(one: Buffer, other: Buffer): boolean {
  return startsWith(one, other) || startsWith(other, one);
}

/** The prefixes, and which of the keys that begin with one are jobs that no earlier one has. */
function familiesOf(
  jobs: JobKeys,
): readonly { readonly prefix: Buffer; readonly isOwn: (key: Buffer) => boolean }[] {
  const prefixes = jobs.prefixes.map((prefix) => Buffer.from(prefix));
  return prefixes.map((prefix, index) => {
    // A key of this prefix can have no other unless one is the beginning of the other.
    const earlier = prefixes.slice(0, index).filter((other) => overlaps(other, prefix));
    const isProtected = jobs.protectedWith(prefix);
    const isOwn = (key: Buffer): boolean =>
      startsWith(key, prefix) &&
      isProtected?.(key) !== true &&
      !earlier.some((other) => startsWith(key, other));
    return { prefix, isOwn };
  });
}

/**
 * How many job keys there are now. A SCAN while Redis resizes its table shows keys twice, so up to
 * 100 000 keys are told apart; what more there are is counted as it comes, in constant memory.
 * @param found gets each key, one that comes twice too.
 * @param known as for `scanJobs`.
 */
export async function countJobs(
  redis: RedisConnection,
  jobs: JobKeys,
  signal: AbortSignal,
  found?: (key: Buffer) => void,
  known?: KeyNames,
): Promise<number> {
  const isNew = tellApart();
  let count = 0;
  for await (const { keys } of scanJobs(redis, jobs, signal, known)) {
    for (const key of keys) {
      found?.(key);
      if (isNew(key)) count += 1;
    }
  }
  return count;
}

/** Whether a name comes for the first time; up to 100 000 are remembered, and others are always new. */
export function tellApart(): (name: Buffer) => boolean {
  const seen = new Set<string>();
  return (bytes) => {
    const name = nameOf(bytes);
    if (seen.has(name)) return false;
    if (seen.size < TOLD_APART) seen.add(name);
    return true;
  };
}

const LONGEST_NAME = 64;

/** Of a long name its hash, which is longer than any name that stands for itself. */
function nameOf(key: Buffer): string {
  return key.length <= LONGEST_NAME
    ? key.toString('latin1')
    : createHash('sha512').update(key).digest('hex');
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

export interface RemovedJobs {
  readonly jobs: number;
  readonly results: number;
}

/** The keys that go with a batch of jobs, and whom to tell when those cannot be removed. */
export interface JobResults {
  /** Of results that are in the database of the jobs. */
  readonly starts: readonly Buffer[];
  /** Removes the results of these ids in other databases; how many. */
  readonly elsewhere?: ((ids: readonly Buffer[]) => Promise<number>) | undefined;
  /** Called once; the jobs go on without their results. */
  readonly failed: (error: unknown) => void;
  /** Gets results that this user may not touch. */
  readonly forbidden: OnForbidden;
}

/**
 * Removes the jobs, and for each of them its results (its task id is the job id). A job that this user may
 * not touch is refused when the others have gone.
 * @param known as for `scanJobs`.
 * @throws RedisError, or the signal's reason between two batches; `onProgress` has the counts so far.
 */
export async function removeJobs(
  redis: RedisConnection,
  jobs: JobKeys,
  results: JobResults | undefined,
  pace: Pace,
  onProgress: (removed: RemovedJobs, keys: readonly Buffer[]) => void,
  signal: AbortSignal,
  known?: KeyNames,
): Promise<RemovedJobs> {
  let removed: RemovedJobs = { jobs: 0, results: 0 };
  let working = results;
  let refusal: RedisError | undefined;
  const { age } = jobs;
  for (const { prefix, isOwn } of familiesOf(jobs)) {
    const startsOf = idStarts(prefix);
    const idsOf = (key: Buffer): readonly Buffer[] =>
      startsOf(key).map((start) => key.subarray(start));
    await sweep(redis, {
      match: patternOf(prefix),
      known: known?.batches(),
      choose: async (keys, session) => {
        const named = keys.filter(isOwn);
        const own = age === undefined ? named : await chooseByAge(named, age, session);
        // First: without the job nothing tells whose the results are.
        const elsewhere = (await working?.elsewhere?.(own.flatMap(idsOf))) ?? 0;
        removed = { ...removed, results: removed.results + elsewhere };
        return own;
      },
      companions: working && { starts: working.starts, skips: startsOf },
      companionsFailed(error) {
        working?.failed(error);
        working = undefined;
      },
      forbidden(_, error) {
        refusal ??= error;
      },
      companionsForbidden: (keys, error) => working?.forbidden(keys, error),
      onSwept(swept) {
        removed = {
          jobs: removed.jobs + swept.removed,
          results: removed.results + swept.companionsRemoved,
        };
        onProgress(removed, swept.keys);
      },
      pace,
      signal,
    });
  }
  if (refusal !== undefined) throw refusal;
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

/**
 * Removes every key that begins with `prefix`; how many.
 * @param known those keys, where a pass has found them.
 * @throws RedisError, or the signal's reason.
 */
export async function removeByPrefix(
  redis: RedisConnection,
  prefix: Buffer,
  pace: Pace,
  signal: AbortSignal,
  known?: KeyNames,
): Promise<number> {
  const isOurs = (key: Buffer): boolean => startsWith(key, prefix);
  return await removeMatching(redis, { match: patternOf(prefix), known }, isOurs, pace, signal);
}

/**
 * Removes every key that matches a pattern and may go; how many.
 * @param known at least those keys, where a pass has found them.
 * @throws RedisError, for keys that this user may not touch when the others have gone, or the signal's reason.
 */
export async function removeMatching(
  redis: RedisConnection,
  { match, known }: { readonly match: Buffer; readonly known?: KeyNames | undefined },
  mayGo: (key: Buffer) => boolean,
  pace: Pace,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  let refusal: RedisError | undefined;
  await sweep(redis, {
    match,
    known: known?.batches(),
    choose: (keys) => keys.filter(mayGo),
    companions: undefined,
    companionsFailed: () => undefined,
    companionsForbidden: () => undefined,
    forbidden(_, error) {
      refusal ??= error;
    },
    onSwept: (swept) => {
      removed += swept.removed;
    },
    pace,
    signal,
  });
  if (refusal !== undefined) throw refusal;
  return removed;
}
