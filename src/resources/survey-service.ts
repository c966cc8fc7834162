import { scanInFlight } from '../celery/in-flight.ts';
import { brokerKeys } from '../celery/keys.ts';
import type { BrokerKeys } from '../celery/keys.ts';
import { peekQueue } from '../celery/queue.ts';
import { possibleQueues } from '../celery/routes.ts';
import { scopeOf } from '../celery/scope.ts';
import type { ServiceConfig } from '../config/types.ts';
import type { Finding } from '../model/finding.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { keysOfJob } from '../redis/job-id.ts';
import { countExisting } from '../redis/jobs.ts';
import type { JobKeys } from '../redis/jobs.ts';
import { databaseSize, takeCensus } from '../redis/families.ts';
import type { Family } from '../redis/families.ts';
import type { KeyNames } from '../redis/key-names.ts';
import { startsWith } from '../redis/scan.ts';
import { targetIdentity, targetLabel } from '../redis/target.ts';
import type { Failure } from '../report/types.ts';
import { countIndexKeys } from './index-keys.ts';
import { unnamedJobs } from './job-findings.ts';
import { isQueueList, neighboursIn } from './key-families.ts';
import type { TaskIds } from './judge-families.ts';
import { broadcastQueues } from './broadcast-queues.ts';
import type { SeenDatabases, SeenKeys } from './seen-keys.ts';
import { subjectOf } from './survey-subject.ts';
import { surveyQueues } from './survey-queues.ts';
import { countKnown, surveyJobs } from './survey-jobs.ts';
import { surveyUnacked } from './survey-unacked.ts';
import type { JobSurvey, SeenJobs, SurveyOccasion } from './survey-jobs.ts';
import { onLink, silently } from '../commands/links.ts';
import type { OpenService } from '../commands/open-services.ts';
import { serviceKeys } from '../commands/service-keys.ts';
import type { ServiceKeys } from '../commands/service-keys.ts';

/** The survey of a service's job keys, on the connections of an open service. */

/**
 * What is wrong with the config's job keys. A failing connection is reported; without one only what
 * the config itself leaves open is found.
 * @param ownTaskIds ids of the service's own tasks, where they are known; else its queues are asked.
 * @param keys what a pass has found; else the databases are scanned.
 * @throws the signal's reason.
 */
export async function surveyService(
  service: OpenService,
  seen: Omit<SeenJobs, 'wereHere'>,
  options: {
    readonly occasion: SurveyOccasion;
    readonly report: (failure: Failure) => void;
    readonly ownTaskIds?: readonly string[];
    readonly keys?: SeenDatabases | undefined;
  },
  signal: AbortSignal,
): Promise<JobSurvey> {
  const { config } = service;
  const { occasion, report, ownTaskIds, keys } = options;
  if (config.redis === undefined) {
    const queues = await queueFindings(service, seen, { report, keys }, signal);
    return { findings: queues, judgement: undefined };
  }
  const known = new Map<ServiceConfig, readonly string[]>();
  if (ownTaskIds !== undefined && ownTaskIds.length > 0) known.set(config, ownTaskIds);
  const taskIds: TaskIds = async (of) => {
    const ids = known.get(of) ?? (await someTaskIds(service, of, report, signal));
    known.set(of, ids);
    return ids;
  };
  const survey = await onLink(
    service.redis,
    { target: 'Redis', name: 'other keys' },
    report,
    async (redis) => {
      const wereHere = service.earlier.removedJobs(config.name, redis.label);
      const known = { ...seen, wereHere };
      const options = { occasion, taskIds, keys: keys?.redis };
      return await surveyJobs(redis, subjectOf(service), known, options, signal);
    },
  );
  const isHere = service.redis === service.broker;
  const singled = isHere ? singledOut(survey?.judgement) : undefined;
  const queues = await queueFindings(service, { ...seen, singled }, { report, keys }, signal);
  if (survey !== undefined) {
    const broadcast = await broadcastFindings(service, survey, seen.ids, report);
    return { ...survey, findings: [...survey.findings, ...queues, ...broadcast] };
  }
  const findings =
    config.jobKeys === 'not said'
      ? [unnamedJobs(config, targetLabel(config.redis), undefined)]
      : [];
  return { findings: [...findings, ...queues], judgement: undefined };
}

async function broadcastFindings(
  { config, redis: link }: OpenService,
  { judgement }: JobSurvey,
  jobIds: ReadonlySet<string>,
  report: (failure: Failure) => void,
): Promise<readonly Finding[]> {
  const families = judgement?.families ?? [];
  const found = await onLink(link, { target: 'Celery', name: 'queues' }, report, async (redis) =>
    broadcastQueues(redis, config.name, families, jobIds),
  );
  return found === undefined ? [] : [found];
}

