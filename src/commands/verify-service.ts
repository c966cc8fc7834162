import { setTimeout as sleep } from 'node:timers/promises';
import { countByPrefix } from '../redis/jobs.ts';
import { serverIdentity } from '../redis/server-state.ts';
import { doubtsOf } from '../report/census-text.ts';
import { chosenOf } from '../report/planned.ts';
import { counted } from '../report/text.ts';
import { remainingCount } from '../report/totals.ts';
import { NOTHING_LEFT } from '../report/types.ts';
import type { Failure, Kind, Remaining, ServiceCensus } from '../report/types.ts';
import { refreshCrew, reportStragglers } from './catch-up.ts';
import type { Crew } from './crew.ts';
import { inspectService } from './inspect-service.ts';
import type { Found } from './inspect-service.ts';
import { linksOf, onLink, resultsLink } from './links.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import { seeForLook } from '../resources/seen-keys.ts';
import type { SeenDatabases } from '../resources/seen-keys.ts';
import { countIndexes } from '../resources/survey-service.ts';
import { countGroupsAgain } from '../wipe/group-states.ts';
import { removedSoFar } from './step.ts';
import type { StepContext, WipeTally } from './step.ts';
import { removeLateResults } from '../wipe/count-cancelled.ts';
import { lookForForbidden } from '../wipe/forbidden-results.ts';
import { waitForSlow } from '../wipe/slow-workers.ts';
import { takeNewDirectories } from '../wipe/new-directories.ts';
import { wipeService } from './wipe-service.ts';

export interface Verdict {
  /** Everything asked for was looked at again, and nothing was there. */
  readonly verified: boolean;
  readonly remaining: Remaining;
  /** Kinds that could not be looked at, or not completely. */
  readonly unseen: readonly Kind[];
}

/** The first removal and the two that follow when something came back. */
const MOST_PASSES = 3;
/**
 * A look counts only so long after the removal began: who saves something every 50 ms must not be
 * missed because the wipe took 20.
 */
const SETTLE_MS = 100;
/** Who brought something back may do so again: then it is watched for a while. */
const WATCH_MS = 250;
/** With `--verify-for`: from one look to the next. */
const BETWEEN_LOOKS_MS = 200;

/**
 * Looks again, removes what came meanwhile, and looks again: until a look finds nothing, three times
 * at most; with `verifyFor` for so many milliseconds, however often.
 * @throws the signal's reason.
 */
export async function proveService(
  step: StepContext,
  crew: Crew,
  kinds: readonly Kind[],
  verifyFor: number,
): Promise<Verdict> {
  const { tally, signal } = step;
  const end = performance.now() + verifyFor;
  const service = step.service.config.name;
  for (let looks = 1; ; looks += 1) {
    await pause(tally.passStarted + (tally.pass > 1 ? WATCH_MS : SETTLE_MS), signal);
    await refreshCrew(crew);
    // A task that was killed late leaves its result late.
    await removeLateResults(crew);
    await lookForForbidden(step);
    const look = await lookAgain(step, kinds);
    const dirty =
      remainingCount(look.remaining) + look.results + look.indexKeys + look.directories > 0;
    const inTime = performance.now() < end;
    if (dirty && (inTime || (verifyFor === 0 && tally.pass < MOST_PASSES))) {
      const before = removedSoFar(tally);
      const unfinished = new Set(tally.unfinished);
      const results = tally.results + tally.indexKeys;
      const inodes = inodesFreed(tally);
      await wipeService(step, kinds);
      const back = difference(removedSoFar(tally), before);
      tally.cameBack = sum(tally.cameBack, withoutKinds(back, unfinished));
      if (remainingCount(back) + tally.results + tally.indexKeys - results > 0) continue;
      if (inodesFreed(tally) > inodes) continue;
      // Nothing of it could be removed: trying on would not help.
      if (!inTime && (await waitForSlow(crew))) continue;
      if (!inTime) return await conclude(step, crew, await lookAgain(step, kinds));
    } else if (!inTime) {
      if (await waitForSlow(crew)) continue;
      return await conclude(step, crew, look);
    }
    step.observer.progress({ service, step: 'watch', done: looks, bytes: 0 });
    await pause(Math.min(performance.now() + BETWEEN_LOOKS_MS, end), signal);
  }
}

interface Look extends Verdict {
  /** Results still there, where all of the database were to go. */
  readonly results: number;
  /** Keys of `indexKeys` still there. */
  readonly indexKeys: number;
  /** Empty directories that should have gone too. */
  readonly directories: number;
  readonly names: string;
}

