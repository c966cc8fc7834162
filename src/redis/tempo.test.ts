import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createTempo } from './tempo.ts';
import type { Tempo } from './tempo.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Commands one after the other that take so many milliseconds each, and the way there and back. */
async function run(
  tempo: Tempo,
  commands: number,
  took: (count: number) => number,
  away = 0,
): Promise<void> {
  for (let command = 0; command < commands; command += 1) {
    let answer = (): void => undefined;
    const reply = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const tracked = tempo.track('scan', reply);
    vi.advanceTimersByTime(took(tempo.count()) + away);
    answer();
    await tracked;
  }
}

describe('how many keys a command names', () => {
  test('grows to the most while the server is quick', async () => {
    const tempo = createTempo(() => 0.2);
    const first = tempo.count();
    await run(tempo, 20, () => 1);
    expect(tempo.count()).toBeGreaterThan(first);
    expect(tempo.count()).toBe(500);
  });

  test('shrinks until a command takes less than 5 ms', async () => {
    const tempo = createTempo(() => 0.2);
    const perKey = 0.05;
    await run(tempo, 200, (count) => count * perKey);
    expect(tempo.count() * perKey).toBeLessThan(5);
    expect(tempo.count() * perKey).toBeGreaterThan(1);
  });

  test('is not small because the server is far away, but large', async () => {
    const tempo = createTempo(() => 200);
    await run(tempo, 60, () => 1, 200);
    expect(tempo.count()).toBe(2000);
  });

  test('one long pause of ours makes no difference', async () => {
    const tempo = createTempo(() => 0.2);
    await run(tempo, 20, () => 1);
    let command = 0;
    await run(tempo, 12, () => ((command += 1) === 3 ? 80 : 1));
    expect(tempo.count()).toBe(500);
  });

  test('is never more than somebody else allows', async () => {
    const tempo = createTempo(() => 0.2, 7);
    await run(tempo, 40, () => 1);
    expect(tempo.count()).toBe(7);
  });
});
