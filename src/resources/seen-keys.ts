/**
 * What the steps of a service ask of a keyspace, found in one pass over each of its databases: the
 * names of its jobs, of lists that may be its queues', of routing tables, indexes and results, and
 * what else there is.
 */
import { replyListCollector } from '../celery/reply-lists.ts';
import { mayBeList } from '../celery/queue.ts';
import type { ServiceConfig } from '../config/types.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { isConnectionLost, RedisError } from '../redis/errors.ts';
import { openCensus } from '../redis/families.ts';
import type { KeyCensus } from '../redis/families.ts';
import { keysOfJob } from '../redis/job-id.ts';
import { createKeyNames } from '../redis/key-names.ts';
import type { KeyNames } from '../redis/key-names.ts';
import { collectKeys, readKeysTogether } from '../redis/key-pass.ts';
import type { KeyCollector, KeyReader, WaitingPasses } from '../redis/key-pass.ts';
import { patternOf, startsWith } from '../redis/scan.ts';
import { targetIdentity } from '../redis/target.ts';
import type { Failure, Kind } from '../report/types.ts';
import { onLink, resultsLink } from '../commands/links.ts';
import type { Link, Step } from '../commands/links.ts';
import type { OpenService } from '../commands/open-services.ts';
import { indexKeyCollector } from './index-keys.ts';
import { neighboursIn } from './key-families.ts';
import { collectStrayFronts } from './stray-results.ts';
import { subjectOf } from './survey-subject.ts';
import type { OpenSubject } from './survey-subject.ts';

/**
 * Of one database. Undefined is what was not asked for, and names that are too many to be kept: a
 * step that needs them scans for itself.
 */
export interface SeenKeys {
  /** Keys that begin with one of the job prefixes. */
  readonly jobs: KeyNames | undefined;
  /** Keys that by their names may be lists of the service's queues. */
  readonly queueLists: KeyNames | undefined;
  /** Keys of the routing tables of all exchanges. */
  readonly bindings: KeyNames | undefined;
  /** Keys that a pattern of `indexKeys` names. */
  readonly indexKeys: KeyNames | undefined;
  /** Results of the whole database, where all of them are the service's to remove. */
  readonly results: KeyNames | undefined;
  /** States of groups and chords, whosever they are. */
  readonly groups: KeyNames | undefined;
  /** Keys that are called like lists of replies. */
  readonly replyLists: KeyNames | undefined;
  readonly census: KeyCensus | undefined;
  /** Told with the census: what stands before results without being in the config. */
  readonly strayFronts: readonly Buffer[] | undefined;
}

/** Of the databases of a service; the same for both where they are one. */
export interface SeenDatabases {
  readonly redis: SeenKeys;
  readonly broker: SeenKeys;
}

/** Nothing was looked at in advance: each step scans for itself. */
export const NOTHING_SEEN: SeenKeys = {
  jobs: undefined,
  queueLists: undefined,
  bindings: undefined,
  indexKeys: undefined,
  results: undefined,
  groups: undefined,
  replyLists: undefined,
  census: undefined,
  strayFronts: undefined,
};

/**
 * `everything`: of all keys; `what stays`: without those that a wipe of these kinds removes. Costs
 * the names of all keys instead of a few.
 */
export type CensusWanted = 'none' | 'everything' | 'what stays';

interface Wanted {
  readonly kinds: readonly Kind[];
  readonly census: CensusWanted;
  /** Whether lists of replies are asked for; costs the names of all keys too. */
  readonly replyLists?: boolean;
  /** No other service of the run looks at the same time. */
  readonly isAlone?: boolean;
}

/**
 * Passes once over each database of a service, together with the run's other services there. Changes nothing. A command that Redis refuses is left to
 * the step that needs it: that one tells; a connection that fails is reported here.
 * @param first the step that a failing connection is reported of.
 * @throws the signal's reason.
 */
export async function seeKeys(
  service: OpenService,
  wanted: Wanted,
  { first, report }: { readonly first: Step; readonly report: (failure: Failure) => void },
  signal: AbortSignal,
): Promise<SeenDatabases> {
  const { redis, broker } = service;
  const see = async (link: Link | undefined): Promise<SeenKeys> => {
    const seen = await onLink(link, first, report, async (connection) => {
      try {
        if (link === undefined) return undefined;
        return await seeDatabase(service, { link, connection }, wanted, signal);
      } catch (error) {
        if (error instanceof RedisError && !isConnectionLost(error)) return undefined;
        throw error;
      }
    });
    return seen ?? NOTHING_SEEN;
  };
  const [seen, ofBroker] = await Promise.all([
    see(redis),
    broker === redis ? undefined : see(broker),
  ]);
  return { redis: seen, broker: ofBroker ?? seen };
}

