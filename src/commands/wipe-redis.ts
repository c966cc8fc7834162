import { MOST_REMEMBERED } from '../celery/cancel.ts';
import { removeInFlight, scanInFlight } from '../celery/in-flight.ts';
import { findQueueKeys, namedQueueKeys, purgeQueues } from '../celery/queue.ts';
import type { Shared } from '../celery/scope.ts';
import type { OnForbidden, RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { nothingKept } from '../redis/job-age.ts';
import { removeByPrefix, removeJobs } from '../redis/jobs.ts';
import { findingFailure, findingText } from '../report/finding-text.ts';
import type { Finding } from '../model/finding.ts';
import { printable } from '../report/printable.ts';
import { wipeIndexKeys } from '../resources/index-keys.ts';
import { counted, grouped } from '../report/text.ts';
import type { Kind } from '../report/types.ts';
import { linksOf, onLink, resultsLink, stepFailure } from './links.ts';
import type { Link } from './links.ts';
import { logRemoved } from './step-log.ts';
import { naiveWarning, strangeKeyWarning, undatedWarning } from './warnings.ts';
import { DEFAULT_ZONE } from './service-keys.ts';
import type { StepContext, WipeTally } from './step.ts';
import { doubtfulLists, sharedMessageFailures, unreadFailure } from '../wipe/left-messages.ts';
import { noteForbidden, resultsFailure } from '../wipe/forbidden-results.ts';
import { rememberGroups } from '../wipe/group-states.ts';
import { noteUnnamed } from '../wipe/unnamed-messages.ts';
import { jobKeysOf, queueFindings, surveyService } from '../resources/survey-service.ts';
import { subjectOf } from '../resources/survey-subject.ts';

/** Takes out every queued message of the service's queues, and the results of their tasks. */
export async function wipeQueue(step: StepContext): Promise<void> {
  const { service, keys, tally, observer, signal } = step;
  const before = tally.queued;
  const name = service.config.name;
  const unnamed = noteUnnamed(step, service.broker?.label ?? '');
  const done = await onLink(
    service.broker,
    { target: 'Celery', name: 'queue' },
    step.report,
    async (broker) => {
      // While consumers are being held nothing is scanned: their lists go by name.
      const known =
        step.seen === undefined
          ? await permitted(namedQueueKeys(broker, keys.queues, keys.broker))
          : step.seen.broker.queueLists;
      const found = await findQueueKeys(broker, keys.scope, keys.broker, signal, known);
      for (const { key, type } of found.strange) {
        step.warn(strangeKeyWarning(broker.label, key, type));
      }
      const doubtful = await doubtfulLists(service, broker, found.doubtful);
      doubtful.failures.forEach(step.report);
      await purgeQueues(
        broker,
        found.keys,
        step.pace,
        async (ids, purged, key) => {
          const { taskIds, groupIds } = ids;
          unnamed.note(key, ids);
          tally.queued = before + purged;
          observer.progress({ service: name, step: 'queue', done: purged, bytes: 0 });
          for (const id of taskIds) observer.item?.(name, 'queue', `task ${id}`);
          noteIds(tally, taskIds);
          await removeResultsOf(step, taskIds, groupIds);
        },
        signal,
      );
      return true;
    },
  );
  unnamed.tell();
  note(tally, 'queue', done);
  if (done !== undefined) {
    const queued = tally.queued - before;
    // Before the first pass: somebody is waited for, and must find nothing to go on with.
    if (tally.pass > 0 || queued > 0)
      logRemoved(step, 'queue', `Celery: ${counted(queued, 'queued task')} purged`, { queued });
  }
}

/** So many ids are kept for revoking: one more than a worker remembers. */
const KEPT_IDS = MOST_REMEMBERED + 1;

/**
 * Removes the service's own messages that workers hold unacknowledged, and their results.
 * @returns the ids of their tasks, up to one more than a worker remembers.
 */
export async function wipeInFlight(step: StepContext): Promise<readonly string[]> {
  const { service, keys, tally, observer, signal } = step;
  const ids: string[] = [];
  const before = tally.inFlight;
  const name = service.config.name;
  const unnamed = noteUnnamed(step, service.broker?.label ?? '');
  const done = await onLink(
    service.broker,
    { target: 'Celery', name: 'in flight' },
    step.report,
    async (broker) => {
      const shared: Shared[] = [];
      let unread = 0;
      for await (const batch of scanInFlight(broker, keys.scope, keys.broker, signal)) {
        shared.push(...batch.shared);
        unread += batch.unread;
        if (batch.deliveryTags.length === 0) continue;
        tally.inFlight += await removeInFlight(
          broker,
          batch.deliveryTags,
          keys.broker,
          (refusal) => {
            const failed = { target: 'Celery', name: 'in flight' } as const;
            step.report(stepFailure(service.broker, failed, refusal));
          },
        );
        unnamed.note(keys.broker.unacked, batch);
        const done = tally.inFlight - before;
        observer.progress({ service: name, step: 'in-flight', done, bytes: 0 });
        for (const id of batch.taskIds) observer.item?.(name, 'in-flight', `task ${id}`);
        noteIds(tally, batch.taskIds);
        if (tally.takenIds.size < KEPT_IDS) for (const id of batch.taskIds) tally.takenIds.add(id);
        ids.push(...batch.taskIds.slice(0, KEPT_IDS - ids.length));
        await removeResultsOf(step, batch.taskIds, batch.groupIds);
      }
      sharedMessageFailures(service, broker.label, shared).forEach(step.report);
      if (unread > 0) step.report(unreadFailure(broker.label, keys.broker.unacked, unread));
      return true;
    },
  );
  unnamed.tell();
  note(tally, 'queue', done);
  if (done !== undefined) {
    const inFlight = tally.inFlight - before;
    const message = `Celery: ${counted(inFlight, 'in-flight task')} removed`;
    // The cancelling of tasks looks here first, and finds nothing most of the time.
    if (tally.pass > 0 || inFlight > 0) logRemoved(step, 'in-flight', message, { inFlight });
  }
  return ids;
}

/** Removes the job keys and their results; loud when the prefix seems to be wrong. */
export async function wipeJobs(step: StepContext): Promise<void> {
  const { service, keys, tally, observer, signal } = step;
  const seen = step.seen?.redis;
  const before = { jobs: tally.jobs, results: tally.results };
  const name = service.config.name;
  const elsewhere = linksOf(service).filter((link) => link !== service.redis);
  const removeElsewhere = async (ids: readonly Buffer[]): Promise<number> =>
    unlinkResults(step, elsewhere, ids);
  const done = await onLink(
    service.redis,
    { target: 'Redis', name: 'jobs' },
    step.report,
    async (redis) => {
      await removeJobs(
        redis,
        await jobKeysOf(service, keys, signal, seen),
        keys.results === 'none'
          ? undefined
          : {
              starts: keys.broker.resultStarts,
              elsewhere: elsewhere.length === 0 ? undefined : removeElsewhere,
              failed(error) {
                tally.leavesResults = true;
                step.report(resultsFailure(service, error));
              },
              forbidden: (refused, refusal) => {
                noteForbidden(step, service.redis, refused, refusal);
              },
            },
        step.pace,
        (removed, removedKeys) => {
          tally.jobs = before.jobs + removed.jobs;
          tally.results = before.results + removed.results;
          tally.sample.note(removedKeys);
          observer.progress({ service: name, step: 'jobs', done: removed.jobs, bytes: 0 });
          for (const key of removedKeys) observer.item?.(name, 'jobs', printable(key));
        },
        signal,
        seen?.jobs,
      );
      if (tally.pass === 1) warnOfKeptJobs(step, redis);
      return true;
    },
  );
  if (service.config.jobKeys !== 'none') note(tally, 'jobs', done);
  await wipeIndexes(step);
  if (tally.pass === 1) await surveyStep(step);
  if (done !== undefined && keys.jobs.prefixes.length > 0) {
    const jobs = tally.jobs - before.jobs;
    const results = tally.results - before.results;
    const also = results > 0 ? `, ${counted(results, 'result')} removed` : '';
    logRemoved(step, 'jobs', `Redis: ${grouped(jobs)} jobs removed${also}`, { jobs, results });
  }
}

/** A step that could not be done leaves its kind unknown. */
function note(tally: WipeTally, kind: Kind, done: boolean | undefined): void {
  if (done !== undefined) return;
  tally.unknown.add(kind);
  tally.unfinished.add(kind);
}

/** `--older-than`: jobs that stay although nobody knows their age. */
function warnOfKeptJobs({ service, keys, warn }: StepContext, redis: RedisConnection): void {
  const kept = keys.jobs.age?.kept ?? nothingKept();
  if (kept.undated + kept.broken > 0) warn(undatedWarning(redis.label, kept));
  if (kept.naive > 0 && service.config.timeZone === undefined) {
    warn(naiveWarning(redis.label, kept, DEFAULT_ZONE), 'note');
  }
}

/** The keys that list the jobs; with `--older-than` they list younger jobs as well, and stay. */
async function wipeIndexes(step: StepContext): Promise<void> {
  const { service, keys, tally, signal } = step;
  const names = service.config.indexKeys;
  if (names.length === 0) return;
  if (keys.jobs.age !== undefined) {
    step.warn(`indexKeys (${names.join(', ')}) stay: --older-than`, 'note');
    return;
  }
  const removed = await onLink(
    service.redis,
    { target: 'Redis', name: 'index keys' },
    step.report,
    async (redis) =>
      wipeIndexKeys(redis, subjectOf(service), step.pace, signal, step.seen?.redis.indexKeys),
  );
  if (removed === undefined) {
    tally.unknown.add('jobs');
    return;
  }
  tally.indexKeys += removed;
  const message = `Redis: ${counted(removed, 'index key')} removed`;
  logRemoved(step, 'indexes', message, { index_keys: removed });
}

/** Whether the config names all of the service's jobs, told by what is left of the database. */
async function surveyStep(step: StepContext): Promise<void> {
  const { service, keys, tally, signal } = step;
  const { jobKeys } = service.config;
  if (jobKeys === 'none') {
    await surveyQueueNames(step);
    return;
  }
  // Where the jobs could not be removed, what is left of them is no sign of a wrong prefix.
  if (tally.unknown.has('jobs') && jobKeys === 'named') return;
  const kept = keys.jobs.age?.kept ?? nothingKept();
  const left = kept.young + kept.undated + kept.broken;
  const hadTasks = tally.queued + tally.inFlight > 0;
  const seen = { matched: tally.jobs + left, left, hadTasks, ...tally.sample.told() };
  const { findings } = await surveyService(
    service,
    seen,
    { occasion: 'wipe', report: step.report, ownTaskIds: tally.someTaskIds, keys: step.seen },
    signal,
  );
  tell(step, findings);
  if (jobKeys === 'not said') tally.unknown.add('jobs');
}

/** Whether the config names the service's queues, where the jobs are not looked at. */
export async function surveyQueueNames(step: StepContext): Promise<void> {
  const { service, tally, signal } = step;
  const hadTasks = tally.queued + tally.inFlight > 0;
  const seen = { hadTasks, ids: tally.sample.told().ids };
  const options = { report: step.report, keys: step.seen };
  tell(step, await queueFindings(service, seen, options, signal));
}

function tell(step: StepContext, findings: readonly Finding[]): void {
  for (const finding of findings) {
    if (finding.severity === 'problem') {
      step.tally.missesJobs = true;
      step.report(findingFailure(finding));
    } else {
      step.warn(findingText(finding), finding.severity);
    }
  }
}

/** So many ids of tasks are kept to see whose jobs are theirs. */
const SOME_IDS = 20;

function noteIds(tally: WipeTally, ids: readonly string[]): void {
  tally.someTaskIds.push(...ids.slice(0, SOME_IDS - tally.someTaskIds.length));
}

/** `results: "all"`: every result of the database, whosever it is. */
export async function wipeAllResults(step: StepContext): Promise<void> {
  const { service, keys, tally, signal } = step;
  const seen = service.redis === undefined ? step.seen?.broker : step.seen?.redis;
  if (keys.results !== 'all') return;
  const removed = await onLink(
    resultsLink(service),
    { target: 'Redis', name: 'results' },
    step.report,
    async (redis) => removeByPrefix(redis, keys.broker.results, step.pace, signal, seen?.results),
  );
  if (removed === undefined) return;
  tally.results += removed;
  const message = `Redis: ${counted(removed, 'other result')} removed`;
  logRemoved(step, 'results', message, { results: removed });
}

const IDS_A_COMMAND = 500;

/** Results of tasks, and what is kept of their groups and chords; the latter is not counted. */
export async function removeResultsOf(
  step: StepContext,
  taskIds: readonly string[],
  groupIds: readonly string[] = [],
): Promise<void> {
  if (taskIds.length + groupIds.length === 0) return;
  step.tally.results += await unlinkResults(
    step,
    linksOf(step.service),
    taskIds.map((id) => Buffer.from(id)),
    groupIds,
  );
}

/** @returns how many results went; what is kept of groups is not counted. */
async function unlinkResults(
  step: StepContext,
  places: readonly Link[],
  taskIds: readonly Buffer[],
  groupIds: readonly string[] = [],
): Promise<number> {
  const { keys, tally } = step;
  if (keys.results === 'none') return 0;
  rememberGroups(tally, groupIds);
  const named = { target: 'Redis', name: 'results' } as const;
  let results = 0;
  for (const link of places) {
    const removed = await onLink(link, named, step.report, async (redis) => {
      const forbidden: OnForbidden = (refused, refusal) => {
        noteForbidden(step, link, refused, refusal);
      };
      await redis.unlink(groupIds.flatMap(keys.broker.groupKeysOf), forbidden);
      let count = 0;
      for (let start = 0; start < taskIds.length; start += IDS_A_COMMAND) {
        const batch = taskIds.slice(start, start + IDS_A_COMMAND);
        const own = batch.flatMap((id) => keys.broker.resultsOf(id));
        count += await redis.unlink(own, forbidden);
      }
      return count;
    });
    tally.leavesResults ||= removed === undefined;
    results += removed ?? 0;
  }
  return results;
}
