import { scanInFlight } from '../celery/in-flight.ts';
import { findQueueKeys, scanQueued } from '../celery/queue.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { keysOfJob } from '../redis/job-id.ts';
import { countByPrefix, countExisting, scanJobs, tellApart } from '../redis/jobs.ts';
import { startsWith } from '../redis/scan.ts';
import type { Failure, Kind } from '../report/types.ts';
import type { SeenDatabases } from '../resources/seen-keys.ts';
import { linksOf, onLink, resultsLink } from './links.ts';
import type { Link } from './links.ts';
import type { OpenService } from './open-services.ts';
import type { ServiceKeys } from './service-keys.ts';

const BATCH = 500;

/** What counting the results of one service works with. */
interface Look {
  readonly service: OpenService;
  readonly keys: ServiceKeys;
  /** What a pass over the databases found. */
  readonly seen: SeenDatabases;
  readonly report: (failure: Failure) => void;
  readonly signal: AbortSignal;
}

/** The keys that may hold the result of a task in a database. */
type ResultKeys = (taskId: Buffer, link: Link) => readonly Buffer[];

/**
 * The results that a wipe of these kinds would remove: of every job, of messages without a job, and
 * with `results: "all"` every other one of the database. Changes nothing.
 * @throws the signal's reason.
 */
export async function countResults(look: Look, kinds: readonly Kind[]): Promise<number> {
  const { results, resultsOf } = look.keys.broker;
  if (look.keys.results === 'none') return 0;
  if (look.keys.results === 'own' || !kinds.includes('jobs')) {
    return await countOwn(look, kinds, resultsOf);
  }
  const { seen, signal } = look;
  // Elsewhere, see `resultsLink`, nothing was seen of them.
  const known = (look.service.redis === undefined ? seen.broker : seen.redis).results;
  const { service, report } = look;
  const all =
    (await onLink(
      resultsLink(service),
      RESULTS,
      report,
      async (redis) => known?.size ?? (await countByPrefix(redis, results, signal)),
    )) ?? 0;
  // Own results can stand outside the prefix of all, or in another database, and are not among those then.
  const outside: ResultKeys = (id, link) =>
    resultsOf(id).filter((key) => link !== resultsLink(look.service) || !startsWith(key, results));
  return all + (await countOwn(look, kinds, outside));
}

async function countOwn(
  look: Look,
  kinds: readonly Kind[],
  resultKeys: ResultKeys,
): Promise<number> {
  const prefixes = kinds.includes('jobs') ? look.keys.jobs.prefixes : [];
  const jobs = { ...look.keys.jobs, prefixes };
  const countJobs = async (results: RedisConnection, link: Link): Promise<number> =>
    // Without jobs nothing is scanned; a service without Redis for jobs has none.
    onJobs(look, 0, async (redis) => {
      let found = 0;
      for await (const { ids } of scanJobs(redis, jobs, look.signal, look.seen.redis.jobs)) {
        const names = ids.flatMap((id) => resultKeys(id, link));
        found += await countExisting(results, names);
      }
      return found;
    });
  const ofJobs = (await onResults(look, countJobs)) ?? 0;
  if (!kinds.includes('queue')) return ofJobs;
  const isNew = tellApart();
  const ofMessages = { count: 0, hasFailed: false };
  await eachTaskIds(look, async (ids) => {
    // What failed once fails for the next ones too, and is told once.
    if (ofMessages.hasFailed) return;
    const fresh = ids.filter((id) => isNew(Buffer.from(id)));
    const alone = await onJobs(look, fresh, async (redis) => withoutJob(redis, fresh, prefixes));
    const found = await onResults(look, async (results, link) =>
      countExisting(
        results,
        alone.flatMap((id) => resultKeys(Buffer.from(id), link)),
      ),
    );
    ofMessages.hasFailed = found === undefined;
    ofMessages.count += found ?? 0;
  });
  return ofJobs + ofMessages.count;
}

/** On the database of the jobs. @param without where there is none, or it failed. */
async function onJobs<T>(
  { service, report }: Look,
  without: T,
  work: (redis: RedisConnection) => Promise<T>,
): Promise<T> {
  const step = { target: 'Redis', name: 'jobs' } as const;
  return (await onLink(service.redis, step, report, work)) ?? without;
}

const RESULTS = { target: 'Redis', name: 'results' } as const;

/** On each database that may hold results: the sum, undefined when one of them failed. */
async function onResults(
  { service, report }: Look,
  work: (redis: RedisConnection, link: Link) => Promise<number>,
): Promise<number | undefined> {
  let sum: number | undefined = 0;
  for (const link of linksOf(service)) {
    const found = await onLink(link, RESULTS, report, async (redis) => work(redis, link));
    sum = found === undefined || sum === undefined ? undefined : sum + found;
  }
  return sum;
}

/** The ids that messages name, in batches: there may be millions. */
async function eachTaskIds(
  look: Look,
  found: (ids: readonly string[]) => Promise<void>,
): Promise<void> {
  const { service, keys, seen, report, signal } = look;
  await onLink(service.broker, { target: 'Celery', name: 'queue' }, report, async (broker) => {
    const known = seen.broker.queueLists;
    const lists = await findQueueKeys(broker, keys.scope, keys.broker, signal, known);
    for await (const batch of scanQueued(broker, lists.keys, signal)) {
      await found(batch.taskIds);
    }
    for await (const batch of scanInFlight(broker, keys.scope, keys.broker, signal)) {
      await found(batch.taskIds);
    }
  });
}

/** The tasks that no job counts already. */
async function withoutJob(
  redis: RedisConnection,
  taskIds: readonly string[],
  prefixes: readonly string[],
): Promise<readonly string[]> {
  const alone: string[] = [];
  for (let start = 0; start < taskIds.length; start += BATCH) {
    const batch = taskIds.slice(start, start + BATCH);
    const jobs = await Promise.all(
      batch.map(async (id) =>
        countExisting(
          redis,
          prefixes.flatMap((prefix) => keysOfJob(prefix, id)),
        ),
      ),
    );
    alone.push(...batch.filter((_, index) => jobs[index] === 0));
  }
  return alone;
}
