import { errorLine, moreLine } from './failures.ts';
import { harmless } from './printable.ts';
import { counted, durationText, grouped } from './text.ts';
import {
  isTotal,
  megabytes,
  remainingCount,
  reportMessage,
  totalsOf,
  bytesCellOf,
  cellOf,
} from './totals.ts';
import { MAX_LISTED } from './types.ts';
import type {
  DirectoryReport,
  FileSystemReport,
  Kind,
  RedisServerReport,
  Remaining,
  ServiceReport,
  WipeReport,
} from './types.ts';

/**
 * The report for a ticket (GitHub and GitLab Markdown). Whatever comes from outside stands in a code
 * span: only there are HTML, links, mentions, `#123` and commit ids nothing but text, since a
 * backslash before `@` does not keep a tracker from notifying.
 */

/** Ends with a line end. Works for a dry run too; MB are 2^20 bytes. */
export function reportMarkdown(report: WipeReport): string {
  const blocks: readonly (readonly string[])[] = [
    [`# ${reportMessage(report)}`],
    facts(report),
    serviceTable(report),
    section('Directories', report.services.flatMap(directoryLines(report.dryRun))),
    section('Errors', report.services.flatMap(errorItems)),
    section('Warnings', [
      ...report.warnings.map((warning) => `- ${code(warning)}`),
      ...report.services.flatMap(warningItems),
    ]),
    section('Left', report.dryRun ? [] : report.services.flatMap(leftItems)),
    section('Redis servers', report.redisServers.flatMap(redisItem)),
    section('File systems', report.fileSystems.flatMap(spaceItem)),
  ];
  const text = blocks.filter((block) => block.length > 0).map((block) => block.join('\n'));
  return `${text.join('\n\n')}\n`;
}

function facts(report: WipeReport): string[] {
  const { dryRun, kinds, olderThan, startedAt, finishedAt, services } = report;
  const { verified, tasksCancelled } = totalsOf(services);
  return [
    `- Run: ${code(report.cleanupId)}`,
    `- Status: ${report.status.replaceAll('_', ' ')}`,
    ...(isTotal(kinds) ? [] : [`- Only: ${kinds.join(', ')}`]),
    ...(olderThan === undefined ? [] : [`- Older than: ${durationText(olderThan)}`]),
    `- Started: ${startedAt.toISOString()}`,
    `- Finished: ${finishedAt.toISOString()}`,
    `- Duration: ${durationText(Math.max(0, finishedAt.getTime() - startedAt.getTime()))}`,
    ...(tasksCancelled === 0
      ? []
      : [`- Tasks ${dryRun ? 'to cancel' : 'cancelled'}: ${grouped(tasksCancelled)}`]),
    `- Verified: ${dryRun ? 'no, a dry run changes nothing' : verified ? 'yes' : 'NO'}`,
  ];
}

function serviceTable({ services, kinds, dryRun }: WipeReport): string[] {
  if (services.length === 0) return [];
  const freed = dryRun ? 'MB to free' : 'MB freed';
  return [
    `| Service | Jobs | Tasks | Files | Models | ${freed} | Errors | Verified |`,
    '| :--- | ---: | ---: | ---: | ---: | ---: | ---: | :--- |',
    ...services.map((service) => row(cellCode(service.name), [service], kinds, dryRun)),
    ...(services.length > 1 ? [row('**Total**', services, kinds, dryRun)] : []),
  ];
}

function row(
  name: string,
  services: readonly ServiceReport[],
  kinds: readonly Kind[],
  dryRun: boolean,
): string {
  const totals = totalsOf(services);
  const marks = { none: '-', unknown: '?' } as const;
  const chosen = (kind: Kind, count: number): string => {
    const cell = cellOf(services, kind, kinds, count);
    return cell === 'count' ? grouped(count) : marks[cell];
  };
  const bytes = bytesCellOf(services, kinds, totals.bytesFreed);
  const cells = [
    name,
    chosen('jobs', totals.jobsRemoved),
    chosen('queue', totals.tasksQueued + totals.tasksInFlight),
    chosen('files', totals.filesDeleted),
    chosen('models', totals.modelsDeleted),
    bytes === 'count' ? mb(totals.bytesFreed) : marks[bytes],
    grouped(totals.errors),
    dryRun ? '-' : totals.verified ? 'yes' : '**NO**',
  ];
  return `| ${cells.join(' | ')} |`;
}

