/**
 * The one check of a service's job keys: whether the config names them, all of them and only them.
 * Asked by doctor, plan, stats and wipe.
 */
import { declaredQueues } from '../celery/routes.ts';
import type { ServiceConfig } from '../config/types.ts';
import type { Finding } from '../model/finding.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { databaseSize } from '../redis/families.ts';
import type { KeyNames } from '../redis/key-names.ts';
import { targetIdentity } from '../redis/target.ts';
import { alikeResults } from './alike-results.ts';
import {
  globalKeyPrefixes,
  jobsElsewhere,
  missedJobs,
  nothingMatched,
  otherDatabasesNote,
  queuesElsewhere,
  relatedKeys,
  resultsElsewhere,
  unnamedJobs,
  widePrefixes,
} from './job-findings.ts';
import { judgeFamilies } from './judge-families.ts';
import type { Judgement, TaskIds } from './judge-families.ts';
import { foreignFronts } from './key-families.ts';
import type { KnownFamily, SubjectKeys, SurveySubject } from './key-families.ts';
import { lookElsewhere } from './other-databases.ts';
import type { PrefixPart } from './prefix-parts.ts';
import { findRelatedKeys } from './related-keys.ts';
import type { SeenKeys } from './seen-keys.ts';
import { collectStrayFronts, strayResults } from './stray-results.ts';

/** What whoever asks has seen of the jobs. */
export interface SeenJobs {
  /** Keys that begin with the service's prefixes, removed or not; undefined: not counted yet. */
  readonly matched: number | undefined;
  /** Of these are still there. */
  readonly left: number;
  /** Ids of the first of them. */
  readonly ids: ReadonlySet<string>;
  readonly parts: readonly PrefixPart[];
  /** An earlier run removed jobs of the service from this database: the service keeps them here. */
  readonly wereHere: boolean;
  /** This run has purged tasks of the service: its queues were here, and are not any more. */
  readonly hadTasks?: boolean;
}

export interface JobSurvey {
  readonly findings: readonly Finding[];
  /** Undefined: nothing called for a look at all keys. */
  readonly judgement: Judgement | undefined;
}

/**
 * How thoroughly: `doctor` always looks at every key; `plan` only where that is quick or something is
 * suspicious; `wipe` where anything is left.
 */
export type SurveyOccasion = 'doctor' | 'plan' | 'wipe';

/** Other keys are worth a look when they are so many times more than the jobs. */
const FAR_MORE = 10;
/** … and when they are so many. */
const WORTH_A_LOOK = 100;
/** All names of so many keys are read within some 200 ms. */
const QUICK_KEYS = 100_000;

/** @throws RedisError of the connection, or the signal's reason. */
export async function surveyJobs(
  redis: RedisConnection,
  subject: SurveySubject & { readonly all: readonly ServiceConfig[] },
  seen: SeenJobs,
  options: {
    readonly occasion: SurveyOccasion;
    readonly taskIds: TaskIds;
    readonly keys?: SeenKeys | undefined;
  },
  signal: AbortSignal,
): Promise<JobSurvey> {
  const { config } = subject;
  const { label } = redis;
  const { taskIds } = options;
  const tables = options.keys?.bindings;
  const wide = widePrefixes(config, label, seen.parts);
  const isWorth = await isWorthALook(redis, subject, seen, options.occasion);
  const judgement = isWorth
    ? await judgeFamilies(
        redis,
        subject,
        {
          isServed: (seen.matched ?? 0) > 0 || seen.wereHere,
          taskIds,
          isOnlyQueue: async () => isOnlyQueueOf(redis, subject, tables, signal),
          census: options.keys?.census,
        },
        signal,
      )
    : undefined;
  if (config.jobKeys === 'none') return { findings: [], judgement };
  const matched = seen.matched ?? matchedIn(judgement);
  const missed = missedIn(config, judgement, matched);
  const findings: Finding[] = [...wide];
  if (config.jobKeys === 'not said') findings.push(unnamedJobs(config, label, judgement));
  else if (missed.length > 0) findings.push(missedJobs(config, label, missed, matched));
  if (missed.length === 0) {
    const { wereHere } = seen;
    const elsewhere = await lookElsewhere(
      redis,
      subject,
      { taskIds, seen: { matched, wereHere, ids: seen.ids } },
      signal,
    );
    // Where jobs match here, a few jobs in another database belong to another stack.
    const found = elsewhere.found.filter((one) => matched === 0 || one.certainty === 'certain');
    findings.push(...found.map((one) => jobsElsewhere(config, label, one, matched)));
    findings.push(...elsewhere.results.map((one) => resultsElsewhere(config, label, one)));
    const isFound = elsewhere.found.some(({ certainty }) => certainty === 'certain');
    const isHome = seen.hadTasks === true || (await isHomeOf(redis, subject));
    if (elsewhere.brokers.length > 0 && isOwnBroker(config) && !isHome && !wereHere) {
      findings.push(
        ...elsewhere.brokers.map(({ target, queues }) =>
          queuesElsewhere(config, label, target, queues),
        ),
      );
    }
    if (matched === 0 && !isFound) {
      if (!wereHere && !isHome) {
        findings.push(...otherDatabasesNote(config, label, elsewhere));
      }
      const strange =
        config.jobKeys === 'named' && judgement !== undefined
          ? nothingMatched(
              config,
              label,
              judgement,
              wereHere || (await hasOtherQueues(redis, subject, tables, signal)),
            )
          : undefined;
      if (strange !== undefined) findings.push(strange);
    }
  }
  const strays = options.keys?.strayFronts ?? straysIn(subject, judgement);
  findings.push(...(await strayResults(redis, subject, strays, seen.ids)));
  findings.push(...(await besideJobs(redis, subject, judgement, seen.ids)));
  return { findings, judgement };
}

