import type { Session } from './connect.ts';
import type { CreatedAt } from './created-at.ts';
import { RedisError } from './errors.ts';

/** What `--older-than` asks of a job's value, and what it found. */
export interface JobAge {
  /** Jobs created before go, in milliseconds since 1970. */
  readonly before: number;
  /** Reads the time when a job was created out of its value. */
  readonly createdAt: (value: Buffer) => CreatedAt;
  readonly kept: KeptJobs;
}

/** Jobs that stay. */
export interface KeptJobs {
  young: number;
  /** No `created_at` in it, or no JSON string at all. */
  undated: number;
  /** What is there is no time. */
  broken: number;
  /** Old ones whose time names no zone: the config's was taken. */
  naive: number;
}

export function nothingKept(): KeptJobs {
  return { young: 0, undated: 0, broken: 0, naive: 0 };
}

const MOST_AT_ONCE = 250;
/** So that a reply stays small whatever the size of a job. */
const REPLY_BYTES = 512 * 1024;
const FIRST_AT_ONCE = 32;

/**
 * Those of the keys that hold a job old enough. A job whose age is not known stays.
 * @throws RedisError.
 */
export async function chooseByAge(
  keys: readonly Buffer[],
  age: JobAge,
  redis: Pick<Session, 'send' | 'isCluster'>,
): Promise<readonly Buffer[]> {
  const old: Buffer[] = [];
  let atOnce = FIRST_AT_ONCE;
  for (let start = 0; start < keys.length;) {
    const batch = keys.slice(start, start + atOnce);
    const values = await readValues(batch, redis);
    old.push(...batch.filter((_, index) => isOld(values[index] ?? null, age)));
    start += batch.length;
    const bytes = values.reduce((sum, value) => sum + (value?.length ?? 0), batch.length);
    const fitting = Math.floor((REPLY_BYTES * batch.length) / bytes);
    atOnce = Math.max(1, Math.min(MOST_AT_ONCE, fitting));
  }
  return old;
}

/** null: gone meanwhile, or no string. */
async function readValues(
  keys: readonly Buffer[],
  { send, isCluster }: Pick<Session, 'send' | 'isCluster'>,
): Promise<readonly (Buffer | null)[]> {
  if (!isCluster) return (await send('MGET', ...keys)) as readonly (Buffer | null)[];
  return await Promise.all(
    keys.map(async (key) => {
      try {
        return (await send('GET', key)) as Buffer | null;
      } catch (error) {
        if (error instanceof RedisError && error.code === 'WRONGTYPE') return null;
        throw error;
      }
    }),
  );
}

function isOld(value: Buffer | null, { before, createdAt, kept }: JobAge): boolean {
  const created: CreatedAt = value === null ? { is: 'missing' } : createdAt(value);
  if (created.is !== 'known') {
    if (created.is === 'missing') kept.undated += 1;
    else kept.broken += 1;
    return false;
  }
  if (created.time >= before) {
    kept.young += 1;
    return false;
  }
  if (created.naive) kept.naive += 1;
  return true;
}
