/** No command should move more: Redis serves nobody else meanwhile. */
export const LARGEST_REPLY = 2 ** 20;

/** How many values a command may ask for where nobody tells their sizes before. */
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
