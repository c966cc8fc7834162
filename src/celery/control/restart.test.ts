import { expect, test } from 'vitest';
import { isRestarted } from './restart.ts';

const OLD = { name: 'a@host', copies: 1, pid: 7, uptime: 100 };

test.each([
  { is: 'the same process', now: { pid: 7, uptime: 103 }, expected: false },
  { is: 'another process', now: { pid: 8, uptime: 0 }, expected: true },
  { is: 'pid 1 of another container', now: { pid: 7, uptime: 1 }, expected: true },
  { is: 'silent about itself', now: { pid: undefined, uptime: undefined }, expected: false },
  { is: 'one of two', now: { pid: 8, uptime: 0 }, copies: 2, expected: false },
])('$is', ({ now, copies = 1, expected }) => {
  expect(isRestarted({ ...OLD, copies }, { ...OLD, ...now }, 3_500)).toBe(expected);
});

test('a young worker that goes on is not taken for another', () => {
  const young = { ...OLD, uptime: 0 };
  expect(isRestarted(young, { ...young, uptime: 1 }, 1_400)).toBe(false);
  expect(isRestarted(young, { ...young, uptime: 0 }, 900)).toBe(false);
});
