import type { RedisConnection } from './connect.ts';

export interface Family {
  /** What the keys begin with, e.g. `job:`. */
  readonly prefix: string;
  readonly count: number;
}

/** Enough to name what a database holds; a look, not a count. */
const SAMPLE = 10_000;

/**
 * What the keys of a database begin with, most frequent first, for the case that a prefix matched
 * nothing while the database is not empty. Looks at about 10 000 keys at the most.
 * @param skip keys that are no candidates, e.g. Celery's own.
 * @throws RedisError.
 */
export async function sampleFamilies(
  redis: RedisConnection,
  skip: (key: Buffer) => boolean,
): Promise<readonly Family[]> {
  const counts = new Map<string, number>();
  let seen = 0;
  for (const send of redis.primaries()) {
    let cursor = '0';
    do {
      const [next, keys] = (await send('SCAN', cursor, 'COUNT', 1000)) as unknown as readonly [
        Buffer,
        readonly Buffer[],
      ];
      for (const key of keys) {
        seen += 1;
        if (skip(key)) continue;
        const family = familyOf(key);
        counts.set(family, (counts.get(family) ?? 0) + 1);
      }
      cursor = next.toString();
    } while (cursor !== '0' && seen < SAMPLE);
  }
  return [...counts]
    .map(([prefix, count]) => ({ prefix, count }))
    .toSorted((a, b) => b.count - a.count);
}

/** Up to the first separator that something follows; a key without one is its own family. */
export function familyOf(key: Buffer): string {
  const text = key.toString();
  return /^[^:/|.]{1,64}[:/|.](?=.)/s.exec(text)?.[0] ?? text.slice(0, 64);
}
