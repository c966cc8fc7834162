/**
 * What Celery's result backend keeps of groups and chords (celery/backends/redis.py): the parts that
 * have ended (`.j`), a counter and the size (`.t`, `.s`), and the group itself. Those of removed messages
 * go with them; these are the others: of chords whose messages are gone, or that a revoked part wrote
 * once more.
 */
import { asRecord, asText, parseJson } from '../celery/message.ts';
import { onLink, resultsLink } from '../commands/links.ts';
import type { StepContext, WipeTally } from '../commands/step.ts';
import type { ServiceKeys } from '../commands/service-keys.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted, permittedOfType } from '../redis/errors.ts';
import { isTelling, keysOfJob } from '../redis/job-id.ts';
import { removeByPrefix } from '../redis/jobs.ts';
import { startsWith } from '../redis/scan.ts';
import { counted } from '../report/text.ts';
import type { SeenDatabases, SeenKeys } from '../resources/seen-keys.ts';
import { noteForbidden } from './forbidden-results.ts';

/** So many groups are looked into, and so many parts of each: one that is ours tells. */
const MOST_GROUPS = 5_000;
const PARTS = 3;
/** Of a saved group and of a result: the ids stand in the first bytes, or in a small value. */
const MOST_BYTES = 65_535;
/** So many ids of own groups are kept, for what comes back. */
const MOST_REMEMBERED = 20_000;

export function rememberGroups(tally: WipeTally, groupIds: readonly string[]): void {
  for (const id of groupIds) {
    if (tally.groupIds.size === MOST_REMEMBERED) return;
    tally.groupIds.add(id);
  }
}

/**
 * Before the jobs go, which tell whose a group is. With `results: "all"` every group of the database;
 * else those of removed messages that are there again, and those whose parts are tasks of a job or were
 * started by one.
 */
export async function wipeGroupStates(step: StepContext): Promise<void> {
  const { service, keys, tally, signal } = step;
  if (keys.results === 'none') return;
  const groups = seenGroups(step, step.seen);
  const done = { target: 'Redis', name: 'results' } as const;
  const link = resultsLink(service);
  await onLink(link, done, step.report, async (redis) => {
    if (keys.results === 'all') {
      for (const start of keys.broker.allGroups) {
        await removeByPrefix(redis, start, step.pace, signal, groups);
      }
      return;
    }
    const { own, others } = await tellApart(step, redis, byGroup(keys, groups));
    await redis.unlink(own, (refused, refusal) => {
      noteForbidden(step, link, refused, refusal);
    });
    if (others > 0 && tally.pass === 1) {
      step.warn(
        `Redis ${redis.label}: ${counted(others, 'key')} of groups and chords (celery-taskset-meta-*) that nothing of this service names: left alone; services.${service.config.name}.celery: "results": "all" removes them`,
        'note',
      );
    }
  });
}

/** Keys of groups that the wipe has removed and that are there again. */
export function countGroupsAgain(
  { service, keys, tally }: StepContext,
  seen: SeenDatabases,
): number {
  if (keys.results === 'none') return 0;
  let count = 0;
  for (const [id, found] of byGroup(keys, seenGroups({ service }, seen))) {
    const isOwn = keys.results === 'all' ? found.some((key) => isOfAll(keys, key)) : false;
    if (isOwn || tally.groupIds.has(id)) count += found.length;
  }
  return count;
}

function isOfAll({ broker }: ServiceKeys, key: Buffer): boolean {
  return broker.allGroups.some((start) => startsWith(key, start));
}

function seenGroups(
  { service }: Pick<StepContext, 'service'>,
  seen: SeenDatabases | undefined,
): SeenKeys['groups'] {
  const link = resultsLink(service);
  if (link === service.redis) return seen?.redis.groups;
  return link === service.broker ? seen?.broker.groups : undefined;
}

