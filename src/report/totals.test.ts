import { describe, expect, test } from 'vitest';
import {
  CENSUS,
  DENIED,
  emptyService,
  failed,
  reportOf,
  TRANSCRIBER,
  TROUBLED,
} from '../../test/support/reports.ts';
import { plannedReport } from './planned.ts';
import { finishedStatus, megabytes, reportExitCode, reportMessage, totalsOf } from './totals.ts';
import { KINDS } from './types.ts';

const LEFT = { jobs: 0, tasks: 1, files: 1, models: 0 };

test('MB are 2^20 bytes, rounded to 2 decimals', () => {
  expect([0, 1, 2 ** 20, 1725118054, 152253235].map(megabytes)).toEqual([0, 0, 1, 1645.2, 145.2]);
});

describe('the closing message', () => {
  test('of a total wipe', () => {
    expect(reportMessage(reportOf([TRANSCRIBER]))).toBe(
      '🔥 TOTAL WIPE COMPLETED: 15 jobs + 49 files + 3 models removed (1645.2MB freed)',
    );
  });

  test('keeps its form when nothing was there', () => {
    expect(reportMessage(reportOf([emptyService('video-downloader')]))).toBe(
      '🔥 TOTAL WIPE COMPLETED: 0 jobs + 0 files + 0 models removed (0MB freed)',
    );
  });

  test('of a part says which, and not total', () => {
    expect(reportMessage(reportOf([TRANSCRIBER], { kinds: ['queue', 'jobs'] }))).toBe(
      '🔥 WIPE COMPLETED (jobs, queue only): 15 jobs + 49 files + 3 models removed (1645.2MB freed), 4 tasks',
    );
    expect(reportMessage(reportOf([TRANSCRIBER], { kinds: ['jobs', 'queue', 'files'] }))).toBe(
      '🔥 WIPE COMPLETED (jobs, queue, files only): 15 jobs + 49 files + 3 models removed (1645.2MB freed), 4 tasks',
    );
  });

  test('with errors and leftovers', () => {
    const service = { ...TRANSCRIBER, filesDeleted: 48, verified: false, remaining: LEFT };
    const status = 'completed_with_errors';
    expect(reportMessage(reportOf([{ ...service, failures: failed(DENIED) }], { status }))).toBe(
      '⚠️  WIPE FINISHED WITH ERRORS: 15 jobs + 48 files + 3 models removed (1645.2MB freed), 1 error, 2 left',
    );
    expect(reportMessage(reportOf([service], { status }))).toMatch(/freed\), 2 left$/);
    expect(reportMessage(TROUBLED)).toMatch(/freed\), 2 errors, 1 left$/);
  });

  test('without proof', () => {
    expect(reportMessage(reportOf([{ ...TRANSCRIBER, verified: false }]))).toBe(
      '⚠️  WIPE FINISHED WITH ERRORS: 15 jobs + 49 files + 3 models removed (1645.2MB freed), not verified',
    );
  });

  test('of an interrupted wipe', () => {
    expect(reportMessage(reportOf([TRANSCRIBER], { status: 'interrupted' }))).toBe(
      '⚠️  WIPE INTERRUPTED: 15 jobs + 49 files + 3 models removed (1645.2MB freed)',
    );
  });

  test('of a dry run', () => {
    const planned = reportOf([TRANSCRIBER], { status: 'planned', dryRun: true });
    expect(reportMessage(planned)).toBe(
      'DRY RUN: 15 jobs + 49 files + 3 models would be removed (1645.2MB), 4 tasks, nothing was changed',
    );
    expect(reportMessage({ ...planned, kinds: ['jobs'] })).toBe(
      'DRY RUN (jobs only): 15 jobs + 49 files + 3 models would be removed (1645.2MB), nothing was changed',
    );
  });
});

describe('the exit code', () => {
  const code = (changes: Partial<typeof TRANSCRIBER>): number =>
    reportExitCode(reportOf([emptyService('video-downloader'), { ...TRANSCRIBER, ...changes }]));

  test('is 0 only when all is gone and seen to be gone', () => {
    expect(code({})).toBe(0);
    expect(code({ verified: false })).toBe(1);
    expect(code({ remaining: LEFT })).toBe(1);
    expect(code({ failures: failed(DENIED) })).toBe(1);
    expect(reportExitCode(reportOf([]))).toBe(1);
  });

  test('of a dry run is 0 only where all could be looked at', () => {
    const run = {
      cleanupId: 'x',
      kinds: KINDS,
      olderThan: undefined,
      cancelRunning: true,
      startedAt: new Date(0),
      finishedAt: new Date(5),
    };
    expect(reportExitCode(plannedReport(run, CENSUS.slice(0, 2)))).toBe(0);
    expect(reportExitCode(plannedReport(run, CENSUS))).toBe(1);
  });

  test('agrees with the status', () => {
    expect(finishedStatus([TRANSCRIBER])).toBe('completed');
    expect(finishedStatus(TROUBLED.services)).toBe('completed_with_errors');
  });
});

test('totals', () => {
  expect(totalsOf(TROUBLED.services)).toMatchObject({
    jobsRemoved: 1219,
    tasksQueued: 15,
    tasksInFlight: 1,
    filesDeleted: 3468,
    modelsDeleted: 3,
    remaining: { jobs: 0, tasks: 0, files: 1, models: 0 },
    errors: 2,
    warnings: 1,
    verified: false,
  });
});
