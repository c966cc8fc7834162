import { expect, test } from 'vitest';
import { NO_WORKERS } from '../report/types.ts';
import {
  noRemoteControlWarning,
  notRestartedFailure,
  scheduledTasksFailure,
  silentWorkersFailure,
  unprovenTasksFailure,
  withoutRemoteControlFailure,
} from './worker-warnings.ts';
import type { Link } from './links.ts';
import { workersWarnings } from './worker-warnings.ts';
import type { OpenService } from './open-services.ts';

function inHours(hours: number): { readonly eta: string } {
  return { eta: new Date(Date.now() + hours * 3_600_000).toISOString() };
}

const TIME = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`;

test('revoked scheduled tasks: how many, from when to when in local time, and the remedy', () => {
  const first = { eta: '2030-01-01T09:00:00+00:00' };
  const last = { eta: '2030-01-02T09:30:00+00:00' };
  const near = [inHours(1), inHours(2)];
  expect(scheduledTasksFailure('one@host', near)).toEqual({
    target: 'Celery',
    item: 'worker one@host',
    code: 'ESCHEDULED',
    reason: expect.stringMatching(
      new RegExp(
        `^Keeps 2 revoked scheduled tasks in memory, due from ${TIME} to ${TIME}: at that time the worker stores a result for each, and the app may write the jobs again \\(task_revoked\\)$`,
      ),
    ) as string,
    hint: 'run again with --restart-workers, or restart the worker by hand and run again',
  });
  const { reason } = scheduledTasksFailure('one@host', [last, first, last]);
  const local = (iso: string): string => {
    const time = new Date(iso);
    return new Date(time.getTime() - time.getTimezoneOffset() * 60_000)
      .toISOString()
      .slice(0, 19)
      .replace('T', ' ');
  };
  expect(reason).toContain(`due from ${local(first.eta)} to ${local(last.eta)}:`);
});

test('tasks that are due when they may be forgotten may run', () => {
  const some = scheduledTasksFailure('one@host', [inHours(1), inHours(4)]).reason;
  expect(some).toMatch(/forgotten by then that 1 of them is revoked, and run the task$/);
  const one = scheduledTasksFailure('one@host', [inHours(4)]).reason;
  expect(one).toMatch(
    /Keeps 1 revoked scheduled task in memory, due \S+ \S+: .*that it is revoked/,
  );
  expect(scheduledTasksFailure('one@host', [{ eta: undefined }]).reason).toContain(
    'due at a time that the worker does not tell',
  );
});

test('a worker that has not come back is named, with what it may wait for', () => {
  expect(notRestartedFailure('one@host', 60, 0)).toMatchObject({
    item: 'worker one@host',
    reason: 'Was told to shut down and has not come back within 60 s',
    hint: 'start it, and run again',
  });
  expect(notRestartedFailure('one@host', 60, 2).reason).toContain('the worker had 2 tasks');
});

test('a worker that does not say what it consumes may be held, and is not called held', () => {
  const service = { broker: { label: 'r:1/0' } } as OpenService;
  const maybeHeld = [{ worker: 'one@host', queue: 'video' }];
  expect(workersWarnings(service, { ...NO_WORKERS, maybeHeld })).toEqual([
    expect.stringContaining('one@host may still be held from video'),
  ]);
});

test.each([
  [[], 2, '2 workers'],
  [['one@host'], 1, 'worker one@host'],
  [['one@host', 'dead@host'], 1, 'worker one@host or dead@host'],
])('who does not answer, of %j', (names, count, item) => {
  expect(silentWorkersFailure(names, count, new Set()).item).toBe(item);
});

test('two workers of one name are called that, with the remedy', () => {
  const task = { id: 'one', state: 'active' } as unknown as Parameters<
    typeof unprovenTasksFailure
  >[1][number];
  const twins = unprovenTasksFailure('w@h', [task], 2);
  expect(twins.reason).toContain('2 workers answer by this name');
  expect(twins.hint).toContain('-n <name>@%h');
  expect(unprovenTasksFailure('w@h', [task], 1).reason).not.toContain('by this name');
});

test('a consumer that cannot be asked may be no worker', () => {
  const link = { label: 'r:1/0' } as Link;
  expect(noRemoteControlWarning(link, 1)).toContain('rpc://');
  expect(withoutRemoteControlFailure(link, 1).hint).toContain('rpc://');
});
