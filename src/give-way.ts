import { setImmediate as turn } from 'node:timers/promises';

/** Milliseconds of computing after which timers and signals get their turn. */
const SLICE_MS = 20;

/**
 * Makes a function for loops over whatever a config or a disk holds, to be awaited in each round: it
 * lets signals and `--timeout` be heard, and costs nothing until a slice of time is over.
 * @returns undefined while the slice lasts; the promise throws the signal's reason.
 */
export function createGiveWay(signal: AbortSignal | undefined): () => Promise<void> | undefined {
  let start = performance.now();
  return () => {
    if (performance.now() - start < SLICE_MS) return undefined;
    return turn().then(() => {
      signal?.throwIfAborted();
      start = performance.now();
    });
  };
}
