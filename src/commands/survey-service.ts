import { scanInFlight } from '../celery/in-flight.ts';
import { brokerKeys } from '../celery/keys.ts';
import { peekQueue } from '../celery/queue.ts';
import type { ServiceConfig } from '../config/types.ts';
import { targetIdentity, targetLabel } from '../redis/target.ts';
import type { Failure } from '../report/types.ts';
import { countIndexKeys } from '../resources/index-keys.ts';
import { unnamedJobs } from '../resources/job-findings.ts';
import { neighboursIn } from '../resources/key-families.ts';
import type { SurveySubject } from '../resources/key-families.ts';
import type { TaskIds } from '../resources/judge-families.ts';
import { surveyJobs } from '../resources/survey-jobs.ts';
import type { JobSurvey, SeenJobs, SurveyOccasion } from '../resources/survey-jobs.ts';
import { onLink } from './links.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';

/** The survey of a service's job keys, on the connections of an open service. */

export type OpenSubject = SurveySubject & { readonly all: readonly ServiceConfig[] };

export function subjectOf(service: OpenService): OpenSubject {
  const { config, all } = service;
  const neighbours = config.redis === undefined ? [] : neighboursIn(config.redis, config, all);
  return { config, keys: serviceKeys(service), neighbours, all };
}

/**
 * What is wrong with the config's job keys. A failing connection is reported; without one only what
 * the config itself leaves open is found.
 * @param ownTaskIds ids of the service's own tasks, where they are known; else its queues are asked.
 * @throws the signal's reason.
 */
export async function surveyService(
  service: OpenService,
  seen: Omit<SeenJobs, 'wereHere'>,
  options: {
    readonly occasion: SurveyOccasion;
    readonly report: (failure: Failure) => void;
    readonly ownTaskIds?: readonly string[];
  },
  signal: AbortSignal,
): Promise<JobSurvey> {
  const { config } = service;
  const { occasion, report, ownTaskIds } = options;
  if (config.redis === undefined) return { findings: [], judgement: undefined };
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
      return await surveyJobs(redis, subjectOf(service), known, { occasion, taskIds }, signal);
    },
  );
  if (survey !== undefined) return survey;
  const findings =
    config.jobKeys === 'not said'
      ? [unnamedJobs(config, targetLabel(config.redis), undefined)]
      : [];
  return { findings, judgement: undefined };
}

/** Index keys that are there now; 0 where none are configured or `--older-than` keeps them. */
export async function countIndexes(
  service: OpenService,
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<number> {
  if (service.config.indexKeys.length === 0 || service.before !== undefined) return 0;
  const count = await onLink(
    service.redis,
    { target: 'Redis', name: 'index keys' },
    report,
    async (redis) => countIndexKeys(redis, subjectOf(service), signal),
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
  const names = brokerKeys(celery.globalKeyPrefix);
  const ids = await onLink(
    service.broker,
    { target: 'Celery', name: 'queue' },
    report,
    async (broker) => {
      for (const queue of celery.queues) {
        const { taskIds } = await peekQueue(broker, names.queue(queue), SOME_IDS);
        if (taskIds.length > 0) return taskIds;
      }
      for await (const batch of scanInFlight(broker, celery.queues, names, signal)) {
        if (batch.taskIds.length > 0) return batch.taskIds.slice(0, SOME_IDS);
      }
      return [];
    },
  );
  return ids ?? [];
}
