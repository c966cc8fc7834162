import { expect, test } from 'vitest';
import type { WorkersTask } from './look-at-workers.ts';
import { laterWarnings, silentWorkersFailure } from './worker-warnings.ts';

function scheduled(worker: string, hours: number): WorkersTask {
  const eta = new Date(Date.now() + hours * 3_600_000).toISOString();
  return {
    ...{ worker, id: `${worker}-${hours}`, name: 'fetch', state: 'scheduled', eta },
    ...{ exchange: '', routingKey: 'video', pid: undefined, startedAt: undefined },
  };
}

test('scheduled tasks that are revoked are told, by worker', () => {
  const active = { ...scheduled('one@host', 0), state: 'active' as const };
  expect(laterWarnings([active])).toEqual([]);
  expect(
    laterWarnings([scheduled('one@host', 1), scheduled('two@host', 1), scheduled('two@host', 2)]),
  ).toEqual([
    {
      text: 'Celery: one@host keeps 1 revoked task until it is due, then drops it and stores the result "revoked"; restart the worker to prevent that',
      weight: 'note',
    },
    {
      text: 'Celery: two@host keeps 2 revoked tasks until they are due, then drops them and stores the result "revoked"; restart the worker to prevent that',
      weight: 'note',
    },
  ]);
});

test('one that is due when it may be forgotten is a warning', () => {
  const warnings = laterWarnings([scheduled('one@host', 1), scheduled('one@host', 4)]);
  expect(warnings[1]).toEqual({
    text: 'Celery: one@host may have forgotten by then that one of them is revoked (it remembers that for 3 hours), and run it: restart the worker before',
    weight: 'warning',
  });
});

test.each([
  [[], 2, '2 workers'],
  [['one@host'], 1, 'worker one@host'],
  [['one@host', 'dead@host'], 1, 'worker one@host or dead@host'],
])('who does not answer, of %j', (names, count, item) => {
  expect(silentWorkersFailure(names, count, new Set()).item).toBe(item);
});
