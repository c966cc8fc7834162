import { expect, test } from 'vitest';
import { isSameDrop } from './dropped.ts';

const NOTE = { worker: 'w', id: 't', pid: 7, startedAt: 1000.5, since: 900 };
const WORKER = {
  ...{ copies: 1, hasThreads: true, pid: 7, uptime: 500 },
  revokedIds: new Set(['t']),
};
const TASK = { state: 'active', startedAt: 1000.5 } as const;

test.each([
  ['the task that was noted', {}, {}, {}, true],
  ['one that had not begun then', { startedAt: undefined }, {}, {}, true],
  ['… and still has not', { startedAt: undefined }, {}, { startedAt: undefined }, true],
  [
    '… and whose id the worker forgot',
    { startedAt: undefined },
    { revokedIds: new Set() },
    {},
    false,
  ],
  ['… and nobody asked', { startedAt: undefined }, { revokedIds: undefined }, {}, false],
  ['one of the same id that began later', {}, {}, { startedAt: 2000 }, false],
  ['one of the same id that has not begun', {}, {}, { startedAt: undefined }, false],
  ['another process', {}, { pid: 8 }, {}, false],
  ['a process with the same pid that is younger', {}, { uptime: 50 }, {}, false],
  ['a worker that does not tell its age', {}, { uptime: undefined }, {}, false],
  ['a pool that kills its tasks', {}, { hasThreads: false }, {}, false],
  ['one of two workers of that name', {}, { copies: 2 }, {}, false],
  ['a scheduled task', {}, {}, { state: 'scheduled' as const }, false],
])('%s', (_, note, worker, task, expected) => {
  const one = { ...NOTE, ...note };
  expect(isSameDrop(one, { ...WORKER, ...worker }, { ...TASK, ...task }, 1000)).toBe(expected);
});
