import type { RedisConnection, Reply } from './connect.ts';

const COUNT = 1000;

/**
 * All keys that begin with `prefix`, literally, in batches, as bytes, from every primary. A key that
 * is there from start to end comes at least once; one that comes and goes may be missed or come
 * twice (SCAN, redis.io/commands/scan): count what UNLINK returns. The next batch is asked for
 * before the one at hand is used, so that the server does not wait for us.
 * @throws RedisError.
 */
export async function* scanKeys(
  redis: RedisConnection,
  prefix: Buffer,
  signal: AbortSignal,
): AsyncGenerator<readonly Buffer[]> {
  const match = Buffer.concat([escapeGlob(prefix), Buffer.from('*')]);
  for (const send of redis.primaries()) {
    const fetch = (cursor: Buffer | string): Promise<Reply> => {
      const reply = send('SCAN', cursor, 'MATCH', match, 'COUNT', COUNT);
      // A rejection while nobody waits for it is seen at the next turn, or not wanted any more.
      reply.catch(() => undefined);
      return reply;
    };
    signal.throwIfAborted();
    let pending: Promise<Reply> | undefined = fetch('0');
    while (pending !== undefined) {
      signal.throwIfAborted();
      const [cursor, keys] = (await pending) as unknown as readonly [Buffer, readonly Buffer[]];
      pending = cursor.toString() === '0' ? undefined : fetch(cursor);
      const own = keys.filter((key) => startsWith(key, prefix));
      if (own.length > 0) yield own;
    }
  }
}

export function startsWith(key: Buffer, prefix: Buffer): boolean {
  return key.length >= prefix.length && key.subarray(0, prefix.length).equals(prefix);
}

/** Glob characters of MATCH (`stringmatchlen` in Redis' util.c) taken literally; works on bytes. */
export function escapeGlob(literal: Buffer): Buffer {
  const bytes: number[] = [];
  for (const byte of literal) {
    if ('*?[]\\^'.includes(String.fromCharCode(byte))) bytes.push(0x5c);
    bytes.push(byte);
  }
  return Buffer.from(bytes);
}