async function conclude(step: StepContext, crew: Crew, look: Look): Promise<Verdict> {
  const { service, tally, observer } = step;
  const { name } = service.config;
  const { remaining } = look;
  const left = remainingCount(remaining);
  if (remainingCount(tally.cameBack) > 0) step.warn(cameBackWarning(tally.cameBack));
  if (left + look.directories > 0) step.warn(`still there: ${look.names}`);
  if (look.results > 0) {
    step.warn(`Redis: ${counted(look.results, 'result')} still there or there again`);
  }
  if (look.indexKeys > 0) {
    step.warn(`Redis: ${counted(look.indexKeys, 'index key')} still there or there again`);
  }
  const stragglers = reportStragglers(crew);
  const { missesJobs, leavesResults } = tally;
  const isGone =
    look.verified && look.results === 0 && look.indexKeys === 0 && look.directories === 0;
  const verified = isGone && !stragglers && !missesJobs && !leavesResults;
  const why =
    left > 0
      ? `${counted(left, 'item')} still there`
      : leavesResults
        ? 'results could not be removed'
        : missesJobs
          ? 'the config does not name all that is its own'
          : stragglers
            ? 'a worker may write again'
            : look.results + look.indexKeys > 0
              ? `${counted(look.results + look.indexKeys, 'result or index key')} still there`
              : look.directories > 0
                ? `${counted(look.directories, 'directory', 'directories')} still there`
                : 'not everything could be looked at';
  observer.log({
    level: verified ? 'INFO' : 'WARNING',
    service: name,
    step: 'verify',
    message: verified
      ? `Verified: ${name}: looked again, nothing is left`
      : `Not verified: ${name}: ${why}`,
    figures: { ...remaining },
  });
  return { verified, remaining, unseen: look.unseen };
}

/** @throws the signal's reason. */
async function lookAgain(step: StepContext, kinds: readonly Kind[]): Promise<Look> {
  await takeNewDirectories(step, kinds);
  const { service, tally, observer, signal } = step;
  for (const link of linksOf(service)) {
    await onLink(link, { target: 'Redis', name: 'primary' }, step.report, async (redis) => {
      await redis.confirmPrimary();
      const identity = await serverIdentity(redis);
      if (identity !== undefined) tally.provenOn.set(redis.label, identity);
    });
  }
  const names = collectNames();
  const seen = await seeForLook(service, { kinds, census: 'none' }, step.report, signal);
  const census = await inspectService({ ...service, failures: [], warnings: [] }, kinds, signal, {
    seen,
    progress: (done, bytes) => {
      observer.progress({ service: service.config.name, step: 'verify', done, bytes });
    },
    found: names.add,
  });
  for (const failure of newFailures(census, tally)) tally.failures.add(failure);
  const remaining = remainingOf(census);
  for (const kind of census.unknown) tally.unknown.add(kind);
  const groups = kinds.includes('jobs') ? countGroupsAgain(step, seen) : 0;
  const results = groups + (await countAllResults(service, kinds, tally, seen, signal));
  const indexKeys = kinds.includes('jobs')
    ? await countIndexes(service, step.report, signal, seen.redis)
    : 0;
  const blind =
    linksOf(service).some((link) => !link.connection) ||
    service.directories.some(
      ({ located, known }) => known === undefined && located.state.is !== 'missing',
    );
  const verified =
    !blind &&
    service.failures.length === 0 &&
    census.failures.total === 0 &&
    remainingCount(remaining) === 0;
  const directories = census.directories.reduce((sum, one) => sum + one.subdirectories, 0);
  const text = names.text(remaining, directories);
  const unseen = census.unknown.filter((kind) => kinds.includes(kind));
  return { verified, remaining, unseen, results, indexKeys, directories, names: text };
}

const NAMES_SHOWN = 5;

/** The first names of each kind, for a sentence. */
function collectNames(): {
  readonly add: Found;
  readonly text: (of: Remaining, directories: number) => string;
} {
  const first = new Map<Kind | 'directories', Set<string>>();
  return {
    add(kind, name) {
      const names = first.get(kind) ?? new Set();
      first.set(kind, names);
      if (names.size < NAMES_SHOWN) names.add(name());
    },
    text: ({ jobs, tasks, files, models }, directories) =>
      (
        [
          ['jobs', jobs, 'job'],
          ['queue', tasks, 'task'],
          ['files', files, 'file'],
          ['models', models, 'model'],
          // Those of files that are left are no news.
          ['directories', files + models > 0 ? 0 : directories, 'directory'],
        ] as const
      )
        .filter(([, count]) => count > 0)
        .map(([kind, count, noun]) => {
          const names = [...(first.get(kind) ?? [])].toSorted();
          const more = kind !== 'queue' && count > names.length ? ' and more' : '';
          return `${counted(count, noun, noun === 'directory' ? 'directories' : undefined)} (${names.join(', ')}${more})`;
        })
        .join(', '),
  };
}

function cameBackWarning({ jobs, tasks, files, models }: Remaining): string {
  const parts = [
    ...(jobs > 0 ? [counted(jobs, 'job')] : []),
    ...(tasks > 0 ? [counted(tasks, 'task')] : []),
    ...(files > 0 ? [counted(files, 'file')] : []),
    ...(models > 0 ? [counted(models, 'model')] : []),
  ];
  return `came back during the wipe: ${parts.join(', ')}, removed again; something still writes: stop the service if it must stay empty`;
}

function difference(after: Remaining, before: Remaining): Remaining {
  return {
    jobs: after.jobs - before.jobs,
    tasks: after.tasks - before.tasks,
    files: after.files - before.files,
    models: after.models - before.models,
  };
}

