import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Standing, StopSignal } from '../commands/standing.ts';
import type { LogEntry } from '../report/observer.ts';
import { hearSignal } from './hear-signal.ts';

const LEFT = (): string => 'Left: all of it.';

function listen(standing: Partial<Standing>, name: StopSignal | 'none' = 'SIGINT') {
  const abort = new AbortController();
  const said: LogEntry[] = [];
  const caller = {
    signal: abort.signal,
    interruptedBy: () => (name === 'none' ? undefined : name),
    standing: {
      held: 0,
      left: undefined,
      abandon: undefined,
      stopProgress: undefined,
      ...standing,
    },
  };
  const heard = hearSignal(caller, (entry) => said.push(entry));
  return { abort, said, end: heard.end };
}

test.each([
  [
    'SIGINT',
    2,
    'Interrupted: finishing the item at hand, resuming consumers; press Ctrl-C again to end at once',
  ],
  [
    'SIGTERM',
    0,
    'Interrupted by SIGTERM: finishing the item at hand; a second SIGTERM ends it at once',
  ],
  ['SIGHUP', 0, 'Interrupted by SIGHUP: finishing the item at hand; SIGTERM ends it at once'],
] as const)('%s during a wipe is heard at once', (name, held, message) => {
  const { abort, said } = listen({ left: LEFT, held }, name);
  abort.abort();
  expect(said).toEqual([{ level: 'WARNING', step: 'interrupt', message }]);
});

test('before the first deletion only when the end takes long', async () => {
  const { abort, said } = listen({});
  abort.abort();
  await delay(100);
  expect(said).toEqual([]);
  await delay(200);
  expect(said.map(({ message }) => message)).toEqual([
    'Interrupted: nothing was touched, closing connections; press Ctrl-C again to end at once',
  ]);
});

test('not when the run has ended', async () => {
  const { abort, said, end } = listen({});
  abort.abort();
  end();
  const ended = listen({ left: LEFT });
  ended.end();
  ended.abort.abort();
  await delay(300);
  expect([...said, ...ended.said]).toEqual([]);
});

test('a bug, which interrupts too, has words of its own', () => {
  const { abort, said } = listen({ left: LEFT }, 'none');
  abort.abort();
  expect(said).toEqual([]);
});
