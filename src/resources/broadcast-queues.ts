/**
 * Lists of Celery's Broadcast (kombu/common.py): each worker declares a queue of its own for messages to
 * all workers, and a list of it appears when a worker gives back what it had not acknowledged. Nobody
 * consumes the one of a worker that is gone. Reads only.
 */
import { peekQueue } from '../celery/queue.ts';
import type { Finding } from '../model/finding.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { printable } from '../report/printable.ts';
import { counted } from '../report/text.ts';
import type { KnownFamily } from './key-families.ts';
import { BROADCAST } from './other-programs.ts';

/** Messages of each list that are compared with the ids of the jobs. */
const MOST_MESSAGES = 100;

/**
 * What waits in such lists of a database; undefined: there is none.
 * @param jobIds ids of jobs of the service, removed or there.
 * @throws RedisError.
 */
export async function broadcastQueues(
  redis: RedisConnection,
  service: string,
  families: readonly KnownFamily[],
  jobIds: ReadonlySet<string>,
): Promise<Finding | undefined> {
  const lists = families.filter(
    ({ whose, types }) => whose === BROADCAST && types.includes('list'),
  );
  const keys = lists.flatMap(({ samples }) => samples);
  if (keys.length === 0) return undefined;
  const taskIds: string[] = [];
  for (const key of keys) taskIds.push(...(await peekQueue(redis, key, MOST_MESSAGES)).taskIds);
  const isOwn = taskIds.some((id) => jobIds.has(id));
  const count = lists.reduce((sum, family) => sum + family.count, 0);
  const names = keys.map(printable);
  const more = count > names.length ? ` and ${count - names.length} more` : '';
  return {
    code: 'EBROADCAST',
    severity: isOwn ? 'problem' : 'warning',
    target: 'Celery',
    item: `${redis.label} (queue)`,
    reason: `${counted(count, 'queue')} of Celery's Broadcast (${names.join(', ')}${more}) with messages to one worker each${isOwn ? ', with ids of jobs of this service' : ''}: left alone`,
    hint: `when that worker is gone nobody takes them: redis-cli UNLINK ${names.join(' ')}; if they are another program's, in the config, services.${service}: "foreignKeyPrefixes": ["bcast."]`,
  };
}
