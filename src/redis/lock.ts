import type { RedisConnection } from './connect.ts';
import { isRefused, permitted, RedisError } from './errors.ts';
import { unexpectedReply } from './replies.ts';
import type { ReplyTo } from './replies.ts';
import { refusesTransaction } from './wire.ts';
import type { CommandLine } from './wire.ts';

/**
 * A lock that every host over one Redis sees: a key with an owner's token in it that expires unless
 * it is renewed (https://redis.io/docs/latest/develop/use/patterns/distributed-locks/, the pattern
 * for a single instance). Scripts compare and change in one go. Where scripts are not permitted it
 * is compared first: then renewing cannot take it from another owner either, and a transaction that
 * watches the key does the rest; a cluster without scripts leaves it to the expiry. Without transactions
 * too, it is released while it lives on for long, and a dead owner's is waited for.
 */

/** So long after its last renewal a dead owner keeps others away. */
export const EXPIRY_MS = 30_000;
export const RENEWAL_MS = 8_000;
const MOST_ATTEMPTS = 20;

export interface RedisLock {
  readonly key: string;
  /** JSON that names the owner and contains a token that nobody else has. */
  readonly value: string;
}

/** @returns what another owner wrote into it; undefined: it is ours. @throws RedisError. */
export async function acquireLock(
  redis: RedisConnection,
  { key, value }: RedisLock,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const set = await setOrRefusal(redis, { key, value });
    if (Buffer.isBuffer(set)) return undefined;
    const found = await ownerOf(redis, key);
    // An answer that was lost on the way was ours.
    if (found !== null) return text(found) === value ? undefined : text(found);
    if (set !== null) throw set;
    // It expired between the two; a server on which it always does has no such key.
    if (attempt === MOST_ATTEMPTS) throw unexpectedReply('SET', set, 'OK');
  }
}

/** @returns why the server stores nothing now: it says so before it says that another owner has the lock. */
async function setOrRefusal(
  redis: RedisConnection,
  { key, value }: RedisLock,
): Promise<Buffer | RedisError | null> {
  try {
    return await redis.send('SET', key, value, 'NX', 'PX', EXPIRY_MS);
  } catch (error) {
    if (!(error instanceof RedisError) || !STORES_NOTHING.has(error.code)) throw error;
    return error;
  }
}

const STORES_NOTHING = new Set(['OOM', 'MISCONF', 'NOREPLICAS']);

/** Somebody has it: whoever may not read who, or finds no text there, knows that much. */
async function ownerOf(redis: RedisConnection, key: string): Promise<Buffer | null> {
  try {
    return await redis.send('GET', key);
  } catch (error) {
    if (isRefused(error) || (error instanceof RedisError && error.code === 'WRONGTYPE')) {
      return Buffer.from('?');
    }
    throw error;
  }
}

/** Takes the place of an owner that is known to be dead. @returns whether it was still its. */
export async function replaceOwner(
  redis: RedisConnection,
  { key, value }: RedisLock,
  dead: string,
): Promise<boolean> {
  const script =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end return false";
  const done = await scripted(redis, script, key, dead, value, EXPIRY_MS);
  if (done !== 'no scripts') return done !== null;
  return await changeWatched(redis, key, dead, ['SET', key, value, 'PX', EXPIRY_MS]);
}

/** @returns whether it is still ours. @throws RedisError. */
export async function renewLock(
  redis: RedisConnection,
  { key, value }: RedisLock,
): Promise<boolean> {
  const script =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";
  const done = await scripted(redis, script, key, value, EXPIRY_MS);
  if (done !== 'no scripts') {
    if (done === 1) return true;
  } else if (text(await redis.send('GET', key)) === value) {
    // Were it another's by now, it would only live longer.
    return (await redis.send('PEXPIRE', key, EXPIRY_MS)) === 1;
  }
  // A Redis that was started anew without its data has nobody's.
  return (await acquireLock(redis, { key, value })) === undefined;
}

/** @throws RedisError; then it expires. */
export async function releaseLock(
  redis: RedisConnection,
  { key, value }: RedisLock,
): Promise<void> {
  const script =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], 0) end return 0";
  // After a failover the old primary takes commands for a while, and the lock stays on the new one.
  await redis.confirmPrimary().catch(() => undefined);
  // It goes at once, and asks for no permission that renewing it does not need.
  const done = await scripted(redis, script, key, value);
  if (done !== 'no scripts') return;
  try {
    await changeWatched(redis, key, value, ['PEXPIRE', key, 0]);
  } catch (error) {
    if (!refusesTransaction(error) && !isRefused(error)) throw error;
    await releaseUnwatched(redis, { key, value });
  }
}

/** A lock that lives on for long enough cannot become another owner's between the two commands. */
async function releaseUnwatched(redis: RedisConnection, { key, value }: RedisLock): Promise<void> {
  await permitted(redis.send('UNWATCH'));
  const left = await redis.send('PTTL', key);
  if (left < EXPIRY_MS / 2 || text(await redis.send('GET', key)) !== value) return;
  await redis.send('PEXPIRE', key, 0);
}

/** For a connection on which nobody else asks anything meanwhile: one WATCH is for all of it. */
async function changeWatched(
  redis: RedisConnection,
  key: string,
  expected: string,
  command: CommandLine,
): Promise<boolean> {
  if (redis.isCluster) return false;
  await redis.send('WATCH', key);
  if (text(await redis.send('GET', key)) === expected) {
    try {
      await redis.transaction([command]);
    } catch (error) {
      // Somebody was faster.
      if (error instanceof RedisError && error.code === 'EXECABORT') return false;
      throw error;
    }
    return true;
  }
  await permitted(redis.send('UNWATCH'));
  return false;
}

async function scripted(
  redis: RedisConnection,
  script: string,
  key: string,
  ...args: readonly (string | number)[]
): Promise<ReplyTo<'EVAL'> | 'no scripts'> {
  try {
    return await redis.send('EVAL', script, 1, key, ...args);
  } catch (error) {
    if (isRefused(error) || (error instanceof RedisError && error.code === 'ERR'))
      return 'no scripts';
    throw error;
  }
}

function text(reply: Buffer | null): string {
  return reply?.toString() ?? '';
}
