/** By what a server is known again that is reached by another address. */
import { randomUUID } from 'node:crypto';
import type { RedisConnection, RedisNode } from './connect.ts';
import { isRefused, RedisError } from './errors.ts';
import { infoFields } from './info.ts';
import { over } from './over.ts';

/** So long the key lives where it could not be removed. */
const NONCE_MS = 10_000;
/** The names of our locks begin so: a user who may lock may write this key too. */
const NONCE = 'media-cleanup:lock:nonce-';

export interface ServerIds {
  /** Undefined when a server does not tell, or this user may not ask. */
  readonly ids: readonly string[] | undefined;
  /** The primary of a replica that has no link to it now: it will have that one's data. */
  readonly awaits: { readonly host: string; readonly port: number } | undefined;
}

/**
 * The `run_id` of each primary, and the `master_replid` that it shares with its replicas: the same
 * data. A replica has the latter from its first synchronization on.
 * @throws RedisError when no server answers.
 */
export async function readServerIds(redis: RedisConnection): Promise<ServerIds> {
  return await over(redis, async (_, { nodes }) => {
    const all = await Promise.all(nodes.map(idsOf));
    const isSilent = all.length === 0 || all.some(({ ids }) => ids.length === 0);
    return {
      ids: isSilent ? undefined : all.flatMap(({ ids }) => ids),
      awaits: all.find(({ awaits }) => awaits !== undefined)?.awaits,
    };
  });
}

/** No ids where INFO is not permitted or not known. */
async function idsOf(
  node: RedisNode,
): Promise<{ readonly ids: readonly string[]; readonly awaits: ServerIds['awaits'] }> {
  try {
    const fields = infoFields(String(await node.send('INFO')));
    const { role, master_host: host, master_port: port, master_link_status: link } = fields;
    const isWaiting = role === 'slave' && link !== 'up' && host !== undefined;
    return {
      ids: [fields['run_id'], fields['master_replid']].filter(isId),
      awaits: isWaiting ? { host, port: Number(port) } : undefined,
    };
  } catch (error) {
    if (isRefused(error) || (error instanceof RedisError && error.code === 'ERR')) {
      return { ids: [], awaits: undefined };
    }
    throw error;
  }
}

/** Forty hexadecimal digits; a server without a replication id answers zeros. */
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
