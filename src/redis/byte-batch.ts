/** No command should move more: Redis serves nobody else meanwhile. */
export const LARGEST_REPLY = 2 ** 20;

/** How many values a command may ask for where their sizes are not known before. */
export interface ByteBatch {
  size(): number;
  /** What the last command read; nothing read tells nothing. */
  note(count: number, bytes: number): void;
}

const FIRST = 4;
/** Values may be of very different sizes, so that a few small ones do not say much. */
const GROWTH = 4;

/** @param most values of a command, however small. */
export function createByteBatch(most: number): ByteBatch {
  let size = Math.min(FIRST, most);
  return {
    size: () => size,
    note(count, bytes) {
      if (count === 0) return;
      const fitting = Math.floor((LARGEST_REPLY * count) / Math.max(1, bytes));
      size = Math.max(1, Math.min(most, GROWTH * size, fitting));
    },
  };
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