function byGroup({ broker }: ServiceKeys, groups: SeenKeys['groups']): Map<string, Buffer[]> {
  const found = new Map<string, Buffer[]>();
  for (const key of [...(groups?.batches() ?? [])].flat()) {
    const start = broker.groupStarts.find((one) => startsWith(key, one));
    if (start === undefined) continue;
    const id = key
      .subarray(start.length)
      .toString()
      .replace(/\.[jts]$/, '');
    found.set(id, [...(found.get(id) ?? []), key]);
  }
  return found;
}

async function tellApart(
  step: StepContext,
  redis: RedisConnection,
  groups: ReadonlyMap<string, readonly Buffer[]>,
): Promise<{ readonly own: readonly Buffer[]; readonly others: number }> {
  const own: Buffer[] = [];
  let others = 0;
  let looked = 0;
  for (const [id, keys] of groups) {
    step.signal.throwIfAborted();
    let isOwn = step.tally.groupIds.has(id);
    // Jobs that stay have groups that stay.
    if (!isOwn && step.keys.jobs.age === undefined && looked < MOST_GROUPS) {
      looked += 1;
      isOwn = await isOfOwnJob(step, redis, id, keys);
    }
    if (isOwn) {
      own.push(...keys);
      rememberGroups(step.tally, [id]);
    } else others += keys.length;
  }
  return { own, others };
}

async function isOfOwnJob(
  step: StepContext,
  redis: RedisConnection,
  groupId: string,
  keys: readonly Buffer[],
): Promise<boolean> {
  const parts = new Set<string>();
  for (const key of keys) for (const id of await idsIn(redis, key)) parts.add(id);
  const ids = [...parts].slice(0, 2 * PARTS);
  const started = await Promise.all(
    ids.map(async (id) => startersOf(redis, step.keys, groupId, id)),
  );
  const candidates = [...new Set([...ids, ...started.flat()])].filter(isTelling);
  const jobs = candidates.flatMap((id) =>
    step.service.config.keyPrefixes.flatMap((prefix) => keysOfJob(prefix, id)),
  );
  if (jobs.length === 0) return false;
  const known = step.seen?.redis.jobs;
  if (jobs.some((key) => known?.has(key) === true)) return true;
  const isThere = async (): Promise<number> => (await permitted(redis.exists(jobs))) ?? 0;
  return known === undefined && (await isThere()) > 0;
}

/** Ids of the tasks that are parts of a group, and of the task that a saved group was started by. */
async function idsIn(redis: RedisConnection, key: Buffer): Promise<readonly string[]> {
  const name = key.toString('latin1');
  if (/\.[ts]$/.test(name)) return [];
  if (!name.endsWith('.j')) {
    const saved = await permittedOfType(redis.send('GETRANGE', key, 0, MOST_BYTES));
    return Buffer.isBuffer(saved) ? textsIn(asRecord(parseJson(saved))?.['result']) : [];
  }
  const entries =
    (await permittedOfType(redis.send('ZRANGE', key, 0, PARTS - 1))) ??
    (await permittedOfType(redis.send('LRANGE', key, 0, PARTS - 1)));
  // `[1, task id, state, result]`
  return (entries ?? []).flatMap((entry) => {
    const part = parseJson(entry);
    const id = Array.isArray(part) ? asText(part[1]) : undefined;
    return id === undefined ? [] : [id];
  });
}

/** `[[id, parent], [[[id, parent], null], …]]` */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.slice(0, PARTS).flatMap(textsIn) : [];
}

/** The tasks that started a part of this group, as its result tells (celery/backends/base.py). */
async function startersOf(
  redis: RedisConnection,
  { broker }: ServiceKeys,
  groupId: string,
  taskId: string,
): Promise<readonly string[]> {
  for (const key of broker.resultsOf(Buffer.from(taskId))) {
    const value = await permittedOfType(redis.send('GETRANGE', key, 0, MOST_BYTES));
    const result = Buffer.isBuffer(value) ? asRecord(parseJson(value)) : undefined;
    if (result === undefined || result['group_id'] !== groupId) continue;
    return [asText(result['parent_id']), asText(result['root_id'])].filter(
      (id) => id !== undefined,
    );
  }
  return [];
}