/** Queues that nobody names, in the broker's database; without a broker in the one of the jobs. */
export async function queueFindings(
  service: OpenService,
  seen: Pick<SeenJobs, 'ids' | 'hadTasks'> & {
    /** Keys of the broker's database that are worth a look; undefined: not known yet. */
    readonly singled?: readonly Buffer[] | undefined;
  },
  {
    report,
    keys: passed,
  }: {
    readonly report: (failure: Failure) => void;
    readonly keys?: SeenDatabases | undefined;
  },
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { config, all } = service;
  const tables = (config.celery === undefined ? passed?.redis : passed?.broker)?.bindings;
  const link = config.celery === undefined ? service.redis : service.broker;
  const target = config.celery?.broker ?? config.redis;
  if (target === undefined) return [];
  const found = await onLink(link, { target: 'Celery', name: 'queues' }, report, async (broker) => {
    const names = serviceKeys(service).broker;
    const declared = await declaredOn(link, broker, names, tables, signal);
    const known = {
      declared,
      neighbours: neighboursIn(target, config, all),
      hasJob: async (ids: readonly string[]) =>
        ids.some((id) => seen.ids.has(id)) || (await hasJobKey(service, ids, report)),
      hadTasks: seen.hadTasks === true,
      db: target.kind === 'cluster' ? undefined : target.db,
    };
    const keys = serviceKeys(service);
    const subject = { config, keys };
    const singled = seen.singled ?? (await singledBeside(broker, keys, signal));
    return [
      ...(await surveyQueues(broker, subject, known, signal)),
      ...(await surveyUnacked(broker, subject, keys.scope, singled, signal)),
    ];
  });
  return found ?? [];
}

/** Whether a job key with one of these ids is there now. */
async function hasJobKey(
  { config, redis: link }: OpenService,
  ids: readonly string[],
  report: (failure: Failure) => void,
): Promise<boolean> {
  const keys = ids.flatMap((id) => config.keyPrefixes.flatMap((prefix) => keysOfJob(prefix, id)));
  if (keys.length === 0) return false;
  const count = await onLink(link, { target: 'Redis', name: 'jobs' }, report, async (redis) =>
    permitted(countExisting(redis, keys)),
  );
  return (count ?? 0) > 0;
}

/** Of every family some, and those whose names are likely given. */
function singledOut(
  census:
    | {
        readonly families: readonly Pick<Family, 'samples'>[];
        readonly givenNames: readonly Buffer[];
      }
    | undefined,
): readonly Buffer[] {
  if (census === undefined) return [];
  return [...census.families.flatMap(({ samples }) => samples), ...census.givenNames];
}

/** Keys of the broker's database, where it holds anything but what is known there by name. */
async function singledBeside(
  broker: RedisConnection,
  keys: ServiceKeys,
  signal: AbortSignal,
): Promise<readonly Buffer[]> {
  if (keys.queues.length === 0) return [];
  const size = await databaseSize(broker);
  if (size !== undefined && size <= (await countKnown(broker, keys))) return [];
  return singledOut(await takeCensus(broker, keys.isLock, signal));
}

/** A queue that is declared while a run goes on is found by the next one. */
const declaredOnLink = new WeakMap<object, ReadonlySet<string>>();

async function declaredOn(
  link: object | undefined,
  redis: RedisConnection,
  names: BrokerKeys,
  tables: KeyNames | undefined,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const known = link === undefined ? undefined : declaredOnLink.get(link);
  if (known !== undefined) return known;
  const declared =
    (await permitted(possibleQueues(redis, names, signal, tables))) ?? new Set<string>();
  if (link !== undefined) declaredOnLink.set(link, declared);
  return declared;
}

/**
 * The keys of a service's jobs; lists of declared task queues are none, whatever a prefix matches.
 * @throws the signal's reason.
 */
export async function jobKeysOf(
  service: OpenService,
  { jobs, broker }: Pick<ServiceKeys, 'jobs' | 'broker'>,
  signal: AbortSignal,
  seen?: SeenKeys,
): Promise<JobKeys> {
  if (jobs.prefixes.length === 0) return jobs;
  const step = { target: 'Redis', name: 'queues' } as const;
  const declared = await onLink(service.redis, step, silently, async (redis) =>
    declaredOn(service.redis, redis, broker, seen?.bindings, signal),
  );
  if (declared === undefined || declared.size === 0) return jobs;
  return {
    ...jobs,
    protectedWith(prefix) {
      const isProtected = jobs.protectedWith(prefix);
      const near = [...declared].filter((queue) => startsWith(Buffer.from(queue), prefix));
      if (near.length === 0) return isProtected;
      const queues = near.map((queue) => Buffer.from(queue));
      return (key) =>
        isProtected?.(key) === true || queues.some((queue) => isQueueList(key, queue));
    },
  };
}

/** Index keys that are there now; 0 where none are configured or `--older-than` keeps them. */
export async function countIndexes(
  service: OpenService,
  report: (failure: Failure) => void,
  signal: AbortSignal,
  seen?: SeenKeys,
): Promise<number> {
  if (service.config.indexKeys.length === 0 || service.before !== undefined) return 0;
  const count = await onLink(
    service.redis,
    { target: 'Redis', name: 'index keys' },
    report,
    async (redis) => countIndexKeys(redis, subjectOf(service), signal, seen?.indexKeys),
  );
  return count ?? 0;
}

const SOME_IDS = 20;

/** Ids of a few tasks that wait in the queues of a service whose broker is the one of `service`. */
async function someTaskIds(
  service: OpenService,
  of: ServiceConfig,
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { celery } = of;
  const own = service.config.celery?.broker;
  if (celery === undefined || own === undefined) return [];
  if (targetIdentity(celery.broker) !== targetIdentity(own)) return [];
  const names = brokerKeys(celery);
  const ids = await onLink(
    service.broker,
    { target: 'Celery', name: 'queue' },
    report,
    async (broker) => {
      for (const queue of celery.queues) {
        const { taskIds } = await peekQueue(broker, names.queue(queue), SOME_IDS);
        if (taskIds.length > 0) return taskIds;
      }
      for await (const batch of scanInFlight(broker, scopeOf(celery.queues), names, signal)) {
        if (batch.taskIds.length > 0) return batch.taskIds.slice(0, SOME_IDS);
      }
      return [];
    },
  );
  return ids ?? [];
}