function sum(one: Remaining, other: Remaining): Remaining {
  return difference(one, difference(NOTHING_LEFT, other));
}

/** What an earlier pass left did not come back. */
function withoutKinds(counts: Remaining, kinds: ReadonlySet<Kind>): Remaining {
  return {
    ...counts,
    jobs: kinds.has('jobs') ? 0 : counts.jobs,
    tasks: kinds.has('queue') ? 0 : counts.tasks,
  };
}

/** @param until by `performance.now()`. @throws the signal's reason. */
async function pause(until: number, signal: AbortSignal): Promise<void> {
  const milliseconds = until - performance.now();
  if (milliseconds > 0) await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
  signal.throwIfAborted();
}

/** A second Ctrl-C ends it at once; whoever pressed it once waits this long for the figures. */
const LAST_LOOK_MS = 1_500;

/**
 * After an interruption: what is left, if that can be counted quickly.
 * @param before what was there before the wipe, where it was counted.
 */
export async function countLeft(
  service: OpenService,
  kinds: readonly Kind[],
  tally: WipeTally,
  before: ServiceCensus | undefined,
): Promise<Verdict> {
  const signal = AbortSignal.timeout(LAST_LOOK_MS);
  let counts = NOTHING_LEFT;
  let unseen: readonly (keyof Remaining)[] = REMAINING_OF.filter(([kind]) =>
    kinds.includes(kind),
  ).map(([, name]) => name);
  try {
    const census = await inspectService({ ...service, failures: [], warnings: [] }, kinds, signal);
    for (const failure of newFailures(census, tally)) tally.failures.add(failure);
    counts = remainingOf(census);
    const doubts = doubtsOf(census);
    const isUnseen = {
      ...doubts,
      jobs: doubts.jobs || isCutOff(service.redis),
      tasks: doubts.tasks || isCutOff(service.broker),
    };
    unseen = unseen.filter((name) => isUnseen[name]);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (unseen.length === 0) return { verified: false, remaining: counts, unseen: [] };
  const figures =
    before === undefined ? '' : ', the figures are those from before less what was removed';
  tally.warnings.push(
    `interrupted: what is left of ${unseen.join(', ')} was not counted${figures}; media-cleanup stats does`,
  );
  const reckoned = before === undefined ? counts : reckonedLeft(before, kinds, tally);
  const known = Object.fromEntries(unseen.map((name) => [name, reckoned[name]]));
  return {
    verified: false,
    remaining: { ...counts, ...known },
    // What is reckoned from the plan is a figure.
    unseen: before === undefined ? unseenKinds(unseen) : [],
  };
}

const REMAINING_OF = [
  ['jobs', 'jobs'],
  ['queue', 'tasks'],
  ['files', 'files'],
  ['models', 'models'],
] as const;

function unseenKinds(names: readonly (keyof Remaining)[]): readonly Kind[] {
  return REMAINING_OF.filter(([, name]) => names.includes(name)).map(([kind]) => kind);
}

function isCutOff(link: OpenService['redis']): boolean {
  return link !== undefined && link.connection === undefined;
}

function reckonedLeft(before: ServiceCensus, kinds: readonly Kind[], tally: WipeTally): Remaining {
  const left = difference(remainingOf(chosenOf(before, kinds)), removedSoFar(tally));
  return {
    jobs: Math.max(0, left.jobs),
    tasks: Math.max(0, left.tasks),
    files: Math.max(0, left.files),
    models: Math.max(0, left.models),
  };
}

/** With `results: "all"` none may be left; those of removed jobs alone cannot be named any more. */
async function countAllResults(
  service: OpenService,
  kinds: readonly Kind[],
  tally: WipeTally,
  seen: SeenDatabases,
  signal: AbortSignal,
): Promise<number> {
  const keys = serviceKeys(service);
  if (keys.results !== 'all' || !kinds.includes('jobs')) return 0;
  const report = (failure: Failure): void => {
    tally.failures.add(failure);
  };
  const known = (service.redis === undefined ? seen.broker : seen.redis).results;
  const count = await onLink(
    resultsLink(service),
    { target: 'Redis', name: 'results' },
    report,
    async (redis) => known?.size ?? (await countByPrefix(redis, keys.broker.results, signal)),
  );
  return count ?? 0;
}

/** What the wipe itself has not reported yet. */
function newFailures(census: ServiceCensus, tally: WipeTally): readonly Failure[] {
  const key = ({ target, item }: Failure): string => JSON.stringify([target, item]);
  const known = new Set(tally.failures.list().first.map(key));
  return census.failures.first.filter((failure) => !known.has(key(failure)));
}

function remainingOf(census: ServiceCensus): Remaining {
  return {
    jobs: census.jobs,
    tasks: census.tasks.queued + census.tasks.inFlight + (census.tasks.left ?? 0),
    files: census.files,
    models: census.models,
  };
}

function inodesFreed(tally: WipeTally): number {
  return tally.directories.reduce((sum, one) => sum + one.inodesFreed, 0);
}
