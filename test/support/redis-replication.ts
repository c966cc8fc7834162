import type { TestRedis } from './redis.ts';
import { until } from './until.ts';

/**
 * Resolves when these replicas have everything that the primary has now. (WAIT would only speak of
 * the writes of its own connection.)
 */
export async function inSync(primary: TestRedis, replicas: readonly TestRedis[]): Promise<void> {
  const offset = Number(replication(primary, 'master_repl_offset'));
  await until('the replicas have everything', () =>
    replicas.every(
      (replica) =>
        replication(replica, 'master_link_status') === 'up' &&
        Number(replication(replica, 'slave_repl_offset')) >= offset,
    ),
  );
}

function replication(redis: TestRedis, field: string): string | undefined {
  return new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(redis.cli('INFO', 'replication'))?.[1];
}
