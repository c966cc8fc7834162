import { doubtful, doubtsOf } from './census-text.ts';
import type { Doubts } from './census-text.ts';
import { commonPlace, isIn, shortest } from './common-place.ts';
import { GROUPED } from './grid.ts';
import { keptLines } from './plan-text.ts';
import type { PlanRun } from './plan-text.ts';
import type { Style } from './style.ts';
import { counted, grouped, shown, textWidth, wrap } from './text.ts';
import type { DirectoryCensus, ServiceCensus } from './types.ts';
import { tasksInHand } from './workers-text.ts';

/** The plan in a few lines: host, config, each Redis, and the places of the directories. */

export interface SummaryRun extends PlanRun {
  readonly host: string;
  /** The root of each service by its name: absolute, links resolved. */
  readonly roots: ReadonlyMap<string, string>;
}

/**
 * The summary in fewer and fewer lines. `end` is about the directories outside the root of their
 * service.
 */
export function summaryVariants(
  services: readonly ServiceCensus[],
  run: SummaryRun,
  style: Style,
  end: readonly string[],
): readonly (readonly string[])[] {
  const detailed = serviceLines(services, run, style, 'and files');
  const bodies = [
    // Only where no line is broken.
    ...(detailed.length === services.length ? [detailed] : []),
    serviceLines(services, run, style, 'Redis alone'),
    serverLines(services, run, style),
    totalLine(services, run, style),
  ];
  const head = shown(`Host ${run.host}, config ${run.configFile}`, style);
  return bodies.map((body) => [
    ...wrap(head, style.width, 2).map(style.bold),
    ...body,
    ...directoriesLine(services, run, style, 'with figures'),
    ...keptLines(run, style),
    ...problemLine(services, style),
    ...end,
  ]);
}

/** The number of directories outside the root of their service, for below the lines that name them. */
export function outsideNotice(
  services: readonly ServiceCensus[],
  run: SummaryRun,
  style: Style,
): readonly string[] {
  const paths = outsideOf(services, run).map(({ path }) => path);
  const count = counted(paths.length, 'directory', 'directories');
  const notice = `! ${count} outside the root of the service, listed above, in ${commonPlace(paths)}`;
  return wrap(shown(notice, style), style.width, 2).map(style.yellow);
}

/** `9 directories in /srv/media/services`, with or without counts of files, models and MB. */
export function directoriesLine(
  services: readonly ServiceCensus[],
  run: SummaryRun,
  style: Style,
  figures: 'with figures' | 'alone',
): readonly string[] {
  const all = services.flatMap(({ directories }) => directories);
  if (all.length === 0) return [];
  const outside = new Set(outsideOf(services, run).map(({ directory }) => directory));
  const inside = all.filter((directory) => !outside.has(directory));
  const where =
    inside.length === 0
      ? ''
      : `${outside.size > 0 ? `, ${grouped(inside.length)}` : ''} in ${commonPlace(inside.map(({ path }) => path))}`;
  const held = figures === 'alone' ? '' : `: ${fileFigures(services, run)}`;
  const line = `${counted(all.length, 'directory', 'directories')}${where}${held}`;
  return wrap(shown(line, style), style.width, 2);
}

/** A line for each directory outside the root of its service, with a mark. */
export function outsideLines(
  services: readonly ServiceCensus[],
  run: SummaryRun,
  style: Style,
): readonly string[] {
  return outsideOf(services, run).flatMap(({ path, root }) =>
    wrap(shown(`! outside ${root}: ${path}`, style), style.width, 2).map(style.yellow),
  );
}

interface Outside {
  readonly directory: DirectoryCensus;
  readonly path: string;
  /** As the config file would name it, with the service where that does not tell. */
  readonly root: string;
}

function outsideOf(services: readonly ServiceCensus[], run: SummaryRun): readonly Outside[] {
  const configDirectory = run.configFile.replace(/\/[^/]*$/, '') || '/';
  return services.flatMap(({ name, directories }) => {
    const root = run.roots.get(name) ?? configDirectory;
    const known = shortest(root, configDirectory);
    const label = known.split('/').at(-1) === name ? known : `${known} (${name})`;
    return directories
      .filter(({ path }) => !isIn(path, root))
      .map((directory) => ({ directory, path: directory.path, root: label }));
  });
}

function serviceLines(
  services: readonly ServiceCensus[],
  run: SummaryRun,
  style: Style,
  what: 'and files' | 'Redis alone',
): readonly string[] {
  const width = Math.max(...services.map(({ name }) => textWidth(name)));
  return services.flatMap((service) => {
    const { name, redis, broker } = service;
    const isShared = broker === undefined || broker === redis;
    const jobs = run.kinds.includes('jobs') ? [jobFigure([service])] : [];
    const tasks = run.kinds.includes('queue') ? [taskFigure([service], run)] : [];
    const parts = [
      ...redisPart('Redis', redis, isShared ? [...jobs, ...tasks] : jobs),
      ...redisPart('broker', isShared ? undefined : broker, tasks),
      ...(what === 'and files' && service.directories.length > 0
        ? [fileFigures([service], run)]
        : []),
    ];
    const text = parts.length === 0 ? filesAlone(service) : parts.join('; ');
    const padded = name + ' '.repeat(width - textWidth(name));
    return wrap(shown(`  ${padded}  ${text}`, style), style.width, 4);
  });
}

