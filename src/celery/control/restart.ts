import type { Mailbox } from '../mailbox.ts';
import type { Worker } from '../workers.ts';

/** What a worker said of itself before it was told to shut down. */
export type Identity = Pick<Worker, 'name' | 'copies' | 'pid' | 'uptime'>;

/**
 * Tells these workers, and no others, to shut down warmly: each ends what it runs, gives back to the
 * queues what it has not begun, and ends. Nobody replies (celery/worker/control.py `shutdown`).
 * @throws RedisError.
 */
export async function tellToShutDown(mailbox: Mailbox, workers: readonly string[]): Promise<void> {
  await mailbox.send('shutdown', {}, workers);
}

/**
 * Whether a worker that answers is another process than the one that was told: one in a container may
 * have the same pid, and then its uptime is shorter than the time since.
 * @param elapsed milliseconds since it was told.
 */
export function isRestarted(before: Identity, now: Identity, elapsed: number): boolean {
  if (now.copies < before.copies) return false;
  if (now.pid !== undefined && before.pid !== undefined && now.pid !== before.pid) return true;
  return now.uptime !== undefined && now.uptime < Math.floor(elapsed / 1000);
}