/** `seeKeys` for a look that begins with the jobs. */
export async function seeForLook(
  service: OpenService,
  wanted: Wanted,
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<SeenDatabases> {
  const first = wanted.kinds.includes('jobs') ? JOBS : QUEUE;
  return await seeKeys(service, wanted, { first, report }, signal);
}

const JOBS: Step = { target: 'Redis', name: 'jobs' };
const QUEUE: Step = { target: 'Celery', name: 'queue' };

interface Readers {
  readonly jobs?: KeyCollector | undefined;
  readonly queueLists?: KeyCollector | undefined;
  readonly bindings?: KeyCollector | undefined;
  readonly indexKeys?: KeyCollector | undefined;
  readonly results?: KeyCollector | undefined;
  readonly groups?: KeyCollector | undefined;
  readonly replyLists?: KeyCollector | undefined;
}

async function seeDatabase(
  service: OpenService,
  { link, connection }: { readonly link: Link; readonly connection: RedisConnection },
  wanted: Wanted,
  signal: AbortSignal,
): Promise<SeenKeys> {
  const subject = subjectOf(service);
  const readers = await readersOf(service, subject, { link, connection }, wanted);
  const census =
    wanted.census !== 'none' && link === service.redis && wanted.kinds.includes('jobs')
      ? censusReader(subject, readers, wanted.census)
      : undefined;
  const strays = census === undefined ? undefined : collectStrayFronts(subject);
  // The census comes last: what the others keep is not told twice.
  const all: readonly (KeyReader | undefined)[] = [
    ...[readers.jobs, readers.queueLists, readers.bindings, readers.indexKeys, readers.results],
    readers.replyLists,
    readers.groups,
    strays && { patterns: undefined, read: strays.read },
    census,
  ];
  const isRead = await readKeysTogether(
    connection,
    all.filter((one) => one !== undefined),
    passOf(service, link, wanted.isAlone === true),
    signal,
  );
  // What the readers have kept of half a pass is not to be counted twice.
  if (!isRead)
    return await seeDatabase(service, { link, connection }, { ...wanted, isAlone: true }, signal);
  const names = (one: KeyCollector | undefined): KeyNames | undefined =>
    one?.names.isWhole === true ? one.names : undefined;
  return {
    jobs: names(readers.jobs),
    queueLists: names(readers.queueLists),
    bindings: names(readers.bindings),
    indexKeys: names(readers.indexKeys),
    results: names(readers.results),
    replyLists: names(readers.replyLists),
    groups: names(readers.groups),
    census: census?.end(),
    strayFronts: strays?.list(),
  };
}

/** Of each run, by its list of services. */
const waitingPasses = new WeakMap<readonly ServiceConfig[], WaitingPasses>();

/** Services share a pass where they come to one database as the same user. */
function passOf(
  { config, targets }: OpenService,
  { target }: Link,
  isAlone: boolean,
): { readonly waiting: WaitingPasses; readonly database: string; readonly others: number } {
  const waiting: WaitingPasses = waitingPasses.get(targets) ?? new Map();
  waitingPasses.set(targets, waiting);
  const { credentials, tls } = target;
  return {
    waiting,
    database: JSON.stringify([targetIdentity(target), credentials, tls]),
    others: isAlone ? 0 : neighboursIn(target, config, targets).length,
  };
}

async function readersOf(
  service: OpenService,
  subject: OpenSubject,
  { link, connection }: { readonly link: Link; readonly connection: RedisConnection },
  { kinds, census, replyLists }: Wanted,
): Promise<Readers> {
  const { keys, config } = subject;
  const isOfJobs = link === service.redis && kinds.includes('jobs');
  const isOfQueues = link === service.broker && kinds.includes('queue') && keys.queues.length > 0;
  const isOfResults = link === resultsLink(service) && kinds.includes('jobs');
  return {
    jobs:
      isOfJobs && config.keyPrefixes.length > 0
        ? collectBeginning(config.keyPrefixes.map((prefix) => Buffer.from(prefix)))
        : undefined,
    queueLists: isOfQueues
      ? collectKeys(
          keys.queues.map((queue) => patternOf(keys.broker.queue(queue))),
          await mayBeList(connection, keys.queues, keys.broker),
        )
      : undefined,
    // In the proof they are asked for again only where jobs are.
    bindings:
      kinds.includes('jobs') && (config.keyPrefixes.length > 0 || census !== 'none')
        ? collectBeginning([keys.broker.bindings])
        : undefined,
    indexKeys: isOfJobs && service.before === undefined ? indexKeyCollector(subject) : undefined,
    replyLists:
      replyLists === true && link === service.broker ? replyListCollector(keys.broker) : undefined,
    results:
      isOfResults && keys.results === 'all' ? collectBeginning([keys.broker.results]) : undefined,
    groups:
      isOfResults && keys.results !== 'none'
        ? collectBeginning(keys.broker.groupStarts)
        : undefined,
  };
}

function collectBeginning(prefixes: readonly Buffer[]): KeyCollector {
  return collectKeys(prefixes.map(patternOf), (key) =>
    prefixes.some((prefix) => startsWith(key, prefix)),
  );
}

/**
 * Results of jobs that go do not stay, and whose they are is known when all jobs have been seen. So
 * some are kept aside until then.
 */
function censusReader(
  { keys, config }: OpenSubject,
  { jobs, indexKeys }: Readers,
  wanted: CensusWanted,
): KeyReader & { readonly end: () => KeyCensus | undefined } {
  const census = openCensus(keys.isLock);
  if (wanted === 'everything') {
    return { patterns: undefined, read: census.read, end: census.end };
  }
  const prefixes = config.keyPrefixes.map((prefix) => Buffer.from(prefix));
  const starts = keys.results === 'own' ? keys.broker.resultStarts : [];
  const aside = createKeyNames();
  const stays = (key: Buffer): boolean => {
    if (prefixes.some((prefix) => startsWith(key, prefix))) return false;
    if (indexKeys?.names.has(key) === true) return false;
    return !starts.some((start) => startsWith(key, start)) || !aside.add(key);
  };
  const isOfJob = (key: Buffer): boolean =>
    starts.some((start) => {
      if (!startsWith(key, start)) return false;
      const id = key.subarray(start.length).toString();
      return config.keyPrefixes.some((prefix) =>
        keysOfJob(prefix, id).some((job) => jobs?.names.has(job)),
      );
    });
  return {
    patterns: undefined,
    read(batch) {
      census.read(batch.filter(stays));
    },
    end() {
      // Which results go with so many jobs is not known: what stays is seen afterwards.
      if (jobs?.names.isWhole === false && aside.size > 0) return undefined;
      for (const batch of aside.batches()) census.read(batch.filter((key) => !isOfJob(key)));
      return census.end();
    },
  };
}
