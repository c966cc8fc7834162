import { timeSpent } from './process-wide.ts';
import type { Slice } from './erase-context.ts';

/** Tells when the event loop should turn, and what a slice of time was spent on. */
export function createSliceClock(slice: () => number, meter: ((slice: Slice) => void) | undefined) {
  let start = performance.now();
  let spent = meter && timeSpent();
  return {
    due: () => performance.now() - start > slice(),
    /** The slice ends, in which nothing was waited for but the calls that remove. */
    measure: (removals: number) => {
      if (meter === undefined || spent === undefined) return;
      const after = timeSpent();
      meter({
        milliseconds: performance.now() - start,
        processor: after.processor - spent.processor,
        waits: after.waits - spent.waits,
        removals,
      });
    },
    restart: () => {
      spent = meter && timeSpent();
      start = performance.now();
    },
  };
}
