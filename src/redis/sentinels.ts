import type { Redis } from 'ioredis';
import { sentinelOptions } from './client.ts';
import { watchReplies } from './reply-watch.ts';
import { decodeFields } from './replies.ts';
import type { RedisTarget } from './target.ts';

/** What one sentinel says of the primary that it watches. */
export interface SentinelView {
  /** `ip:port` */
  readonly address: string;
  readonly runId: string;
  readonly isFailingOver: boolean;
}

/**
 * What the sentinels say now; those that do not answer are left out. They name the new primary before
 * the old one knows that it is none any more (sentinel.c `sentinelFailoverPromoteSlave`).
 */
export async function askSentinels(
  target: Extract<RedisTarget, { readonly kind: 'sentinel' }>,
): Promise<readonly SentinelView[]> {
  const { Redis: Client } = await import('./ioredis.ts');
  const views = await Promise.all(
    sentinelOptions(target).map(async (options) => {
      const sentinel = new Client(options);
      sentinel.on('error', () => undefined);
      watchReplies(sentinel);
      try {
        return await askOne(sentinel, target.name);
      } catch {
        return undefined;
      } finally {
        sentinel.disconnect();
      }
    }),
  );
  return views.filter((view) => view !== undefined);
}

async function askOne(sentinel: Redis, name: string): Promise<SentinelView> {
  await sentinel.connect();
  const flat = decodeFields('SENTINEL', await sentinel.callBuffer('SENTINEL', 'MASTER', name));
  const fields = new Map<string, string>();
  for (let index = 0; index + 1 < flat.length; index += 2) {
    fields.set(String(flat[index]), String(flat[index + 1]));
  }
  return {
    address: `${fields.get('ip') ?? ''}:${fields.get('port') ?? ''}`,
    runId: fields.get('runid') ?? '',
    isFailingOver: /failover_in_progress|o_down/.test(fields.get('flags') ?? ''),
  };
}