/** Of a service without Redis. */
function filesAlone({ directories }: ServiceCensus): string {
  return directories.length === 0
    ? 'nothing of the kinds selected'
    : counted(directories.length, 'directory', 'directories');
}

function redisPart(
  title: string,
  server: string | undefined,
  figures: readonly string[],
): readonly string[] {
  return server === undefined || figures.length === 0
    ? []
    : [`${title} ${server}: ${figures.join(', ')}`];
}

/** A line for each Redis server instead of one for each service. */
function serverLines(
  services: readonly ServiceCensus[],
  run: SummaryRun,
  style: Style,
): readonly string[] {
  const servers = [...new Set(services.flatMap(databasesOf).map(serverOf))];
  return servers.flatMap((server) => {
    const isHere = (label: string | undefined): boolean =>
      label !== undefined && serverOf(label) === server;
    const withJobs = services.filter(({ redis }) => isHere(redis));
    const withTasks = services.filter(({ redis, broker }) => isHere(broker ?? redis));
    const databases = new Set(services.flatMap(databasesOf).filter(isHere)).size;
    const figures = [
      ...(run.kinds.includes('jobs') && withJobs.length > 0 ? [jobFigure(withJobs)] : []),
      ...(run.kinds.includes('queue') && withTasks.length > 0 ? [taskFigure(withTasks, run)] : []),
    ];
    const count = new Set([...withJobs, ...withTasks]).size;
    const title = `Redis ${server} (${counted(databases, 'database')}, ${counted(count, 'service')})`;
    if (figures.length === 0) return [];
    return wrap(shown(`  ${title}: ${figures.join(', ')}`, style), style.width, 4);
  });
}

function totalLine(
  services: readonly ServiceCensus[],
  run: SummaryRun,
  style: Style,
): readonly string[] {
  const servers = new Set(services.flatMap(databasesOf).map(serverOf));
  const figures = [
    ...(run.kinds.includes('jobs') ? [jobFigure(services)] : []),
    ...(run.kinds.includes('queue') ? [taskFigure(services, run)] : []),
  ];
  const redis =
    servers.size === 0 || figures.length === 0
      ? ''
      : `, ${counted(servers.size, 'Redis server')}: ${figures.join(', ')}`;
  return wrap(shown(`  ${counted(services.length, 'service')}${redis}`, style), style.width, 4);
}

function databasesOf({ redis, broker }: ServiceCensus): readonly string[] {
  return [redis, broker].filter((label) => label !== undefined);
}

/** `127.0.0.1:6379` of `127.0.0.1:6379/3`. */
function serverOf(label: string): string {
  return label.replace(/\/\d+$/, '');
}

function jobFigure(services: readonly ServiceCensus[]): string {
  return figure(services, ({ jobs }) => jobs, 'jobs', 'job');
}

function taskFigure(services: readonly ServiceCensus[], { cancelRunning }: SummaryRun): string {
  const count = ({ tasks }: ServiceCensus): number => tasks.queued + tasks.inFlight;
  const inHand = services.reduce((sum, { workers }) => sum + tasksInHand(workers), 0);
  const cancelled = cancelRunning && inHand > 0 ? ` (${grouped(inHand)} to cancel)` : '';
  return figure(services, count, 'tasks', 'task') + cancelled;
}

function fileFigures(services: readonly ServiceCensus[], { kinds }: SummaryRun): string {
  const bytes = services.reduce((sum, service) => sum + service.bytes, 0);
  const isUnsure = services.map(doubtsOf).some(({ files, models }) => files || models);
  return [
    ...(kinds.includes('files') ? [figure(services, ({ files }) => files, 'files', 'file')] : []),
    ...(kinds.includes('models')
      ? [figure(services, ({ models }) => models, 'models', 'model')]
      : []),
    `${doubtful(GROUPED.megabytes(bytes), bytes, isUnsure)} MB`,
  ].join(', ');
}

function figure(
  services: readonly ServiceCensus[],
  of: (service: ServiceCensus) => number,
  kind: keyof Doubts,
  noun: string,
): string {
  const count = services.reduce((sum, service) => sum + of(service), 0);
  const isUnsure = services.some((service) => doubtsOf(service)[kind]);
  return isUnsure ? `${doubtful(grouped(count), count, true)} ${noun}s` : counted(count, noun);
}

function problemLine(services: readonly ServiceCensus[], style: Style): readonly string[] {
  const errors = services.reduce((sum, { failures }) => sum + failures.total, 0);
  const warnings = services.reduce((sum, service) => sum + service.warnings.length, 0);
  const parts = [
    ...(errors > 0 ? [style.red(counted(errors, 'error'))] : []),
    ...(warnings > 0 ? [style.yellow(counted(warnings, 'warning'))] : []),
  ];
  if (parts.length === 0) return [];
  const symbol = errors > 0 ? style.red(style.symbols.error) : style.yellow(style.symbols.warning);
  const doubt = errors > 0 ? ': not everything could be counted' : '';
  return wrap(`${symbol} ${parts.join(' and ')} above${doubt}`, style.width, 2);
}
