import { refusesKey } from './errors.ts';
import type { RedisError } from './errors.ts';

/** What a command over several keys did where some of them are not for this user. */
export interface AllowedKeys {
  /** The sum of the replies. */
  readonly sum: number;
  /** Keys that this user may not touch, and what Redis said of the first. */
  readonly refused: readonly Buffer[];
  readonly refusal: RedisError | undefined;
}

/**
 * Redis refuses a command as a whole for one forbidden key: then each key is asked for alone, so that
 * the others are dealt with.
 * @throws RedisError for anything but a forbidden key.
 */
export async function eachAllowed(
  keys: readonly Buffer[],
  send: (keys: readonly Buffer[]) => Promise<number>,
): Promise<AllowedKeys> {
  try {
    return { sum: await send(keys), refused: [], refusal: undefined };
  } catch (error) {
    if (!refusesKey(error)) throw error;
    if (keys.length === 1) return { sum: 0, refused: keys, refusal: error };
    return await eachAlone(keys, send);
  }
}

/** Every key in a command of its own. @throws RedisError for anything but a forbidden key. */
export async function eachAlone(
  keys: readonly Buffer[],
  send: (keys: readonly Buffer[]) => Promise<number>,
): Promise<AllowedKeys> {
  const replies = await Promise.allSettled(keys.map(async (key) => send([key])));
  let sum = 0;
  const refused: Buffer[] = [];
  let refusal: RedisError | undefined;
  for (const [index, reply] of replies.entries()) {
    if (reply.status === 'fulfilled') sum += reply.value;
    else if (refusesKey(reply.reason)) {
      refused.push(keys[index] as Buffer);
      refusal ??= reply.reason;
    } else throw reply.reason;
  }
  return { sum, refused, refusal };
}