/** A list and no table: a path may hold any character, and a cell cannot hold every path. */
function directoryLines(dryRun: boolean): (service: ServiceReport) => string[] {
  const line = (one: DirectoryReport): string => {
    const noun = one.kind === 'models' ? 'model' : 'file';
    const done = dryRun ? 'would go' : 'deleted';
    const held = one.bytesHeldOpen > 0 ? `, ${mb(one.bytesHeldOpen)} MB held open` : '';
    const figures = `${counted(one.deleted, noun)} ${done}, ${mb(one.bytesFreed)} MB${held}`;
    return `- ${code(one.name)} ${code(one.path)}: ${figures}`;
  };
  return (service) => service.directories.map(line);
}

function errorItems({ name, failures }: ServiceReport): string[] {
  const shown = failures.first.slice(0, MAX_LISTED);
  const items = shown.map((failure) => {
    const hint = failure.hint === '' ? '' : ` → ${code(failure.hint)}`;
    return `- ${code(name)}: ${code(errorLine(failure))}${hint}`;
  });
  return withMore(items, name, failures.total - shown.length, 'error');
}

function warningItems({ name, warnings }: ServiceReport): string[] {
  const shown = warnings.slice(0, MAX_LISTED);
  const items = shown.map((warning) => `- ${code(name)}: ${code(warning)}`);
  return withMore(items, name, warnings.length - shown.length, 'warning');
}

function withMore(items: string[], name: string, more: number, noun: string): string[] {
  return more > 0 ? [...items, `- ${code(name)}: ${moreLine(more, noun)}`] : items;
}

function leftItems({ name, remaining, bytesHeldOpen }: ServiceReport): string[] {
  return [
    ...(remainingCount(remaining) > 0
      ? [`- ${code(name)}: still there: ${remainingText(remaining)}`]
      : []),
    ...(bytesHeldOpen > 0
      ? [
          `- ${code(name)}: ${mb(bytesHeldOpen)} MB of deleted files are held open by a process, not free yet`,
        ]
      : []),
  ];
}

function remainingText({ jobs, tasks, files, models }: Remaining): string {
  const parts = [
    [jobs, 'job'],
    [tasks, 'task'],
    [files, 'file'],
    [models, 'model'],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, noun]) => counted(count, noun))
    .join(', ');
}

const ON_DISK: Readonly<Record<RedisServerReport['onDisk'], string>> = {
  log: 'on disk, by its append-only log',
  saved: 'on disk, in a snapshot',
  'at the next save': 'not on disk until its next save: a crash before brings back what went',
  'nothing is saved': 'it saves nothing',
  unknown: 'whether it is on disk is unknown',
};

/** Nothing where nothing went, as in the text report. */
function redisItem(server: RedisServerReport): string[] {
  if (server.removed === 0) return [];
  const { usedBefore, usedAfter, isStillFreeing } = server;
  const after = usedAfter === undefined ? 'unknown now' : `${mb(usedAfter)} MB now`;
  const memory = `memory ${mb(usedBefore)} MB before, ${after}${isStillFreeing ? ', it frees on' : ''}`;
  return [
    `- ${code(server.server)}: ${counted(server.removed, 'item')} removed; ${memory}; ${ON_DISK[server.onDisk]}`,
  ];
}

function spaceItem(one: FileSystemReport): string[] {
  if (one.inodesFreed === 0) return [];
  const name = one.type === '' ? one.mount : `${one.mount} (${one.type})`;
  const freed = `${mb(one.bytesFreed)} MB and ${counted(one.inodesFreed, 'inode')} freed`;
  const held = one.bytesHeldOpen > 0 ? `, ${mb(one.bytesHeldOpen)} MB held open` : '';
  const space = `free space ${mb(one.freeBefore.bytes)} MB before, ${mb(one.freeAfter.bytes)} MB after`;
  const note = one.note === undefined ? '' : ` (${code(one.note)})`;
  return [`- ${code(name)}: ${freed}${held}; ${space}${note}`];
}

function section(title: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : [`## ${title}`, '', ...items];
}

/** `12,345.60`: the digits line up in a column. */
function mb(bytes: number): string {
  const [whole = '0', rest = '00'] = megabytes(bytes).toFixed(2).split('.');
  return `${grouped(Number(whole))}.${rest}`;
}

/**
 * Any text as a code span (CommonMark 6.1): its fence is longer than every run of backticks inside,
 * and one space at both ends goes again when the text itself begins or ends with one.
 */
function code(text: string): string {
  // Whitespace alone would vanish, and an empty span is no span.
  if (text.trim() === '') return '`(blank)`';
  const safe = harmless(text);
  const longest = Math.max(0, ...(safe.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  const padding = /^[` ]|[` ]$/.test(safe) ? ' ' : '';
  return fence + padding + safe + padding + fence;
}

/** In a cell a pipe ends it, even in a code span, and programs read `\\|` differently: a look-alike. */
function cellCode(text: string): string {
  return code(text.replaceAll('|', '¦'));
}
