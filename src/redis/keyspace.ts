import type { RedisConnection } from './connect.ts';
import { permitted } from './errors.ts';
import { infoFields } from './info.ts';

/**
 * How many keys each database of a server holds, by its number (`INFO keyspace`); databases without
 * keys are not among them. Undefined: this user may not ask. @throws RedisError.
 */
export async function readKeyspace(
  redis: RedisConnection,
): Promise<ReadonlyMap<number, number> | undefined> {
  const reply = await permitted(redis.send('INFO', 'keyspace'));
  if (reply === undefined) return undefined;
  const found = new Map<number, number>();
  for (const [name, value] of Object.entries(infoFields(String(reply)))) {
    const [, db] = /^db(\d+)$/.exec(name) ?? [];
    const [, keys] = /(?:^|,)keys=(\d+)/.exec(value ?? '') ?? [];
    if (db !== undefined && keys !== undefined) found.set(Number(db), Number(keys));
  }
  return found;
}
