/**
 * Synchronous system calls are the fastest way to work through a tree on Node, but they starve
 * signals, Redis and the spinner. A pace says when it is time to let the event loop turn.
 */
export interface Pace {
  /** Cheap enough to ask for every item. */
  due(): boolean;
  rest(): Promise<void>;
}

const SLICE_MS = 25;
const ITEMS_BETWEEN_CLOCKS = 32;

export function createPace(sliceMs = SLICE_MS): Pace {
  let items = 0;
  let sliceStart = performance.now();
  return {
    due() {
      items += 1;
      if (items < ITEMS_BETWEEN_CLOCKS) return false;
      items = 0;
      return performance.now() - sliceStart > sliceMs;
    },
    async rest() {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      sliceStart = performance.now();
    },
  };
}
