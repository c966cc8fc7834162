import { GROUPED, gridLines } from './grid.ts';
import type { Digits } from './grid.ts';
import { problemLines } from './problem-lines.ts';
import type { Style } from './style.ts';
import { counted, readable, shown, wrap } from './text.ts';
import {
  bytesCellOf,
  cellOf,
  isClean,
  megabytes,
  remainingCount,
  reportMessage,
  totalsOf,
} from './totals.ts';
import type {
  FileSystemReport,
  Kind,
  RedisServerReport,
  Remaining,
  ServiceReport,
  WipeReport,
} from './types.ts';

/** The report for people: table, problems with their remedies, what is left, closing message. */
export function reportText(report: WipeReport, style: Style): string {
  const blocks = [
    gridLines(reportGrid(report, style), style),
    [
      ...report.services.flatMap((service) => problemLines(service, style)),
      ...report.warnings.flatMap((warning) =>
        wrap(`${style.yellow(style.symbols.warning)} ${shown(warning, style)}`, style.width, 2),
      ),
    ],
    report.services.flatMap((service) => leftLines(service, report.dryRun, style)),
    [
      ...report.fileSystems.flatMap((fileSystem) => spaceLines(fileSystem, style)),
      ...report.redisServers.flatMap((server) => redisLines(server, style)),
    ],
    [closingLine(report, style)],
  ];
  const text = blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n');
  return `${text}\n`;
}

function reportGrid(report: WipeReport, style: Style) {
  const several = report.services.length > 1;
  return {
    head: ['Service', 'Jobs', 'Tasks', 'Files', 'Models', 'MB freed', 'Errors', 'Verified'],
    rows: (digits: Digits) =>
      report.services.map((service) =>
        row(shown(service.name, style), [service], report.kinds, digits, style),
      ),
    total: several
      ? (digits: Digits) => row('Total', report.services, report.kinds, digits, style)
      : undefined,
  };
}

function row(
  name: string,
  services: readonly ServiceReport[],
  kinds: readonly Kind[],
  digits: Digits,
  style: Style,
): string[] {
  const totals = totalsOf(services);
  const figure = (text: string, value: number): string => (value === 0 ? style.dim(text) : text);
  const painted = (cell: ReturnType<typeof cellOf>, text: string, value: number): string =>
    cell === 'count'
      ? figure(text, value)
      : cell === 'unknown'
        ? style.yellow('?')
        : style.dim('-');
  const chosen = (kind: Kind, count: number): string =>
    painted(cellOf(services, kind, kinds, count), digits.count(count), count);
  const errors = digits.count(totals.errors);
  return [
    name,
    chosen('jobs', totals.jobsRemoved),
    chosen('queue', totals.tasksQueued + totals.tasksInFlight),
    chosen('files', totals.filesDeleted),
    chosen('models', totals.modelsDeleted),
    painted(
      bytesCellOf(services, kinds, totals.bytesFreed),
      digits.megabytes(totals.bytesFreed),
      totals.bytesFreed,
    ),
    totals.errors > 0 ? style.red(errors) : style.dim(errors),
    totals.verified ? style.green('yes') : style.red('NO'),
  ];
}

/** Connections and buffers alone change it by less. */
const WORTH_TELLING = 2 ** 20;

/** What a server gave back, and what is not on its disk yet; nothing where nothing went. */
function redisLines(server: RedisServerReport, style: Style): string[] {
  if (server.removed === 0) return [];
  const { usedBefore, usedAfter, isStillFreeing } = server;
  const memory =
    usedAfter === undefined
      ? 'memory unknown'
      : `memory ${megabytes(usedBefore)} MB before, ${megabytes(usedAfter)} MB now${isStillFreeing ? ', it frees on' : ''}`;
  const durability =
    server.onDisk === 'at the next save'
      ? '; not on disk until its next save: a crash before brings back what went (--persist asks for it)'
      : '';
  const change = Math.abs((usedAfter ?? usedBefore) - usedBefore);
  if (durability === '' && change < WORTH_TELLING) return [];
  return wrap(`Redis ${shown(server.server, style)}: ${memory}${durability}`, style.width, 2);
}

function leftLines(service: ServiceReport, dryRun: boolean, style: Style): string[] {
  const lines: string[] = [];
  const name = shown(service.name, style);
  if (service.tasksCancelled > 0) {
    const verb = dryRun ? 'would be cancelled' : 'cancelled';
    lines.push(`${name}: ${counted(service.tasksCancelled, 'task')} of its workers ${verb}`);
  }
  if (service.indexKeysRemoved > 0) {
    const verb = dryRun ? 'would be removed' : 'removed';
    lines.push(`${name}: ${counted(service.indexKeysRemoved, 'index key')} ${verb}`);
  }
  const named = service.warnings.some((warning) => warning.startsWith('still there: '));
  if (remainingCount(service.remaining) > 0 && !dryRun && !named) {
    lines.push(`${name}: still there: ${remainingText(service.remaining)}`);
  }
  const isTold = service.warnings.some((warning) => / held (?:open )?by /.test(warning));
  if (service.bytesHeldOpen > 0 && !isTold) {
    const size = (service.bytesHeldOpen / 2 ** 20).toFixed(2);
    lines.push(`${name}: ${size} MB of deleted files are held open by a process, not free yet`);
  }
  return lines.flatMap((line) => wrap(line, style.width, 2));
}

/** Its own count beside what the file system says, which other programs change too. */
function spaceLines(fileSystem: FileSystemReport, style: Style): string[] {
  const { mount, type, bytesFreed, inodesFreed, freeBefore, freeAfter, note } = fileSystem;
  if (inodesFreed === 0) return [];
  const name = shown(type === '' ? mount : `${mount} (${type})`, style);
  const freed = `${GROUPED.megabytes(bytesFreed)} MB and ${counted(inodesFreed, 'inode')} freed`;
  const space = `free space ${GROUPED.megabytes(freeBefore.bytes)} MB before, ${GROUPED.megabytes(freeAfter.bytes)} MB after`;
  return wrap(
    `${name}: ${freed}; ${space}${note === undefined ? '' : ` (${note})`}`,
    style.width,
    2,
  );
}

function remainingText(remaining: Remaining): string {
  return [
    remaining.jobs > 0 ? counted(remaining.jobs, 'job') : '',
    remaining.tasks > 0 ? counted(remaining.tasks, 'task') : '',
    remaining.files > 0 ? counted(remaining.files, 'file') : '',
    remaining.models > 0 ? counted(remaining.models, 'model') : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
}

/**
 * The contract's message, without its emoji on a terminal that has none. Where there is no terminal
 * and so no width it is kept: logs and cron's mails are searched for it.
 */
function closingLine(report: WipeReport, style: Style): string {
  const good = report.dryRun || (report.status !== 'interrupted' && isClean(report.services));
  const message = reportMessage(report);
  const text = style.width === Infinity ? message : readable(message, style);
  const colour = good ? style.green : style.yellow;
  return wrap(text, style.width, 2)
    .map((line) => style.bold(colour(line)))
    .join('\n');
}
