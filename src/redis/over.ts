import type { RedisConnection, Session } from './connect.ts';

/**
 * Does something over outages that must not be sent twice unseen: work that had no answer is done
 * again, knowing that it may have been done.
 * @throws RedisError when the outage lasts.
 */
export async function over<T>(
  redis: Pick<RedisConnection, 'startRetries'>,
  work: (isRepeated: boolean, session: Session) => Promise<T>,
): Promise<T> {
  const retries = redis.startRetries();
  for (let isRepeated = false; ; isRepeated = true) {
    const session = await retries.session();
    try {
      return await work(isRepeated, session);
    } catch (error) {
      await retries.recover(error);
    }
  }
}
