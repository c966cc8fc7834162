/**
 * How many keys a command may name, learned from how long the server takes for it: other clients wait
 * as long. What a command takes is told by the distance of its reply from the one before, since both
 * are on one connection, or from when it was sent.
 */
export interface Tempo {
  /** COUNT of the next SCAN. */
  count(): number;
  /** @returns the same promise. */
  track<T>(command: 'scan' | 'unlink', reply: Promise<T>): Promise<T>;
}

const LONGEST_MS = 5;
/** Below this a command may be larger. */
const SHORT_MS = 2.5;
const FIRST = 250;
const FEWEST = 20;
const MOST = 500;
/** Where each answer is waited for, fewer and larger commands. */
const MOST_FAR_AWAY = 2_000;
const FAR_AWAY_MS = 20;
/** Our own pauses, and others on our processor, make single measurements too long. */
const WINDOW = 6;
const GROWTH = 1.5;

/**
 * @param roundTrip of a command that takes no time, in milliseconds; undefined while it is not known.
 * @param most keys that somebody else allows.
 */
export function createTempo(roundTrip: () => number | undefined, most = Infinity): Tempo {
  const windows = { scan: [] as number[], unlink: [] as number[] };
  const limit = (): number =>
    Math.min(most, (roundTrip() ?? 0) > FAR_AWAY_MS ? MOST_FAR_AWAY : MOST);
  let count = Math.min(FIRST, most);
  let lastReply = 0;

  const note = (command: 'scan' | 'unlink', took: number): void => {
    const window = windows[command];
    window.push(took);
    if (window.length < WINDOW) {
      // Nothing is as short by mistake.
      if (took < SHORT_MS && command === 'scan') grow();
      return;
    }
    const least = Math.min(...window);
    window.length = 0;
    if (least > LONGEST_MS) {
      count = Math.max(Math.min(FEWEST, most), Math.floor((count * LONGEST_MS) / least / 1.25));
    } else if (least < SHORT_MS) {
      grow();
    }
  };
  const grow = (): void => {
    const slow = windows.unlink.some((took) => took > LONGEST_MS);
    if (!slow) count = Math.min(limit(), Math.ceil(count * GROWTH));
  };
  return {
    count: () => count,
    async track(command, reply) {
      const sent = performance.now();
      const value = await reply;
      const now = performance.now();
      const since = Math.max(sent, lastReply);
      const away = roundTrip();
      if (away !== undefined) note(command, now - since - (since === sent ? away : 0));
      lastReply = now;
      return value;
    },
  };
}
