import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { LogEntry, Observer } from '../report/observer.ts';
import { orderLogs } from './log-order.ts';

function heard(): { readonly messages: string[]; readonly observer: Observer } {
  const messages: string[] = [];
  const log = ({ message }: LogEntry): void => void messages.push(message);
  return { messages, observer: { log, progress: () => undefined } };
}

const line = (service: string, message: string): LogEntry => ({
  level: 'INFO',
  service,
  step: 'jobs',
  message,
});

test('lines come in the order of the parts, each as soon as those before have ended', () => {
  const { messages, observer } = heard();
  const part = orderLogs(observer);
  const [one, two, three] = [part(), part(), part()];
  three.observer.log(line('c', 'third'));
  one.observer.log(line('a', 'first'));
  expect(messages).toEqual(['first']);
  three.end();
  two.observer.log(line('b', 'second'));
  one.end();
  expect(messages).toEqual(['first', 'second']);
  two.end();
  expect(messages).toEqual(['first', 'second', 'third']);
});

test('a part that hangs keeps the lines of the others only for some time; then they are named', async () => {
  const { messages, observer } = heard();
  const part = orderLogs(observer, 10);
  const [stuck, other] = [part(), part()];
  other.observer.log(line('other', 'Redis: 15 jobs removed'));
  expect(messages).toEqual([]);
  await sleep(50);
  expect(messages).toEqual(['other: Redis: 15 jobs removed']);
  other.end();
  stuck.end();
  expect(messages).toHaveLength(1);
});
