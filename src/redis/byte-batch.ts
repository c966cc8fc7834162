/** No command should move more: Redis serves nobody else meanwhile. */
export const LARGEST_REPLY = 2 ** 20;

/** How many values a command may ask for where their sizes are not known before. */
export interface ByteBatch {
  size(): number;
  /** What the last command read; nothing read tells nothing. */
  note(count: number, bytes: number): void;
  /** What there is to read altogether, by what it takes in the memory of Redis. */
  expect(count: number, bytes: number): void;
}

/** What Redis needs in memory beside the bytes of a value; rather more than less. */
const OVERHEAD = { share: 1.25, each: 200 };
/** Values may be of very different sizes, so that a few small ones do not say much. */
const GROWTH = 4;

/**
 * Begins with one value. A few small ones do not tell of large ones behind them; what is left of the
 * expected bytes does.
 * @param most values of a command, however small.
 */
export function createByteBatch(most: number): ByteBatch {
  let size = 1;
  let left = { count: 0, bytes: 0 };
  return {
    size: () => Math.max(1, Math.min(size, fittingOf(left))),
    expect(count, bytes) {
      left = { count, bytes };
    },
    note(count, bytes) {
      if (count === 0) return;
      const gone = OVERHEAD.share * bytes + OVERHEAD.each * count;
      left = {
        count: Math.max(0, left.count - count),
        bytes: Math.max(0, left.bytes - gone),
      };
      const fitting = Math.floor((LARGEST_REPLY * count) / Math.max(1, bytes));
      size = Math.max(1, Math.min(most, GROWTH * size, fitting));
    },
  };
}

function fittingOf({ count, bytes }: { readonly count: number; readonly bytes: number }): number {
  return count === 0 || bytes === 0 ? Infinity : Math.floor((LARGEST_REPLY * count) / bytes);
}

/** Keys in turn, so many at most that a command may name. */
export function* keyBatches(
  keys: readonly Buffer[],
  most = Infinity,
): Generator<readonly Buffer[]> {
  let start = 0;
  let bytes = 0;
  for (const [index, key] of keys.entries()) {
    const isFull = index - start >= most || bytes + key.length > LARGEST_REPLY;
    if (isFull && index > start) {
      yield keys.slice(start, index);
      start = index;
      bytes = 0;
    }
    bytes += key.length;
  }
  if (start < keys.length) yield start === 0 ? keys : keys.slice(start);
}
