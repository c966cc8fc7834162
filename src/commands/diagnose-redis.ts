import type { Need } from '../redis/permissions.ts';
import { readServerState } from '../redis/server-state.ts';
import type { ServerState } from '../redis/server-state.ts';
import type { Check, FamilyDiagnosis } from '../report/diagnosis.ts';
import { errorLine } from '../report/failures.ts';
import { megabytes } from '../report/totals.ts';
import type { Failure } from '../report/types.ts';
import { counted } from '../report/text.ts';
import type { Finding } from '../model/finding.ts';
import { createJobSample } from '../resources/job-sample.ts';
import { familiesText } from '../resources/key-families.ts';
import type { JobSurvey } from '../resources/survey-jobs.ts';
import { findServerLimits } from '../resources/server-limits.ts';
import { scanJobs } from '../redis/jobs.ts';
import type { SeenDatabases } from '../resources/seen-keys.ts';
import { linksOf, onLink, replicaFailure } from './links.ts';
import type { Link } from './links.ts';
import type { OpenService } from './open-services.ts';
import { jobNeeds, queueNeeds, resultNeeds } from './permissions.ts';
import { serviceKeys } from './service-keys.ts';
import type { ServiceKeys } from './service-keys.ts';
import { jobKeysOf, surveyService } from '../resources/survey-service.ts';

/**
 * What `doctor` says of a service's databases: whether it is the primary, what this user may not do,
 * memory and saving, and whether the prefixes are the right ones. Changes nothing.
 * @throws the signal's reason.
 */
export async function diagnoseRedis(
  service: OpenService,
  seen: SeenDatabases,
  signal: AbortSignal,
): Promise<{ readonly checks: readonly Check[]; readonly families: readonly FamilyDiagnosis[] }> {
  const checks: Check[] = [];
  const report = (failure: Failure): void => {
    // What is missing is told by the check of permissions, all at once.
    if (!REFUSED.has(failure.code)) checks.push(problemOf('redis', failure));
  };
  const keys = serviceKeys(service);
  const links = linksOf(service);
  for (const link of links) {
    const primary = link.connection?.replicaOf;
    if (primary !== undefined) report(replicaFailure(link, primary));
  }
  const { redis, broker, results } = service;
  const isElsewhere = results !== undefined && results !== redis;
  const ofJobs = jobNeeds(keys, isElsewhere ? 'elsewhere' : 'here');
  const tried = [
    ...(redis === broker
      ? [{ link: redis, needs: [...ofJobs, ...queueNeeds(keys)], what: 'jobs and queues' }]
      : [
          { link: redis, needs: ofJobs, what: 'jobs' },
          { link: broker, needs: queueNeeds(keys), what: 'queues' },
        ]),
    ...(isElsewhere ? [{ link: results, needs: resultNeeds(keys), what: 'results' }] : []),
  ];
  for (const { link, needs, what } of tried) {
    // A replica refuses whatever is tried on it.
    if (link?.connection?.replicaOf !== undefined) continue;
    checks.push(...(await limitChecks(link, { keys, needs, what }, report, signal)));
  }
  for (const link of links) {
    const state = await onLink(
      link,
      { target: link.failureTarget, name: 'memory' },
      report,
      readServerState,
    );
    if (state !== undefined) checks.push(memoryCheck(link, state), ...savingChecks(link, state));
  }
  const { findings, judgement } = await survey(service, seen, report, signal);
  checks.push(...prefixChecks(service, findings, judgement));
  return {
    checks,
    families: (judgement?.families ?? []).map((family) => ({
      prefix: family.prefix,
      keys: family.count,
      share: family.share,
      types: family.types,
      belongsTo: family.claimants.includes(service.config.name)
        ? 'perhaps this service'
        : family.whose,
    })),
  };
}

function problemOf(name: string, failure: Failure): Check {
  return { name, status: 'problem', message: errorLine(failure), hint: failure.hint };
}

/** What the check of commands and keys tells, all at once. */
export const REFUSED: ReadonlySet<string> = new Set(['NOPERM', 'ENOCOMMAND']);

/** Names of checks by the codes of what stands in the way of a wipe. */
const CHECK_OF: Readonly<Record<string, string>> = {
  NOPERM: 'acl',
  ENOCOMMAND: 'commands',
  EINSTEAD: 'commands',
  OOM: 'memory',
  MISCONF: 'saving',
};

