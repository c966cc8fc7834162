import { directoryLines, doubtful, doubtsOf } from './census-text.ts';
import { GROUPED } from './grid.ts';
import { chosenOf } from './planned.ts';
import { problemLines } from './problem-lines.ts';
import type { Style } from './style.ts';
import { counted, durationText, grouped, shown, wrap } from './text.ts';
import { KINDS } from './types.ts';
import { tasksInHand, workerLines } from './workers-text.ts';
import type { Kind, ServiceCensus } from './types.ts';

export interface PlanRun {
  readonly configFile: string;
  readonly kinds: readonly Kind[];
  readonly olderThan: number | undefined;
  /** Whether what the workers have in their hands is cancelled. */
  readonly cancelRunning: boolean;
}

/** What a wipe would remove, shown before the question and by a dry run. Nothing unchosen is in it. */
export function planText(census: readonly ServiceCensus[], run: PlanRun, style: Style): string {
  const services = census.map((service) => chosenOf(service, run.kinds));
  const directories = directoryLines(services, 4, style);
  const lines = [
    ...wrap(`Config: ${shown(run.configFile, style)}`, style.width, 2),
    ...keptLines(run, style),
    ...services.flatMap((service) => [
      '',
      style.bold(shown(service.name, style)),
      ...summaryLines(service, run, style),
      ...(directories.get(service) ?? []),
      ...problemLines(service, style),
    ]),
  ];
  if (services.length > 1) lines.push('', ...totalLines(services, run, style));
  return `${lines.join('\n')}\n`;
}

/** What the operator's selection leaves. */
export function keptLines({ kinds, olderThan }: PlanRun, style: Style): readonly string[] {
  const kept = KINDS.filter((kind) => !kinds.includes(kind));
  return [
    ...(kept.length > 0 ? [`Stays, not selected: ${kept.join(', ')}`] : []),
    ...(olderThan === undefined
      ? []
      : [`Stays, younger than ${durationText(olderThan)}: jobs, files and whole models`]),
  ].flatMap((line) => wrap(line, style.width, 2));
}

function summaryLines(
  service: ServiceCensus,
  { kinds, cancelRunning }: { readonly kinds: readonly Kind[]; readonly cancelRunning: boolean },
  style: Style,
): string[] {
  const doubts = doubtsOf(service);
  const figure = (count: number, inDoubt: boolean, noun: string): string =>
    inDoubt ? `${doubtful(grouped(count), count, true)} ${noun}s` : counted(count, noun);
  const { queued, inFlight } = service.tasks;
  const inHand = tasksInHand(service.workers);
  const isAsked = (kind: Kind): boolean =>
    kinds.includes(kind) && !service.notConfigured.includes(kind);
  const jobs = isAsked('jobs')
    ? [
        figure(service.jobs, doubts.jobs, 'job'),
        ...(service.indexKeys > 0 ? [counted(service.indexKeys, 'index key')] : []),
      ]
    : [];
  const tasks = isAsked('queue')
    ? [
        `${figure(queued, doubts.tasks, 'task')} queued`,
        `${doubtful(grouped(inFlight), inFlight, doubts.tasks)} in flight`,
        ...(cancelRunning && inHand > 0 ? [`${grouped(inHand)} to cancel`] : []),
      ]
    : [];
  const files = [
    ...(isAsked('files') ? [figure(service.files, doubts.files, 'file')] : []),
    ...(isAsked('models') ? [figure(service.models, doubts.models, 'model')] : []),
  ];
  const size = doubtful(
    GROUPED.megabytes(service.bytes),
    service.bytes,
    doubts.files || doubts.models,
  );
  const sameServer = service.broker === undefined || service.broker === service.redis;
  const lines = (...parts: readonly string[]): string[] =>
    parts
      .filter((part) => part !== '')
      .flatMap((part) => wrap(`  ${shown(part, style)}`, style.width, 4));
  return [
    ...lines(
      redisLine('Redis', service.redis, sameServer ? [...jobs, ...tasks] : jobs),
      redisLine('Broker', sameServer ? undefined : service.broker, tasks),
    ),
    ...workerLines(service.workers, 4, style),
    ...lines(files.length === 0 ? '' : [...files, `${size} MB`].join(', ')),
  ];
}

function redisLine(title: string, server: string | undefined, figures: readonly string[]): string {
  if (server === undefined || figures.length === 0) return '';
  return `${title} ${server}: ${figures.join(', ')}`;
}

function totalLines(
  services: readonly ServiceCensus[],
  { kinds, cancelRunning }: { readonly kinds: readonly Kind[]; readonly cancelRunning: boolean },
  style: Style,
): string[] {
  const sum = (figure: (service: ServiceCensus) => number): number =>
    services.reduce((total, service) => total + figure(service), 0);
  const parts = [
    kinds.includes('jobs')
      ? counted(
          sum((service) => service.jobs),
          'job',
        )
      : '',
    kinds.includes('queue')
      ? counted(
          sum((service) => service.tasks.queued + service.tasks.inFlight),
          'task',
        )
      : '',
    cancelRunning && sum((service) => tasksInHand(service.workers)) > 0
      ? `${grouped(sum((service) => tasksInHand(service.workers)))} to cancel`
      : '',
    kinds.includes('files')
      ? counted(
          sum((service) => service.files),
          'file',
        )
      : '',
    kinds.includes('models')
      ? counted(
          sum((service) => service.models),
          'model',
        )
      : '',
    kinds.includes('files') || kinds.includes('models')
      ? `${GROUPED.megabytes(sum((service) => service.bytes))} MB`
      : '',
  ];
  const known = services.every((service) => service.failures.total === 0);
  const text = `Total: ${parts.filter((part) => part !== '').join(', ')}`;
  const line = known ? text : `${text} (not everything could be counted)`;
  return wrap(line, style.width, 2).map((part) => style.bold(part));
}
