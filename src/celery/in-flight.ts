import { createCursorCheck } from '../redis/cursor-check.ts';
import { isRefused } from '../redis/errors.ts';
import type { RedisError } from '../redis/errors.ts';
import { over } from '../redis/over.ts';
import { refusesTransaction } from '../redis/wire.ts';
import type { RedisConnection } from '../redis/connect.ts';
import type { BrokerKeys } from './keys.ts';
import { lacksText, parseUnacked } from './message.ts';
import type { MessageIds } from './queue.ts';
import { createEntryScan } from './read-messages.ts';
import { createRouter } from './routes.ts';
import { ownership, sharedWith } from './scope.ts';
import type { QueueScope, Shared } from './scope.ts';

/** Messages handed to workers and not acknowledged, of one set of queues. */
export interface InFlight extends MessageIds {
  readonly deliveryTags: readonly Buffer[];
  /** Entries that go back to one of these queues and to one outside the run: not among the others. */
  readonly shared: readonly Shared[];
  /** Entries too large to be read: whose they are is not known. Not among the others. */
  readonly unread: number;
}

/**
 * The entries of `unacked` that belong to the service of a scope, batch by batch. The hash is
 * shared by every app in the database; countdown and ETA tasks wait there as well.
 * @throws RedisError, or the signal's reason between two batches.
 */
export async function* scanInFlight(
  broker: RedisConnection,
  scope: QueueScope,
  names: BrokerKeys,
  signal: AbortSignal,
): AsyncGenerator<InFlight> {
  const router = createRouter(broker, names, scope.own);
  const check = createCursorCheck('HSCAN');
  const scan = createEntryScan(broker, names.unacked);
  let cursor = '0';
  do {
    signal.throwIfAborted();
    const [next, flat] = await scan(cursor);
    const deliveryTags: Buffer[] = [];
    const taskIds: string[] = [];
    const groupIds = new Set<string>();
    const shared: Shared[] = [];
    let hidden = 0;
    let strange = 0;
    let unread = 0;
    for (let index = 0; index + 1 < flat.length; index += 2) {
      const bytes = flat[index + 1] as Buffer;
      const entry = parseUnacked(bytes);
      if (entry === undefined) {
        // What is no entry of kombu goes back to no queue.
        if (lacksText(bytes)) unread += 1;
        continue;
      }
      const goesTo = await router.queuesOf(entry.exchange, entry.routingKey);
      const whose = ownership(goesTo, scope);
      if (whose === 'shared') shared.push(sharedWith(entry.exchange, goesTo, scope));
      if (whose !== 'own') continue;
      deliveryTags.push(flat[index] as Buffer);
      if (entry.hidesIds) hidden += 1;
      else if (entry.taskId === undefined) strange += 1;
      if (entry.taskId !== undefined) taskIds.push(entry.taskId);
      if (entry.groupId !== undefined) groupIds.add(entry.groupId);
    }
    if (deliveryTags.length + shared.length + unread > 0) {
      yield { deliveryTags, taskIds, groupIds: [...groupIds], hidden, strange, shared, unread };
    }
    cursor = next.toString();
    if (cursor !== '0') check(next);
  } while (cursor !== '0');
}

/**
 * Removes entries from `unacked`, and their tags from `unacked_index`, so that no worker restores one of
 * them: kombu pushes nothing back when the hash field is gone (`restore_by_tag`). In one transaction, or
 * where Redis refuses that, the index last: a tag alone brings nothing back.
 * @param indexRefused gets the refusal when this user may not touch the index; the entries are gone then.
 * @returns the number of messages that Redis removed; when the answer is lost, all of them count:
 *   they were there, and are gone after the second time.
 * @throws RedisError.
 */
export async function removeInFlight(
  broker: RedisConnection,
  deliveryTags: readonly Buffer[],
  names: BrokerKeys,
  indexRefused: (refusal: RedisError) => void,
): Promise<number> {
  const ofHash = ['HDEL', names.unacked, ...deliveryTags] as const;
  const ofIndex = ['ZREM', names.unackedIndex, ...deliveryTags] as const;
  return await over(broker, async (isRepeated, session) => {
    try {
      const [removed] = await broker.transaction([ofHash, ofIndex]);
      return isRepeated ? deliveryTags.length : removed;
    } catch (error) {
      if (!refusesTransaction(error)) throw error;
    }
    const removed = await session.send(...ofHash);
    try {
      await session.send(...ofIndex);
    } catch (error) {
      if (!isRefused(error)) throw error;
      indexRefused(error);
    }
    return isRepeated ? deliveryTags.length : removed;
  });
}
