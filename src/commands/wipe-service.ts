import type { ServiceConfig } from '../config/types.ts';
import { targetLabel } from '../redis/target.ts';
import { KINDS } from '../report/types.ts';
import { settleAll } from '../settle-all.ts';
import type { Kind, ServiceReport } from '../report/types.ts';
import { notConfiguredKinds } from '../resources/coverage.ts';
import { seeKeys } from '../resources/seen-keys.ts';
import { wipeGroupStates } from '../wipe/group-states.ts';
import { removedSoFar } from './step.ts';
import type { StepContext, WipeTally } from './step.ts';
import type { Verdict } from './verify-service.ts';
import { wipeDirectory } from './wipe-directory.ts';
import { wipeReplyLists } from '../wipe/reply-lists.ts';
import { takeNewDirectories } from '../wipe/new-directories.ts';
import {
  surveyQueueNames,
  wipeAllResults,
  wipeInFlight,
  wipeJobs,
  wipeQueue,
} from './wipe-redis.ts';

/** What one service is removed from, at the same time: a stuck Redis does not keep files. */
export const PLACES = ['redis', 'files'] as const;
export type Place = (typeof PLACES)[number];

/** In the contract's order: queue, in-flight messages, jobs and results; files, models. */
const IN_ORDER = { redis: ['queue', 'jobs'], files: ['files', 'models'] } as const;

/**
 * Removes the chosen kinds of one service from Redis and from the disk. A failure is recorded and the
 * rest goes on. Fills the tally as it goes; a second pass removes what came since.
 * @throws the signal's reason; the tally then holds what was removed.
 */
export async function wipeService(step: StepContext, kinds: readonly Kind[]): Promise<void> {
  await beginPass(step);
  await settleAll(PLACES.map(async (place) => wipePlace(step, place, kinds)));
}

/** When the first place is begun. */
export async function beginPass({ tally, erasing }: StepContext): Promise<void> {
  tally.pass += 1;
  tally.unfinished.clear();
  tally.passStarted = performance.now();
  if (tally.pass > 1) {
    // Between two directories, so that none counts a link that is just being removed.
    await erasing.turn(async () => Promise.resolve(erasing.ledger.forget()));
  }
}

/** @throws the signal's reason. */
export async function wipePlace(
  step: StepContext,
  place: Place,
  kinds: readonly Kind[],
): Promise<void> {
  const chosen = IN_ORDER[place].filter((kind) => kinds.includes(kind));
  const seen = place === 'redis' && chosen.length > 0 ? await seeForRemoval(step, chosen) : {};
  for (const kind of chosen) {
    step.signal.throwIfAborted();
    if (place === 'redis') step.tally.begun.add(kind);
    await wipeKind({ ...step, ...seen }, kind, kinds);
    step.tally.begun.add(kind);
    step.tally.finished.add(kind);
  }
}

/** One pass tells of everything that is removed from Redis. */
async function seeForRemoval(
  step: StepContext,
  kinds: readonly Kind[],
): Promise<Pick<StepContext, 'seen'>> {
  const isQueueFirst = kinds.includes('queue') && step.keys.queues.length > 0;
  const first = isQueueFirst
    ? ({ target: 'Celery', name: 'queue' } as const)
    : ({ target: 'Redis', name: 'jobs' } as const);
  const census = step.tally.pass === 1 && kinds.includes('jobs') ? 'what stays' : 'none';
  const { service, report, signal } = step;
  const replyLists = census !== 'none' && step.keys.results === 'all';
  return { seen: await seeKeys(service, { kinds, census, replyLists }, { first, report }, signal) };
}

async function wipeKind(step: StepContext, kind: Kind, kinds: readonly Kind[]): Promise<void> {
  if (kind === 'queue') {
    if (step.keys.queues.length === 0) return;
    await wipeQueue(step);
    await wipeInFlight(step);
    if (step.tally.pass === 1 && !kinds.includes('jobs')) await surveyQueueNames(step);
  } else if (kind === 'jobs') {
    await wipeGroupStates(step);
    // First: the survey of the jobs touches what it looks at.
    await wipeReplyLists(step);
    await wipeJobs(step);
    await wipeAllResults(step);
  } else {
    // The question may have stood for long.
    if (step.tally.pass === 1) await takeNewDirectories(step, [kind]);
    for (const directory of step.service.directories) {
      if (directory.located.kind !== kind) continue;
      await step.erasing.turn(async () => {
        step.signal.throwIfAborted();
        step.tally.begun.add(kind);
        await wipeDirectory(step, directory);
      });
    }
  }
}

/** Kinds of an interrupted run that were not reached; tasks also go before the first pass. */
function notBegun(tally: WipeTally, kinds: readonly Kind[]): readonly Kind[] {
  const tasks = tally.queued + tally.inFlight + tally.cancelled.size;
  return kinds.filter((kind) => !tally.begun.has(kind) && (kind !== 'queue' || tasks === 0));
}

/** What the report says of a service. */
export function serviceReport(
  config: ServiceConfig,
  tally: WipeTally,
  verdict: Verdict,
  kinds: readonly Kind[],
): ServiceReport {
  const removed = removedSoFar(tally);
  return {
    name: config.name,
    redis: config.redis && targetLabel(config.redis),
    jobsRemoved: tally.jobs,
    resultsRemoved: tally.results,
    indexKeysRemoved: tally.indexKeys,
    unknown: KINDS.filter((kind) => tally.unknown.has(kind)),
    notConfigured: notConfiguredKinds(config),
    tasksPurged: { queued: tally.queued, inFlight: tally.inFlight },
    tasksCancelled: tally.cancelled.size,
    cameBack: tally.cameBack,
    filesDeleted: removed.files,
    modelsDeleted: removed.models,
    bytesFreed: tally.directories.reduce((total, one) => total + one.bytesFreed, 0),
    bytesHeldOpen: tally.directories.reduce((total, one) => total + one.bytesHeldOpen, 0),
    // Beside an error nothing is: what it is about was not done, or not seen.
    verified: verdict.verified && !tally.isDoubtful && tally.failures.list().total === 0,
    remaining: verdict.remaining,
    unseen: verdict.unseen,
    notBegun: notBegun(tally, kinds),
    failures: tally.failures.list(),
    warnings: tally.warnings,
    directories: tally.directories,
  };
}
