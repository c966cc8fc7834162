import type { Redis } from 'ioredis';

/**
 * Ends a connection on which a reply does not come, or comes so slowly that it is no reply. Any byte
 * would do for a timeout of silence: a server that sends one a second holds a run for ever.
 */

/** How long a server may compute, and a network be gone, before its connection is given up. */
const WINDOW_MS = 4_000;
/**
 * In each window the reply that is awaited must be complete, or bring so much: 1 kB/s. That is a
 * twentieth of a slow mobile link, so that a large reply over such a link has all the time it takes.
 */
const LEAST_BYTES = 4_000;
const LOOK_EVERY_MS = 250;

/** @param redis one server's client, not yet connected; watched until it has ended. */
export function watchReplies(redis: Redis): void {
  let awaited: unknown;
  let bytes = 0;
  let since = 0;
  let looked = performance.now();
  const look = (): void => {
    const now = performance.now();
    // The process itself was held up: what has come meanwhile is read after the timers.
    const isLate = now - looked > 4 * LOOK_EVERY_MS;
    looked = now;
    // Replies come in the order of the commands: a new one in front means that one is complete.
    const first = redis.commandQueue.peekFront();
    const read = bytesRead(redis);
    if (first === undefined || first !== awaited || isLate || read - bytes >= LEAST_BYTES) {
      awaited = first;
      bytes = read;
      since = now;
    } else if (now - since >= WINDOW_MS) {
      redis.stream.destroy(new Error('Socket timeout'));
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  redis.once('end', () => {
    clearInterval(timer);
  });
}

/** Before it connects it has no stream, whatever the type says. */
function bytesRead(redis: Redis): number {
  const { stream } = redis as { readonly stream?: { readonly bytesRead?: number } };
  return stream?.bytesRead ?? 0;
}
