/** By what a server is known again that is reached by another address. */
import { randomUUID } from 'node:crypto';
import type { RedisConnection, RedisNode } from './connect.ts';
import { RedisError } from './errors.ts';
import { infoFields } from './info.ts';
import { over } from './over.ts';

/** So long the key lives where it could not be removed. */
const NONCE_MS = 10_000;
/** The names of our locks begin so: a user who may lock may write this key too. */
const NONCE = 'media-cleanup:lock:nonce-';

/**
 * The `run_id` of each primary, and the `master_replid` that it shares with its replicas: the same
 * data. Undefined when one of them does not tell, or this user may not ask.
 * @throws RedisError when nobody answers.
 */
export async function readServerIds(
  redis: RedisConnection,
): Promise<readonly string[] | undefined> {
  return await over(redis, async (_, { nodes }) => {
    const ids = await Promise.all(nodes.map(idsOf));
    return ids.length === 0 || ids.some((one) => one.length === 0) ? undefined : ids.flat();
  });
}

/** Empty where INFO is not permitted or not known. */
async function idsOf(node: RedisNode): Promise<readonly string[]> {
  try {
    const fields = infoFields(String(await node.send('INFO')));
    return [fields['run_id'], fields['master_replid']].filter(isId);
  } catch (error) {
    if (error instanceof RedisError && /^(NOPERM|ERR)$/.test(error.code)) return [];
    throw error;
  }
}

/** Forty hexadecimal digits; those of who has none are zeros. */
function isId(text: string | undefined): text is string {
  return text !== undefined && /^[0-9a-f]{16,}$/i.test(text) && !/^0+$/.test(text);
}

/**
 * Whether a key that is written on one connection is there on the other. It is removed at once, and
 * expires if not.
 * @throws RedisError when one of the two may not.
 */
export async function holdSameKeys(one: RedisConnection, other: RedisConnection): Promise<boolean> {
  const key = NONCE + randomUUID();
  await one.send('SET', key, '1', 'PX', NONCE_MS);
  try {
    return (await other.send('GET', key)) !== null;
  } finally {
    await one.unlink([Buffer.from(key)]).catch(() => undefined);
  }
}
