import { LARGEST_REPLY } from './byte-batch.ts';
import type { Session } from './connect.ts';
import type { CreatedAt } from './created-at.ts';
import { RedisError, refusesKey } from './errors.ts';
import { createFieldReader } from './top-level-field.ts';

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
  /** No `created_at` in it, no JSON string at all, or not for this user to read. */
  undated: number;
  /** What is there is no time. */
  broken: number;
  /** Old ones whose time names no zone: the config's was taken. */
  naive: number;
}

export function nothingKept(): KeptJobs {
  return { young: 0, undated: 0, broken: 0, naive: 0 };
}

/** Sizes that are asked for at once. */
const MOST_AT_ONCE = 250;
/** Of a larger value only as much is read as has its date. */
const LARGEST_WHOLE = 256 * 1024;
/** Services write the date early, or last. */
const FIRST_PIECE = 64 * 1024;
/** A value that is written anew while it is read is read so often. */
const MOST_READINGS = 3;
const FIELD = 'created_at';

type Reader = Pick<Session, 'send' | 'isCluster'>;

/** A value of which the JSON is its date alone. */
const UNREADABLE = Buffer.from('');

/**
 * Those of the keys that hold a job old enough. A job whose age is not known stays. Values are read
 * by their sizes: no command moves more than 1 MB, whatever the size of a job.
 * @throws RedisError.
 */
export async function chooseByAge(
  keys: readonly Buffer[],
  age: JobAge,
  redis: Reader,
): Promise<readonly Buffer[]> {
  const old: Buffer[] = [];
  // Of all keys or of none: after an outage they are asked for again.
  const kept = nothingKept();
  for (let start = 0; start < keys.length; start += MOST_AT_ONCE) {
    const asked = keys.slice(start, start + MOST_AT_ONCE);
    const sizes = await Promise.all(asked.map(async (key) => sizeOf(key, redis)));
    for (const batch of bySize(asked, sizes)) {
      const values = await readValues(batch, redis);
      old.push(...batch.keys.filter((_, index) => isOld(values[index] ?? null, age, kept)));
    }
  }
  for (const name of Object.keys(kept) as (keyof KeptJobs)[]) age.kept[name] += kept[name];
  return old;
}

interface Batch {
  readonly keys: readonly Buffer[];
  /** Of a single value that is too large to be read whole. */
  readonly size: number | undefined;
}

/** @param sizes undefined: no string, and no value is read. */
function* bySize(
  keys: readonly Buffer[],
  sizes: readonly (number | undefined)[],
): Generator<Batch> {
  let small: Buffer[] = [];
  let bytes = 0;
  for (const [index, key] of keys.entries()) {
    const size = sizes[index] ?? 0;
    if (size > LARGEST_WHOLE) {
      yield { keys: [key], size };
      continue;
    }
    if (bytes + size > LARGEST_REPLY) {
      yield { keys: small, size: undefined };
      small = [];
      bytes = 0;
    }
    small.push(key);
    bytes += size;
  }
  if (small.length > 0) yield { keys: small, size: undefined };
}

/** Bytes of a string, 0 when it is gone; undefined for another type. */
async function sizeOf(key: Buffer, { send }: Reader): Promise<number | undefined> {
  return await stringOrNothing(send('STRLEN', key));
}

async function stringOrNothing<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof RedisError && error.code === 'WRONGTYPE') return undefined;
    // Its age is not known, so it stays; the other jobs do not.
    if (refusesKey(error)) return undefined;
    throw error;
  }
}

/** null: gone meanwhile, or no string. Of a large value only its date, as JSON. */
async function readValues(
  { keys, size }: Batch,
  redis: Reader,
): Promise<readonly (Buffer | null)[]> {
  const [first] = keys;
  if (size !== undefined && first !== undefined) return [await readLarge(first, size, redis)];
  if (!redis.isCluster) {
    try {
      return await redis.send('MGET', ...keys);
    } catch (error) {
      if (!refusesKey(error)) throw error;
    }
  }
  return await Promise.all(
    keys.map(async (key) => (await stringOrNothing(redis.send('GET', key))) ?? null),
  );
}

async function readLarge(key: Buffer, size: number, redis: Reader): Promise<Buffer | null> {
  let expected = size;
  for (let reading = 0; reading < MOST_READINGS; reading += 1) {
    const date = await readDate(key, expected, redis);
    const now = await sizeOf(key, redis);
    if (now === undefined || now === 0) return null;
    // Pieces of two values are none.
    if (now === expected) return date;
    expected = now;
  }
  return UNREADABLE;
}

/**
 * The date of a large value, read in pieces up to where it stands. Since the rest is not read then,
 * its end tells whether it is whole, and has no second date.
 */
async function readDate(key: Buffer, size: number, { send }: Reader): Promise<Buffer> {
  const reader = createFieldReader(FIELD);
  const piece = async (from: number, length: number): Promise<Buffer> => {
    const bytes = await stringOrNothing(send('GETRANGE', key, from, from + length - 1));
    return bytes ?? UNREADABLE;
  };
  const [head, end] = await Promise.all([
    piece(0, FIRST_PIECE),
    piece(size - FIRST_PIECE, FIRST_PIECE),
  ]);
  reader.write(head);
  const isPlain = !end.includes(FIELD) && end.toString('latin1').trimEnd().endsWith('}');
  for (let at = FIRST_PIECE; at < size; at += LARGEST_REPLY) {
    const { state, value } = reader.found();
    if (state === 'broken' || (isPlain && value !== undefined)) break;
    const bytes = await piece(at, Math.min(LARGEST_REPLY, size - at));
    // Shorter than it was.
    if (bytes.length === 0) break;
    reader.write(bytes);
  }
  const { state, value } = reader.found();
  const isKnown = state === 'ended' || (state === 'open' && isPlain && value !== undefined);
  if (!isKnown) return UNREADABLE;
  return Buffer.from(value === undefined ? '{}' : `{"${FIELD}":${value}}`);
}

function isOld(
  value: Buffer | null,
  { before, createdAt }: Pick<JobAge, 'before' | 'createdAt'>,
  kept: KeptJobs,
): boolean {
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
