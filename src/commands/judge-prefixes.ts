import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { databaseSize, takeCensus, typesOf } from '../redis/families.ts';
import type { Family } from '../redis/families.ts';
import { startsWith } from '../redis/scan.ts';
import { asRecord, parseJson } from '../celery/message.ts';
import type { Failure } from '../report/types.ts';
import { printable } from '../report/printable.ts';
import { counted, grouped } from '../report/text.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';

/** Keys that begin alike, as far as it tells whose they are. */
export interface KnownFamily {
  readonly prefix: string;
  readonly count: number;
  /** Of all keys of the database, from 0 to 1. */
  readonly share: number;
  /** Types of some of them, the most frequent first: `string`, `hash` … */
  readonly types: readonly string[];
  /** Whose they are: this service's jobs or queues, Celery's, another service's; undefined: nobody's. */
  readonly whose: string | undefined;
  /** Why they look like jobs; empty: they do not. */
  readonly evidence: readonly string[];
  /** Whether they look like jobs of this service, and not of any. */
  readonly isOurs: boolean;
}

/** What a database holds, and whether the config's prefixes are the right ones. */
export interface PrefixVerdict {
  readonly keys: number;
  readonly isComplete: boolean;
  readonly families: readonly KnownFamily[];
  /** Families that are this service's jobs by all that can be seen, and that the config does not name. */
  readonly missed: readonly KnownFamily[];
  /** Families that nothing explains; some may look like somebody's jobs. */
  readonly strange: readonly KnownFamily[];
}

/** Other keys are worth a look when they are so many times more than the jobs. */
const FAR_MORE = 10;
/** … and when they are so many. */
const WORTH_A_LOOK = 100;

export interface Matched {
  /** Keys that begin with the service's prefixes, removed or not. */
  readonly matched: number;
  /** Of these are still there. */
  readonly left: number;
  /** Some ids of tasks of the service's queues; asked for when they are wanted. */
  readonly taskIds: () => Promise<readonly string[]>;
}

/**
 * Looks whether a prefix is wrong, when that is to be suspected: no key begins with it, or far fewer
 * than the database holds of others.
 * @returns undefined when nothing is suspicious. @throws RedisError, or the signal's reason.
 */
export async function suspectPrefixes(
  redis: RedisConnection,
  service: OpenService,
  { matched, left, taskIds }: Matched,
  signal: AbortSignal,
): Promise<PrefixVerdict | undefined> {
  const size = await databaseSize(redis);
  const others = size === undefined ? 0 : size - left;
  const isSuspicious =
    matched === 0
      ? size === undefined || others > 0
      : others >= WORTH_A_LOOK && others > FAR_MORE * matched;
  if (!isSuspicious) return undefined;
  const verdict = await judgePrefixes(redis, service, await taskIds(), signal);
  const missed = suspects(verdict, matched);
  if (missed.length === 0 && (matched > 0 || verdict.strange.length === 0)) return undefined;
  return { ...verdict, missed };
}

/** Those of the missed families that matter beside so many jobs. */
export function suspects({ missed }: PrefixVerdict, matched: number): readonly KnownFamily[] {
  return missed.filter(({ count }) => matched === 0 || count > FAR_MORE * matched);
}

/** In at most one SCAN. @throws RedisError, or the signal's reason. */
export async function judgePrefixes(
  redis: RedisConnection,
  service: OpenService,
  taskIds: readonly string[],
  signal: AbortSignal,
): Promise<PrefixVerdict> {
  const census = await takeCensus(redis, serviceKeys(service).isLock, signal);
  const whose = createOwners(service);
  const families: KnownFamily[] = [];
  for (const family of census.families) {
    const owner = whose(family);
    const known = families.length < MOST_LOOKED_AT;
    const types: ReadonlyMap<string, readonly Buffer[]> = known
      ? await typesOf(redis, family.samples)
      : new Map();
    const evidence =
      owner === undefined && known
        ? await findEvidence(redis, service, family, types.get('string') ?? [], taskIds)
        : NO_EVIDENCE;
    families.push({
      prefix: printable(family.prefix),
      count: family.count,
      share: family.count / census.keys,
      types: [...types].toSorted(([, a], [, b]) => b.length - a.length).map(([type]) => type),
      whose: owner,
      ...evidence,
    });
  }
  return {
    keys: census.keys,
    isComplete: census.isComplete,
    families,
    missed: families.filter(({ isOurs }) => isOurs),
    strange: families.filter((family) => family.whose === undefined && !family.isOurs),
  };
}

