import { describe, expect, test } from 'vitest';
import { DENIED, emptyService, failed, TRANSCRIBER } from '../../test/support/reports.ts';
import { metricsText } from './metrics.ts';
import type { RunMetrics } from './metrics.ts';

const START = new Date('2025-10-27T14:30:22.104Z');
const FINISH = new Date('2025-10-27T14:30:25.310Z');
const FINISH_SECONDS = 1761575425.31;

function run(changes: Partial<RunMetrics> = {}): RunMetrics {
  return { startedAt: START, finishedAt: FINISH, exitCode: 0, services: [TRANSCRIBER], ...changes };
}

function samples(text: string): string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

test('a run', async () => {
  const services = [
    TRANSCRIBER,
    {
      ...emptyService('video'),
      verified: false,
      bytesHeldOpen: 4096,
      remaining: { jobs: 1, tasks: 2, files: 3, models: 4 },
      failures: failed(DENIED, DENIED),
      warnings: ['w'],
    },
  ];
  const text = await metricsText(run({ exitCode: 1, services }), undefined);
  expect(samples(text).map((line) => line.replace('media_cleanup_', ''))).toMatchInlineSnapshot(`
    [
      "last_run_timestamp_seconds 1761575425.31",
      "last_run_exit_code 1",
      "last_run_duration_seconds 3.206",
      "jobs_removed{service="audio-transcriber"} 15",
      "jobs_removed{service="video"} 0",
      "results_removed{service="audio-transcriber"} 15",
      "results_removed{service="video"} 0",
      "tasks_removed{service="audio-transcriber"} 4",
      "tasks_removed{service="video"} 0",
      "tasks_cancelled{service="audio-transcriber"} 1",
      "tasks_cancelled{service="video"} 0",
      "files_deleted{service="audio-transcriber"} 49",
      "files_deleted{service="video"} 0",
      "models_deleted{service="audio-transcriber"} 3",
      "models_deleted{service="video"} 0",
      "freed_bytes{service="audio-transcriber"} 1725118054",
      "freed_bytes{service="video"} 0",
      "held_open_bytes{service="audio-transcriber"} 0",
      "held_open_bytes{service="video"} 4096",
      "errors{service="audio-transcriber"} 0",
      "errors{service="video"} 2",
      "warnings{service="audio-transcriber"} 0",
      "warnings{service="video"} 1",
      "verified{service="audio-transcriber"} 1",
      "verified{service="video"} 0",
      "remaining{service="audio-transcriber",kind="jobs"} 0",
      "remaining{service="audio-transcriber",kind="tasks"} 0",
      "remaining{service="audio-transcriber",kind="files"} 0",
      "remaining{service="audio-transcriber",kind="models"} 0",
      "remaining{service="video",kind="jobs"} 1",
      "remaining{service="video",kind="tasks"} 2",
      "remaining{service="video",kind="files"} 3",
      "remaining{service="video",kind="models"} 4",
    ]
  `);
  expect(text).toContain(
    '# HELP media_cleanup_freed_bytes Allocated bytes that the last run freed.\n' +
      '# TYPE media_cleanup_freed_bytes gauge\n',
  );
  expect(text.endsWith('\n')).toBe(true);
  expect(text.endsWith('\n\n')).toBe(false);
});

test('a run that could not start has no samples of services, also not the previous ones', async () => {
  const previous = await metricsText(run(), undefined);
  const later = new Date(FINISH.getTime() + 60_000);
  const stopped = run({ finishedAt: later, exitCode: 75, services: undefined });
  expect(samples(await metricsText(stopped, previous))).toEqual([
    'media_cleanup_last_run_timestamp_seconds 1761575485.31',
    `media_cleanup_last_success_timestamp_seconds ${FINISH_SECONDS}`,
    'media_cleanup_last_run_exit_code 75',
    'media_cleanup_last_run_duration_seconds 63.206',
  ]);
});

test('a clock that was set back makes no negative duration', async () => {
  const text = await metricsText(run({ startedAt: FINISH, finishedAt: START }), undefined);
  expect(text).toContain('\nmedia_cleanup_last_run_duration_seconds 0\n');
});

test('labels are escaped, and control characters are no longer any', async () => {
  const service = emptyService('a"b\\c\nd\0');
  const text = await metricsText(run({ services: [service] }), undefined);
  expect(text).toContain('\nmedia_cleanup_errors{service="a\\"b\\\\c\\\\nd\\\\x00"} 0\n');
});

describe('the last success', () => {
  const NAME = 'media_cleanup_last_success_timestamp_seconds';
  const of = async (exitCode: number, previous: string | undefined): Promise<string | undefined> =>
    samples(await metricsText(run({ exitCode }), previous)).find((line) => line.startsWith(NAME));

  test('is this run, the one before, or none', async () => {
    expect(await of(0, undefined)).toBe(`${NAME} ${FINISH_SECONDS}`);
    expect(await of(0, `${NAME} 17\n`)).toBe(`${NAME} ${FINISH_SECONDS}`);
    expect(await of(1, `${NAME} 17.5\n`)).toBe(`${NAME} 17.5`);
    expect(await of(1, undefined)).toBeUndefined();
  });

  test('goes on through many failures', async () => {
    let previous = await metricsText(run(), undefined);
    for (const exitCode of [1, 75, 3]) previous = await metricsText(run({ exitCode }), previous);
    expect(samples(previous)).toContain(`${NAME} ${FINISH_SECONDS}`);
  });

  test.each([
    ['CRLF', `${NAME} 17\r\n`, '17'],
    ['exponent, blanks, braces', `x 1\n${NAME}{}  1.7e3 \n`, '1700'],
    ['half a number', `${NAME} 17615`, undefined],
    ['half a name', 'media_cleanup_last_succ', undefined],
    ['no number', `${NAME} soon\n`, undefined],
    ['NaN', `${NAME} NaN\n`, undefined],
    ['infinite', `${NAME} +Inf\n`, undefined],
    ['negative', `${NAME} -5\n`, undefined],
    ['still to come', `${NAME} 4102444800\n`, undefined],
    ['another metric', `x_${NAME} 17\n${NAME}_x 18\n# HELP ${NAME} 19\n`, undefined],
    ['a label', `${NAME}{job="x"} 17\n`, undefined],
    ['bytes', Buffer.from([0, 255, 254, 10, 0]).toString('latin1'), undefined],
    ['empty', '', undefined],
  ])('from a previous file with %s', async (_, previous, expected) => {
    expect(await of(1, previous)).toBe(expected === undefined ? undefined : `${NAME} ${expected}`);
  });
});

test('of a kind that could not be looked at there is no sample of what remains', async () => {
  const services = [{ ...TRANSCRIBER, unseen: ['queue'] as const }];
  const text = await metricsText(run({ exitCode: 1, services }), undefined);
  const kinds = samples(text).flatMap((line) => /remaining\{.*kind="(\w+)"/.exec(line)?.[1] ?? []);
  expect(kinds).toEqual(['jobs', 'files', 'models']);
});
