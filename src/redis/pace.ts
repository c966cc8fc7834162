import { setTimeout as sleep } from 'node:timers/promises';

/** Holds removals down to so many keys a second, over all that share it. */
export interface Pace {
  /** The most keys that one command should name. */
  readonly batch: number;
  /** Waits until `count` more keys may go. @throws the signal's reason. */
  take(count: number, signal: AbortSignal): Promise<void>;
}

export const FULL_PACE: Pace = { batch: Infinity, take: async () => Promise.resolve() };

/** So many batches a second: in between others have the server. */
const BATCHES_A_SECOND = 20;

/** @param rate keys a second. */
export function createPace(rate: number): Pace {
  let free = 0;
  return {
    batch: Math.max(1, Math.ceil(rate / BATCHES_A_SECOND)),
    async take(count, signal) {
      const now = performance.now();
      const turn = Math.max(now, free);
      free = turn + (count / rate) * 1000;
      if (turn > now) await sleep(turn - now, undefined, { signal }).catch(() => undefined);
      signal.throwIfAborted();
    },
  };
}