/** The rest is rare. */
const MOST_LOOKED_AT = 40;

function createOwners(service: OpenService): (family: Family) => string | undefined {
  const keys = serviceKeys(service);
  const { keyPrefixes, foreignKeyPrefixes } = service.config;
  const bytes = (texts: readonly string[]): readonly Buffer[] =>
    texts.map((text) => Buffer.from(text));
  const own = bytes(keyPrefixes);
  const foreign = bytes(foreignKeyPrefixes);
  const neighbours = bytes(service.neighbours);
  const queues = keys.queues.map(keys.broker.queue);
  const begins = (key: Buffer, starts: readonly Buffer[]): boolean =>
    starts.some((start) => startsWith(key, start));
  const ofKey = (key: Buffer): string | undefined => {
    if (begins(key, foreign)) return 'foreign';
    if (keys.isProtected(key) || key.includes('.reply.celery.pidbox')) return 'Celery';
    if (begins(key, [keys.broker.results, ...CELERY])) return 'Celery';
    if (begins(key, queues)) return 'queue';
    if (begins(key, own)) return 'jobs';
    if (begins(key, neighbours)) return 'another service';
    return undefined;
  };
  return ({ samples }) => {
    const owners = new Set(samples.map(ofKey));
    // One that nothing explains is a reason to look.
    return owners.has(undefined) ? undefined : [...owners][0];
  };
}

const CELERY = ['celery-task-meta-', 'celery-taskset-meta-', 'chord-unlock-'].map((text) =>
  Buffer.from(text),
);

/** A job is small: what is larger is not read. */
const LARGEST_JOB = 64 * 1024;

/** Why these keys look like jobs, and this service's. @throws RedisError. */
async function findEvidence(
  redis: RedisConnection,
  service: OpenService,
  family: Family,
  strings: readonly Buffer[],
  taskIds: readonly string[],
): Promise<Evidence> {
  const jobsOfTasks = taskIds.map((id) => Buffer.concat([family.prefix, Buffer.from(id)]));
  const ofTasks = (await permitted(redis.exists(jobsOfTasks))) ?? 0;
  const jobs = await readJobs(redis, strings);
  // All of those that could be looked at, or nearly.
  const areJobs = jobs.length > 0 && jobs.length * 2 >= family.samples.length;
  if (!areJobs && ofTasks === 0) return NO_EVIDENCE;
  const keys = serviceKeys(service);
  const results = jobs.flatMap(({ id }) => keys.broker.resultsOf(Buffer.from(id)));
  const hasResults = keys.results !== 'none' && ((await permitted(redis.exists(results))) ?? 0) > 0;
  const name = likeness(printable(family.prefix), [
    service.config.name,
    ...service.config.keyPrefixes,
  ]);
  const ties = [
    ...(ofTasks > 0 ? ['with ids of tasks of its queue'] : []),
    ...(name === undefined ? [] : [`"${name}" in their name`]),
  ];
  return {
    evidence: [
      ...(areJobs ? ['JSON with id, status and created_at'] : []),
      ...(jobs.length > 0 && jobs.every(({ isNamedById }) => isNamedById)
        ? ['named by their id']
        : []),
      // Every Celery app has those.
      ...(hasResults ? ['with results of tasks of these ids'] : []),
      ...ties,
    ],
    isOurs: ties.length > 0,
  };
}

type Evidence = Pick<KnownFamily, 'evidence' | 'isOurs'>;
const NO_EVIDENCE: Evidence = { evidence: [], isOurs: false };

interface SampledJob {
  readonly id: string;
  readonly isNamedById: boolean;
}

/** Those of the keys whose value looks like a job's. */
async function readJobs(
  redis: RedisConnection,
  strings: readonly Buffer[],
): Promise<readonly SampledJob[]> {
  const jobs: SampledJob[] = [];
  for (const key of strings) {
    const value = await permitted(redis.send('GETRANGE', key, 0, LARGEST_JOB - 1));
    const job = Buffer.isBuffer(value) ? asRecord(parseJson(value)) : undefined;
    if (job === undefined || !('status' in job) || !('created_at' in job)) continue;
    const id = job['id'] ?? job['job_id'];
    if (typeof id !== 'string' && typeof id !== 'number') continue;
    jobs.push({ id: String(id), isNamedById: key.toString().endsWith(String(id)) });
  }
  return jobs;
}

