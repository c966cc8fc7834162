import { doubtsOf } from '../report/census-text.ts';
import { counted, grouped } from '../report/text.ts';
import { megabytes } from '../report/totals.ts';
import type { Kind, ServiceCensus } from '../report/types.ts';
import { removedBy } from '../commands/standing.ts';
import type { StepContext } from '../commands/step.ts';

/** The last message of a wipe that a second signal ends: no verification and no report follow. */

export interface LeftOf {
  readonly kinds: readonly Kind[];
  /** The counts of the plan; undefined: nothing was counted before the wipe. */
  readonly counted: readonly ServiceCensus[] | undefined;
  readonly isVerified: (step: StepContext) => boolean;
}

/** The removed items, and the rest of the kinds that were not finished. Reads nothing, waits for nothing. */
export function leftText(steps: readonly StepContext[], of: LeftOf): string {
  const left = steps.flatMap((step) => serviceLeft(step, of));
  const rest = left.length === 0 ? 'nothing, all of it was verified' : left.join('; ');
  const errors = steps.reduce((sum, { tally }) => sum + tally.failures.list().total, 0);
  const trouble = errors === 0 ? '' : ` Errors before: ${grouped(errors)}.`;
  return `${wentText(steps)} Left: ${rest}.${trouble}`;
}

function wentText(steps: readonly StepContext[]): string {
  const { jobs, tasks, files, models, bytes } = removedBy(steps);
  const went = [
    counted(jobs, 'job'),
    counted(tasks, 'task'),
    counted(files, 'file'),
    counted(models, 'model'),
  ].join(', ');
  return `Removed before: ${went} (${megabytes(bytes)} MB freed).`;
}

function serviceLeft(step: StepContext, of: LeftOf): readonly string[] {
  const { tally, service } = step;
  const { name } = service.config;
  if (of.isVerified(step)) return [];
  const unfinished = of.kinds.filter((kind) => isAsked(step, kind) && !tally.finished.has(kind));
  const census = of.counted?.find((one) => one.name === name);
  if (tally.pass === 0) {
    const figures = census === undefined ? [] : figuresOf(step, unfinished, census);
    return [`${name} was not begun${figures.length === 0 ? '' : ` (${figures.join(', ')})`}`];
  }
  if (unfinished.length === 0) return [`${name} was gone through once and not verified`];
  if (census === undefined) return withoutCount(step, unfinished);
  const figures = figuresOf(step, unfinished, census);
  return [
    figures.length > 0
      ? `${figures.join(', ')} of ${name}`
      : `nothing that was counted of ${name}, but ${kindsText(step, unfinished)} were not finished`,
  ];
}

/** Whether the service has anything of the kind. */
function isAsked({ keys, service }: StepContext, kind: Kind): boolean {
  if (kind === 'jobs') return keys.jobs.prefixes.length > 0;
  if (kind === 'queue') return keys.queues.length > 0;
  return service.directories.some(({ located }) => located.kind === kind);
}

/** `about 137,065 jobs`, `3 queued tasks`, `12 files in Uploads and Temp`: plan minus removed. */
function figuresOf(
  step: StepContext,
  kinds: readonly Kind[],
  census: ServiceCensus,
): readonly string[] {
  const doubts = doubtsOf(census);
  const figures = kinds.flatMap((kind) => {
    if (doubts[kind === 'queue' ? 'tasks' : kind]) {
      return [`an unknown number of ${kindsText(step, [kind])}`];
    }
    if (kind === 'jobs') return [rest(census.jobs - step.tally.jobs, 'job')];
    if (kind !== 'queue') return [directoriesFigure(step, kind, census)];
    const { queued, inFlight } = census.tasks;
    return [
      rest(queued - step.tally.queued, 'queued task'),
      rest(inFlight - step.tally.inFlight, 'in-flight task'),
    ];
  });
  const [first, ...others] = figures.filter((figure) => figure !== '');
  if (first === undefined) return [];
  return [first.startsWith('an ') ? first : `about ${first}`, ...others];
}

function rest(count: number, noun: string): string {
  return count > 0 ? counted(count, noun) : '';
}

function directoriesFigure(
  step: StepContext,
  kind: 'files' | 'models',
  census: ServiceCensus,
): string {
  const { inHand } = step.tally;
  const open = openDirectories(step, kind);
  const before = census.directories
    .filter((one) => one.kind === kind && open.some(({ path }) => path === one.path))
    .reduce((sum, { files }) => sum + files, 0);
  const gone = inHand?.kind === kind ? inHand.deleted : 0;
  const noun = kind === 'files' ? 'file' : 'model';
  const figure = rest(before - gone, noun);
  return figure === '' ? '' : `${figure} in ${listed(open.map(({ name }) => name))}`;
}

function withoutCount(step: StepContext, unfinished: readonly Kind[]): readonly string[] {
  const { tally, service } = step;
  const { name } = service.config;
  const begun = unfinished.filter((kind) => tally.begun.has(kind));
  const ahead = unfinished.filter((kind) => !tally.begun.has(kind));
  return [
    ...begun.map(
      (kind) =>
        `${kindsText(step, [kind])} of ${name} were being removed: ${gone(step, kind)} gone, the rest is not counted`,
    ),
    ...(ahead.length === 0 ? [] : [`${kindsText(step, ahead)} of ${name} were not begun`]),
  ];
}

function gone({ tally }: StepContext, kind: Kind): string {
  const { inHand } = tally;
  if (kind === 'jobs') return grouped(tally.jobs);
  if (kind === 'queue') return grouped(tally.queued + tally.inFlight);
  const finished = tally.directories.reduce(
    (sum, one) => sum + (one.kind === kind ? one.deleted : 0),
    0,
  );
  return grouped(finished + (inHand?.kind === kind ? inHand.deleted : 0));
}

/** `jobs, tasks and files in Uploads and Temp` */
function kindsText(step: StepContext, kinds: readonly Kind[]): string {
  return listed(
    kinds.map((kind) => {
      if (kind === 'jobs') return 'jobs';
      if (kind === 'queue') return 'tasks';
      return `${kind} in ${listed(openDirectories(step, kind).map(({ name }) => name))}`;
    }),
  );
}

function openDirectories(
  { service, tally }: StepContext,
  kind: 'files' | 'models',
): readonly { readonly name: string; readonly path: string }[] {
  return service.directories
    .map(({ located }) => located)
    .filter((one) => one.kind === kind)
    .filter(
      ({ path }) => !tally.directories.some((done) => done.path === path && done.kind === kind),
    );
}

const MOST_NAMES = 6;

function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMES + 1;
  const shown = more > 1 ? [...names.slice(0, -more), `${more} more`] : names;
  const last = shown.at(-1) ?? '';
  return shown.length < 2 ? last : `${shown.slice(0, -1).join(', ')} and ${last}`;
}
