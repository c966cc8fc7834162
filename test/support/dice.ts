/** Random numbers that come the same again from the same seed (mulberry32). */

/** Of all tests with chance in them; another one by TEST_SEED. */
export const SEED = Number(process.env['TEST_SEED'] ?? 20_251_027);

/** Numbers from 0 up to 1. */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