/** What any service may call its keys. */
const GENERIC = new Set([
  'job',
  'jobs',
  'task',
  'tasks',
  'item',
  'items',
  'queue',
  'data',
  'status',
]);
/** Transcriber and transcription are the same word. */
const STEM = 6;

/**
 * A word that the prefix has in common with the names of the service; or all of it, when it is one
 * that any service may use: `job:`, but not `print_job:`.
 */
function likeness(prefix: string, names: readonly string[]): string | undefined {
  const words = (text: string): readonly string[] =>
    text
      .toLowerCase()
      .split(/[^a-z]+/)
      .filter((word) => word.length > 2);
  const own = words(prefix);
  const specific = own.filter((word) => !GENERIC.has(word));
  if (specific.length === 0) return own[0];
  const stems = new Set(names.flatMap(words).map((word) => word.slice(0, STEM)));
  return specific.find((word) => stems.has(word.slice(0, STEM)));
}

const SHOWN = 6;

/** `job:* 312 strings (58 %), celery-task-meta-* 40 strings (7 %), …` */
export function familiesText({ families, keys, isComplete }: PrefixVerdict): string {
  const shown = families.slice(0, SHOWN).map(familyText);
  const more = families.length > shown.length ? [`and ${families.length - shown.length} more`] : [];
  const of = isComplete ? '' : ` (of the first ${grouped(keys)} keys)`;
  return [...shown, ...more].join(', ') + of;
}

function familyText({ prefix, count, share, types }: KnownFamily): string {
  const [type, ...others] = types;
  const noun = type === undefined || others.length > 0 ? 'key' : type;
  const percent = Math.round(share * 100);
  return `${prefix}${count > 1 ? '*' : ''} ${counted(count, noun, noun === 'hash' ? 'hashes' : undefined)} (${percent < 1 ? '<1' : percent} %)`;
}

/** What the report says of jobs that the config's prefixes miss. */
export function missedFailure(
  label: string,
  service: OpenService,
  { missed }: PrefixVerdict,
  matched: number,
): Failure {
  const wanted = service.config.keyPrefixes.map((prefix) => `"${prefix}"`).join(' or ');
  const found = missed
    .map(
      ({ prefix, count, evidence }) =>
        `${grouped(count)} keys "${prefix}*" (${evidence.join(', ')})`,
    )
    .join(' and ');
  const begin = matched === 0 ? 'No key begins' : `Only ${grouped(matched)} keys began`;
  return {
    target: 'Redis',
    item: `${label} (jobs)`,
    code: 'EPREFIX',
    reason: `${begin} with ${wanted}, and ${found} look like jobs of this service: left alone`,
    hint: missedHint(service, missed, matched),
  };
}

/** The line to change in the config. */
export function missedHint(
  service: OpenService,
  missed: readonly KnownFamily[],
  matched: number,
): string {
  const { name, keyPrefixes } = service.config;
  const right = [...(matched === 0 ? [] : keyPrefixes), ...missed.map(({ prefix }) => prefix)];
  const value = right.length === 1 ? JSON.stringify(right[0]) : JSON.stringify(right);
  const foreign = JSON.stringify(missed.map(({ prefix }) => prefix));
  return `in the config, services.${name}: "keyPrefix": ${value}; if they are another program's: "foreignKeyPrefixes": ${foreign}`;
}

/** Other keys, perhaps somebody else's: perhaps all is well. */
export function nothingMatchedText(
  service: OpenService,
  verdict: PrefixVerdict,
): { readonly message: string; readonly hint: string } {
  const wanted = service.config.keyPrefixes.map((prefix) => `"${prefix}"`).join(' or ');
  const jobs = verdict.strange.filter(({ evidence }) => evidence.length > 0);
  const alike = jobs
    .map(({ prefix, evidence }) => `; "${prefix}*" may be jobs (${evidence.join(', ')})`)
    .join('');
  return {
    message: `no key begins with ${wanted}, but the database holds others: ${familiesText(verdict)}${alike}`,
    hint: 'if the service has jobs, correct keyPrefix or the database number in the config',
  };
}

export function nothingMatchedWarning(
  label: string,
  service: OpenService,
  verdict: PrefixVerdict,
): string {
  const { message, hint } = nothingMatchedText(service, verdict);
  return `Redis ${label}: ${message}; ${hint}`;
}