/** Found among the samples of families: no pass has shown every name. */
function straysIn(subject: SurveySubject, judgement: Judgement | undefined): readonly Buffer[] {
  const fronts = collectStrayFronts(subject);
  for (const { samples } of judgement?.families ?? []) fronts.read(samples);
  return fronts.list();
}

/** What looks as if it belonged to the jobs, and stays. */
async function besideJobs(
  redis: RedisConnection,
  subject: SurveySubject,
  judgement: Judgement | undefined,
  jobIds: ReadonlySet<string>,
): Promise<readonly Finding[]> {
  const { config } = subject;
  const { label } = redis;
  const findings = [...alikeResults(subject, label, judgement, jobIds)];
  const fronts = foreignFronts(judgement?.families ?? [], config.celery?.globalKeyPrefix ?? '');
  findings.push(...globalKeyPrefixes(config, label, fronts));
  if (judgement !== undefined && config.jobKeys === 'named') {
    const isCelerys = ({ prefix }: KnownFamily): boolean =>
      [...fronts.keys()].some((front) => prefix.startsWith(front));
    const families = judgement.families.filter((family) => !isCelerys(family));
    const related = await findRelatedKeys(redis, config, families, jobIds);
    findings.push(...relatedKeys(config, label, related));
  }
  return findings;
}

/** Jobs of the service by all that can be seen, which its prefixes do not match. */
function missedIn(
  { name }: ServiceConfig,
  judgement: Judgement | undefined,
  matched: number,
): readonly KnownFamily[] {
  return (judgement?.families ?? []).filter(
    ({ claimants, count, isTied }) =>
      claimants.includes(name) && (matched === 0 || isTied || count > FAR_MORE * matched),
  );
}

function matchedIn(judgement: Judgement | undefined): number {
  return (judgement?.families ?? []).reduce(
    (sum, { whose, count }) => sum + (whose === 'jobs' ? count : 0),
    0,
  );
}

async function isWorthALook(
  redis: RedisConnection,
  subject: SurveySubject,
  { matched, left }: SeenJobs,
  occasion: SurveyOccasion,
): Promise<boolean> {
  if (occasion === 'doctor') return true;
  if (subject.config.jobKeys === 'none') return false;
  if (subject.config.jobKeys === 'not said') return true;
  const size = await databaseSize(redis);
  if (size === undefined) return matched === 0;
  if (size <= left) return false;
  const others = size - left - (await countKnown(redis, subject.keys, subject.config.name));
  if (others <= 0) return false;
  if (matched === 0 || occasion === 'wipe' || size <= QUICK_KEYS) return true;
  return others >= WORTH_A_LOOK && others > FAR_MORE * (matched ?? 0);
}

/**
 * Keys that are there by their exact names, and that nobody need be told of.
 * @param service whose lock counts too.
 */
export async function countKnown(
  redis: RedisConnection,
  { broker, queues }: Pick<SubjectKeys, 'broker' | 'queues'>,
  service?: string,
): Promise<number> {
  const names = [
    broker.unacked,
    broker.unackedIndex,
    broker.held,
    ...(service === undefined ? [] : [Buffer.from(broker.lock(service))]),
    ...['celery', broker.controlExchange, broker.replyExchange, 'celeryev', ...queues].map(
      broker.binding,
    ),
    ...queues.map(broker.queue),
  ];
  // EXISTS counts a key as often as it is named.
  const once = new Map(names.map((name) => [name.toString('latin1'), name]));
  return (await permitted(redis.exists([...once.values()]))) ?? 0;
}

/** Whether Celery knows the service's queues in this database: then the service lives here. */
async function isHomeOf(redis: RedisConnection, { keys }: SurveySubject): Promise<boolean> {
  const { broker, queues } = keys;
  if (queues.length === 0) return false;
  const names = [...queues.map(broker.binding), ...queues.map(broker.queue)];
  return ((await permitted(redis.exists(names))) ?? 0) > 0;
}

/** Whether nobody else ever declared a task queue in this database. */
async function isOnlyQueueOf(
  redis: RedisConnection,
  { keys, neighbours }: SurveySubject,
  tables: KeyNames | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (keys.queues.length === 0 || neighbours.length > 0) return false;
  const declared = await permitted(declaredQueues(redis, keys.broker, signal, tables));
  const names = [...(declared ?? [])];
  return names.length > 0 && names.every((name) => keys.queues.includes(name));
}

/** Whether another app has a task queue in this database; false where the service's are not known. */
async function hasOtherQueues(
  redis: RedisConnection,
  { keys }: SurveySubject,
  tables: KeyNames | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (keys.queues.length === 0) return false;
  const declared = await permitted(declaredQueues(redis, keys.broker, signal, tables));
  return [...(declared ?? [])].some((name) => !keys.queues.includes(name));
}

/** Whether the queues are configured to be in the database of the jobs. */
function isOwnBroker({ redis, celery }: ServiceConfig): boolean {
  return (
    redis !== undefined &&
    celery !== undefined &&
    targetIdentity(redis) === targetIdentity(celery.broker)
  );
}
