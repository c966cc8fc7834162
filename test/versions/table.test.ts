import { describe, expect, test } from 'vitest';
import type { Outcome } from './scene.ts';
import { faultsOf, markdownTable, saidList, type Cell } from './table.ts';

const CLEAN: Outcome = {
  exit: 0,
  verified: true,
  cancelled: 2,
  removed: 6,
  milliseconds: 900,
  ranOn: [],
  began: [],
  backAfterRestart: [],
  backAfterTimeout: [],
  left: [],
  late: [],
  errors: [],
};

function cell(change: Partial<Outcome>, column = 'running'): Cell {
  return { row: '5.2.6 prefork', column, outcome: { ...CLEAN, ...change } };
}

describe('a fault is', () => {
  test.each([
    [{ ranOn: ['a'] }, 'verified, but 1 ran on (a)'],
    [{ began: ['a', 'b'] }, 'verified, but 2 began (a, b)'],
    [{ backAfterRestart: ['a'] }, 'verified, but 1 back after the restart (a)'],
    [{ backAfterTimeout: ['a'] }, 'verified, but 1 back after the visibility timeout (a)'],
    [{ left: ['1', '2', '3', '4'] }, 'verified, but 4 keys left (1, 2, 3, …)'],
    [{ late: ['k'] }, 'verified, but 1 keys written later (k)'],
    [{ verified: false }, 'exit 0 with verified: false'],
    [{ exit: 1 }, 'exit 1 with verified: true'],
  ] as const)('%j', (change, fault) => {
    expect(faultsOf(cell(change))).toEqual([fault]);
  });

  test('a scene that broke', () => {
    expect(faultsOf({ ...cell({}), outcome: 'no worker' })).toEqual(['no worker']);
  });
});

test('no fault is a clean wipe, nor one that said that it is not verified', () => {
  expect(faultsOf(cell({}))).toEqual([]);
  expect(faultsOf(cell({ exit: 1, verified: false, began: ['a'], left: ['k'] }))).toEqual([]);
});

test('the table', () => {
  const unproven = cell({ exit: 1, verified: false, ranOn: ['a'] }, 'chord');
  const broken: Cell = { row: '5.6.3 solo', column: 'chord', outcome: 'no | worker\nits log' };
  expect(markdownTable([cell({}), unproven, broken])).toBe(
    [
      '|  | running | chord |',
      '| --- | --- | --- |',
      '| 5.2.6 prefork | ✔ 2 cancelled, 6 removed | exit 1, 2 cancelled, 6 removed: 1 ran on |',
      '| 5.6.3 solo | – | ✖ no \\| worker |',
      '',
    ].join('\n'),
  );
});

test('what was said differs by names alone: once, with its cells', () => {
  const one = cell({ errors: ['Redis/127.0.0.1:1/0: goes on with (busy-1, busy-0) of w0@vm'] });
  const two = cell({ errors: ['Redis/127.0.0.1:2/0: goes on with (busy-0) of w1@vm'] }, 'chord');
  expect(saidList([one, two])).toBe(
    '- Redis/HOST/0: goes on with (TASKS) of WORKER\n  (5.2.6 prefork, running; 5.2.6 prefork, chord)\n',
  );
});
