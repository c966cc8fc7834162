import type { RedisConnection } from '../redis/connect.ts';
import { sampleFamilies } from '../redis/families.ts';
import { startsWith } from '../redis/scan.ts';
import { printable } from '../report/printable.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';

/** Warnings of plan and wipe, one sentence each with its remedy. */

export interface Warning {
  readonly text: string;
  /** A note is the normal case at times (a directory that does not exist yet): not for --quiet. */
  readonly weight: 'warning' | 'note';
}

export function warning(text: string): Warning {
  return { text, weight: 'warning' };
}

export function mountWarning(directory: string, mount: Buffer): string {
  return `${directory}/${printable(mount)} is a mount point: not entered, not removed; unmount it if it should go too`;
}

export function nfsWarning(directory: string, path: Buffer): string {
  return `${directory}/${printable(path)}: a deleted file, held by an NFS client: pending, gone when that closes it; restart it to free the space`;
}

export function strangeKeyWarning(label: string, key: Buffer, type: string): string {
  return `Redis ${label}: the key ${printable(key)} has the name of a queue but is a ${type}: left alone; look at it with redis-cli`;
}

export function sharedMessagesWarning(label: string, count: number): string {
  return `Redis ${label}: ${count} in-flight ${count === 1 ? 'message goes' : 'messages go'} back to queues of this service and of others: left alone; wipe them with the service that owns the other queue`;
}

/**
 * Loud when a prefix matched nothing while the database holds other keys: a wrong prefix once made
 * a wipe report success having removed nothing. What other configured services keep in the same
 * database, and Celery's own keys, explain themselves.
 * @throws RedisError.
 */
export async function nothingMatchedWarnings(
  redis: RedisConnection,
  service: OpenService,
): Promise<readonly string[]> {
  const keys = serviceKeys(service.config);
  const explained = [
    keys.broker.results,
    ...keys.queues.map(keys.broker.queue),
    ...service.neighbours.map((start) => Buffer.from(start)),
  ];
  const families = await sampleFamilies(
    redis,
    (key) =>
      keys.jobs.isProtected(key) ||
      key.includes('.reply.celery.pidbox') ||
      explained.some((start) => startsWith(key, start)),
  );
  if (families.length === 0) return [];
  const wanted = keys.jobs.prefixes.map((prefix) => `"${prefix}"`).join(' or ');
  const held = families
    .slice(0, 5)
    .map(({ prefix, count }) => `"${printable(Buffer.from(prefix))}" (${count})`)
    .join(', ');
  return [
    `Redis ${redis.label}: no key begins with ${wanted}, but the database holds others: ${held}; if the service has jobs, correct keyPrefix or the database number in the config`,
  ];
}