async function limitChecks(
  link: Link | undefined,
  {
    keys,
    needs,
    what,
  }: { readonly keys: ServiceKeys; readonly needs: readonly Need[]; readonly what: string },
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  if (link === undefined || needs.length === 0) return [];
  const step = { target: link.failureTarget, name: 'permissions' };
  const found = await onLink(link, step, report, async (redis) => ({
    limits: await findServerLimits(link, redis, { keys, needs }, signal),
    user: redis.user,
  }));
  if (found === undefined) return [];
  const checks = found.limits.map(({ code, severity, item, reason, hint }): Check => ({
    name: CHECK_OF[code] ?? 'redis',
    // A wipe can empty a full Redis; the services that use it fail all the same.
    status: severity === 'problem' || code === 'OOM' ? 'problem' : 'warning',
    message: REFUSED.has(code) ? reason : `${item}: ${reason}`,
    hint,
  }));
  if (checks.some(({ status, name }) => status === 'problem' && name !== 'memory')) return checks;
  const message = `the user ${found.user} may do what a wipe of ${what} needs`;
  return [{ name: 'acl', status: 'ok', message, hint: '' }, ...checks];
}

const NEARLY_FULL = 0.9;

function memoryCheck(link: Link, state: ServerState): Check {
  const { usedMemory, maxMemory, evictionPolicy } = state;
  const share = maxMemory === 0 ? 0 : usedMemory / maxMemory;
  const of =
    maxMemory === 0 ? 'no limit' : `of ${megabytes(maxMemory)} MB, ${Math.round(share * 100)} %`;
  const used = `${link.label}: ${megabytes(usedMemory)} MB, ${of}`;
  if (maxMemory > 0 && evictionPolicy.startsWith('allkeys')) {
    return {
      name: 'memory',
      status: 'warning',
      message: `${used}, and ${evictionPolicy}: when it is full, jobs and queued tasks vanish`,
      hint: 'set maxmemory-policy noeviction for a Celery broker',
    };
  }
  return {
    name: 'memory',
    status: share >= NEARLY_FULL ? 'warning' : 'ok',
    message: used,
    hint: share >= NEARLY_FULL ? 'wipe what is not needed, or raise maxmemory' : '',
  };
}

function savingChecks(link: Link, { savesTo, lastSaveFailed }: ServerState): readonly Check[] {
  if (lastSaveFailed) {
    return [
      {
        name: 'saving',
        status: 'problem',
        message: `${link.label}: the last save to disk failed, so that Redis may refuse to remove anything (MISCONF)`,
        hint: 'look at its log and its disk',
      },
    ];
  }
  if (savesTo !== 'snapshots') return [];
  return [
    {
      name: 'saving',
      status: 'ok',
      message: `${link.label}: snapshots only: a wipe is on disk at the next one; --persist asks for it`,
      hint: '',
    },
  ];
}

async function survey(
  service: OpenService,
  seen: SeenDatabases,
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<JobSurvey> {
  const sample = createJobSample(service.config);
  const jobs = await jobKeysOf(service, serviceKeys(service), signal, seen.redis);
  const matched = await onLink(
    service.redis,
    { target: 'Redis', name: 'jobs' },
    report,
    async (redis) => {
      let count = 0;
      for await (const { keys } of scanJobs(redis, jobs, signal, seen.redis.jobs)) {
        count += keys.length;
        sample.note(keys);
      }
      return count;
    },
  );
  const ofJobs = { matched, left: matched ?? 0, ...sample.told() };
  const options = { occasion: 'doctor', report, keys: seen } as const;
  return await surveyService(service, ofJobs, options, signal);
}

/** What stands in the way of a true "verified", or that all keys are explained. */
function prefixChecks(
  { config }: OpenService,
  findings: readonly Finding[],
  judgement: JobSurvey['judgement'],
): readonly Check[] {
  const statuses = { problem: 'problem', warning: 'warning', note: 'ok' } as const;
  const found = findings.map(({ severity, item, reason, hint, code }): Check => {
    const all = code === 'EPREFIX' && judgement ? `; all: ${familiesText(judgement)}` : '';
    // A tick with a remedy would contradict itself: a note says what is there, and no more.
    const remedy = severity === 'note' ? '' : hint;
    const message = `${item}: ${reason}${all}`;
    return { name: 'prefix', status: statuses[severity], message, hint: remedy };
  });
  if (found.some(({ status }) => status === 'problem')) return found;
  if (judgement === undefined) return found;
  const { keys } = judgement;
  const none = config.jobKeys === 'none' ? 'no jobs, says keyPrefix []; ' : '';
  const message =
    keys === 0
      ? `${none}the database is empty`
      : `${none}${counted(keys, 'key')}: ${familiesText(judgement)}`;
  return [{ name: 'prefix', status: 'ok', message, hint: '' }, ...found];
}
