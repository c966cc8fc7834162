/** A timer of Node holds at most 2^31-1 ms (24.8 days); a longer one fires at once, with a warning. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Calls `callback` once, after so many milliseconds of the monotonic clock, however many they are.
 * @returns ends the timer.
 */
export function startLongTimer(milliseconds: number, callback: () => void): () => void {
  const end = performance.now() + milliseconds;
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    const rest = end - performance.now();
    if (rest <= LONGEST_TIMER_MS) timer = setTimeout(callback, rest);
    else timer = setTimeout(arm, LONGEST_TIMER_MS);
  };
  arm();
  return () => {
    clearTimeout(timer);
  };
}
