import type { RedisConnection } from './connect.ts';
import { RedisError, refusesCommand } from './errors.ts';

/**
 * Whether a key is a list: TYPE, and where the server refuses that command, whether LLEN works on it.
 * @returns what TYPE says; without TYPE `list`, `none`, or `no list`. @throws RedisError.
 */
export async function typeOf(redis: Pick<RedisConnection, 'send'>, key: Buffer): Promise<string> {
  try {
    return String(await redis.send('TYPE', key));
  } catch (error) {
    if (!refusesCommand(error)) throw error;
    return await typeByLength(redis, key, error);
  }
}

async function typeByLength(
  redis: Pick<RedisConnection, 'send'>,
  key: Buffer,
  refusal: RedisError,
): Promise<string> {
  try {
    // An empty list is no key.
    return (await redis.send('LLEN', key)) === 0 ? 'none' : 'list';
  } catch (error) {
    if (error instanceof RedisError && error.code === 'WRONGTYPE') return 'no list';
    throw refusesCommand(error) ? refusal : error;
  }
}
