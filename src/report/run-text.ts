import { GROUPED, gridLines } from './grid.ts';
import type { Digits } from './grid.ts';
import { localTime } from './log-line.ts';
import { statusOf } from './run-types.ts';
import type { Removed, Run, RunProgress, RunRecord } from './run-types.ts';
import type { Style } from './style.ts';
import { reportText } from './table.ts';
import { counted, durationText, readable, shown, wrap } from './text.ts';
import { isTotal, megabytes } from './totals.ts';
import type { WipeReport } from './types.ts';

/** Runs for people: `status`. */

type Status = ReturnType<typeof statusOf>;

const WORDS: Readonly<Record<Status, string>> = {
  processing: 'running',
  completed: 'completed',
  completed_with_errors: 'with errors',
  interrupted: 'interrupted',
  planned: 'planned',
  refused: 'refused',
  declined: 'declined',
  locked: 'locked',
  failed: 'failed',
  died: 'died',
};

/** The newest first, as they come. */
export function runsText(runs: readonly Run[], now: Date, style: Style): string {
  const grid = {
    head: ['Run', 'State', 'Took', 'Jobs', 'Files', 'MB freed', 'Exit'],
    rows: (digits: Digits) => runs.map((run) => rowOf(run, now, digits, style)),
  };
  return `${gridLines(grid, style).join('\n')}\n`;
}

function rowOf(run: Run, now: Date, digits: Digits, style: Style): string[] {
  const { record } = run;
  const removed = removedIn(run);
  const hasDied = statusOf(run) === 'died';
  return [
    record.cleanupId,
    painted(statusOf(run), style),
    hasDied ? '?' : tookText(record, now),
    digits.count(removed.jobs),
    digits.count(removed.files + removed.models),
    digits.megabytes(removed.bytes),
    record.exitCode === undefined ? '-' : String(record.exitCode),
  ];
}

function painted(status: Status, style: Style): string {
  const word = WORDS[status];
  switch (status) {
    case 'completed':
      return style.green(word);
    case 'processing':
      return style.bold(word);
    case 'died':
    case 'failed':
      return style.red(word);
    default:
      return style.yellow(word);
  }
}

/** Whole seconds; below ten also tenths. */
function tookText({ startedAt, finishedAt }: RunRecord, now: Date): string {
  return ageText((finishedAt ?? now).getTime() - startedAt.getTime());
}

function ageText(milliseconds: number): string {
  if (milliseconds < 10_000) return `${(Math.max(0, milliseconds) / 1000).toFixed(1)}s`;
  return durationText(Math.round(milliseconds / 1000) * 1000);
}

/** One run: what it is, where it is or how it ended, and its report. */
export function runText(
  run: Run,
  report: WipeReport | undefined,
  output: string | undefined,
  now: Date,
  style: Style,
): string {
  // The report ends with the message.
  const message = report === undefined ? run.record.message : undefined;
  const facts = [
    ...factsOf(run, now),
    ...(message === undefined ? [] : [['Message', readable(message, style)] as const]),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const lines = [
    `${style.bold(run.record.cleanupId)}  ${painted(statusOf(run), style)}`,
    ...facts.flatMap(([name, value]) =>
      wrap(`  ${name.padEnd(width)}  ${shown(value, style)}`, style.width, width + 4),
    ),
    ...deathLines(run, output, style),
  ];
  const text = `${lines.join('\n')}\n`;
  return report === undefined ? text : `${text}\n${reportText(report, style)}`;
}

function factsOf(run: Run, now: Date): (readonly [name: string, value: string])[] {
  const { record, progress } = run;
  const { targets, kinds, olderThan } = record;
  const only = isTotal(kinds) ? '' : `, ${kinds.join(', ')} only`;
  const age = olderThan === undefined ? '' : `, older than ${durationText(olderThan)}`;
  const where = record.detached ? ', in the background' : '';
  const isRunning = statusOf(run) === 'processing';
  const since = isRunning ? `, ${ageText(now.getTime() - record.startedAt.getTime())} ago` : '';
  const ended =
    record.finishedAt === undefined
      ? []
      : [['Ended', `${localTime(record.finishedAt)}, after ${tookText(record, now)}`] as const];
  const exit =
    record.exitCode === undefined ? [] : [['Exit code', String(record.exitCode)] as const];
  return [
    ['Targets', `${targets.join(', ')}${only}${age}`],
    ['Config', record.configFile],
    [
      'Started',
      `${localTime(record.startedAt)}${since}${where}, by ${record.user}, pid ${record.pid} on ${record.host}`,
    ],
    ...(isRunning ? [['At work on', stepText(progress, now)] as const] : []),
    ...(record.finishedAt === undefined ? [['Removed', removedText(removedIn(run))] as const] : []),
    ...(isRunning && run.isAlive === undefined
      ? [['Note', 'its process cannot be seen from here: another host, or a container'] as const]
      : []),
    ...ended,
    ...exit,
  ];
}

function stepText(progress: RunProgress | undefined, now: Date): string {
  if (progress === undefined) return 'getting ready';
  const { service, step, done, bytes, stepStartedAt } = progress;
  const size = bytes > 0 ? `, ${megabytes(bytes)} MB` : '';
  const since = ageText(now.getTime() - stepStartedAt.getTime());
  return `${service}: ${step}, for ${since}: ${counted(done, 'item')}${size}`;
}

function removedIn({ record, progress }: Run): Removed {
  return record.finishedAt === undefined ? (progress?.removed ?? record.removed) : record.removed;
}

function removedText({ jobs, tasks, files, models, bytes }: Removed): string {
  const counts = [
    counted(jobs, 'job'),
    counted(tasks, 'task'),
    counted(files, 'file'),
    counted(models, 'model'),
  ];
  return `${counts.join(', ')}, ${GROUPED.megabytes(bytes)} MB`;
}

/** Of a run that has not ended as runs do: what it, or its process, wrote last. */
function deathLines(run: Run, output: string | undefined, style: Style): string[] {
  const status = statusOf(run);
  if (status !== 'died' && status !== 'failed') return [];
  const last =
    run.progress === undefined ? '' : ` Its last sign was at ${localTime(run.progress.updatedAt)}.`;
  const text = `Its process is gone and has not told of an end: killed, or the machine went down.${last} Run it again to remove the rest; media-cleanup doctor tells whether consumers are still held.`;
  const tail = (output ?? '').trimEnd().split('\n').slice(-OUTPUT_LINES);
  return [
    ...(status === 'died' ? ['', ...wrap(text, style.width, 2).map(style.red)] : []),
    ...(output === undefined || output === ''
      ? []
      : ['', 'What it wrote last:', ...tail.map((line) => `  ${shown(line, style)}`)]),
  ];
}

const OUTPUT_LINES = 10;
