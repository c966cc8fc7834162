import { setMaxListeners } from 'node:events';
import { RedisError } from './errors.ts';

/** How long a reply may take after a signal: what is at hand is finished, and a hung server is left. */
const LAST_REPLY_MS = 700;
const LOOK_EVERY_MS = 100;

/** The replies that a connection waits for. */
export interface PendingReplies {
  /** The reply, unless the signal comes and the reply does not come soon after. */
  readonly await: <T>(reply: Promise<T>) => Promise<T>;
  /** Milliseconds that the oldest of them is waited for; 0: none. */
  readonly oldest: () => number;
  /** When the connection has ended. */
  readonly close: () => void;
}

interface Pending {
  readonly since: number;
  readonly reject: (error: RedisError) => void;
}

/**
 * @param abandon closes the connection: after a reply that nobody waits for, the replies to later
 *   commands would be taken for those to earlier ones.
 */
export function pendingReplies(
  signal: AbortSignal,
  abandon: (cause: RedisError) => void,
): PendingReplies {
  // In the order in which they were sent.
  const pending = new Set<Pending>();
  let timer: NodeJS.Timeout | undefined;
  let stoppedAt = 0;
  const look = (): void => {
    const [oldest] = pending;
    if (oldest === undefined) return;
    if (performance.now() - Math.max(oldest.since, stoppedAt) < LAST_REPLY_MS) return;
    const error = new RedisError(
      'ETIMEDOUT',
      'No answer when the run was stopped',
      'look whether Redis hangs (redis-cli ping), and run again',
    );
    abandon(error);
    for (const { reject } of pending) reject(error);
    pending.clear();
  };
  const stop = (): void => {
    stoppedAt = performance.now();
    timer = setInterval(look, LOOK_EVERY_MS).unref();
  };
  // One for each connection; Node.js would take more than ten for a leak.
  setMaxListeners(0, signal);
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return {
    async await<T>(reply: Promise<T>): Promise<T> {
      return await new Promise<T>((resolve, reject) => {
        const one = { since: performance.now(), reject };
        pending.add(one);
        reply.then(resolve, reject).finally(() => pending.delete(one));
      });
    },
    oldest() {
      const [first] = pending;
      return first === undefined ? 0 : performance.now() - first.since;
    },
    close() {
      signal.removeEventListener('abort', stop);
      clearInterval(timer);
    },
  };
}

/** Something that hears no signal, given up when it comes. @throws the signal's reason. */
export async function untilStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => undefined;
  setMaxListeners(0, signal);
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
