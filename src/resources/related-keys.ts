/**
 * Keys that stand beside the jobs of a service and stay when those are wiped: an index that lists
 * their ids, a lock or a checkpoint with an id in its name, or keys that share the prefix's first word.
 */
import type { ServiceConfig } from '../config/types.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted, RedisError } from '../redis/errors.ts';
import { printable } from '../report/printable.ts';
import { isGeneric } from './job-evidence.ts';
import type { KnownFamily } from './key-families.ts';

export interface RelatedFamily {
  readonly family: KnownFamily;
  /** `list`: lists ids of the jobs; `name`: has ids in its names; `word`: is called alike. */
  readonly how: 'list' | 'name' | 'word';
}

/** So many ids are enough to find what contains them. */
const IDS = 10;
/** Of so many families the keys are looked at. */
const FAMILIES = 40;
/** Elements of a list that are compared with the ids. */
const ELEMENTS = 200;
const SEPARATOR = /[:/|.]/;

/**
 * @param jobIds some ids of the service's jobs, removed or there.
 * @throws RedisError of the connection.
 */
export async function findRelatedKeys(
  redis: RedisConnection,
  config: ServiceConfig,
  families: readonly KnownFamily[],
  jobIds: readonly string[],
): Promise<readonly RelatedFamily[]> {
  const ids = jobIds.slice(0, IDS);
  const words = firstWords(config.keyPrefixes);
  // What looks like jobs by itself is some service's jobs, and never an index to be removed.
  const strange = families.filter(
    ({ whose, claimants, evidence }) =>
      whose === undefined && claimants.length === 0 && evidence.length === 0,
  );
  const isAlike = ({ prefix }: KnownFamily): boolean => words.has(firstWord(prefix));
  const inOrder = [...strange.filter(isAlike), ...strange.filter((family) => !isAlike(family))];
  const related: RelatedFamily[] = [];
  for (const [index, family] of inOrder.entries()) {
    const isLookedAt = ids.length > 0 && index < FAMILIES;
    if (isLookedAt && (await hasIdsInNames(redis, family, ids))) {
      related.push({ family, how: 'name' });
    } else if (isLookedAt && (await listsIds(redis, family, config.keyPrefixes, ids))) {
      related.push({ family, how: 'list' });
    } else if (isAlike(family)) {
      related.push({ family, how: 'word' });
    }
  }
  return related;
}

/** `search` of `search:job:`; of `transcription_job:` `transcription`; none of `job:`. */
function firstWords(prefixes: readonly string[]): ReadonlySet<string> {
  return new Set(prefixes.map(firstWord).filter((word) => word !== '' && !isGeneric(word)));
}

function firstWord(prefix: string): string {
  const [part = '', ...more] = prefix.split(SEPARATOR);
  // A prefix of several parts names the service in the first one, whole.
  const isWhole = more.some((rest) => rest !== '');
  return isWhole ? part : (/^(.+?)[_-](?:jobs?|tasks?)[_-]?$/.exec(part)?.[1] ?? part);
}

/** Whether one of the ids, put into the place of the id in a sample's name, names a key. */
async function hasIdsInNames(
  redis: RedisConnection,
  family: KnownFamily,
  ids: readonly string[],
): Promise<boolean> {
  if (family.count === 1 && family.samples.some((key) => key.equals(family.bytes))) return false;
  const behind = new Set(
    family.samples.map((key) => {
      const rest = key.subarray(family.bytes.length).toString('latin1');
      const at = rest.search(SEPARATOR);
      return at < 0 ? '' : rest.slice(at);
    }),
  );
  const keys = [...behind].flatMap((end) =>
    ids.map((id) => Buffer.concat([family.bytes, Buffer.from(id), Buffer.from(end, 'latin1')])),
  );
  return ((await permitted(redis.exists(keys))) ?? 0) > 0;
}

/** Whether a sample is a collection that has one of the ids, or the key of such a job, as a member. */
async function listsIds(
  redis: RedisConnection,
  { samples, types }: KnownFamily,
  prefixes: readonly string[],
  ids: readonly string[],
): Promise<boolean> {
  const commands = types.flatMap((type) => (Object.hasOwn(MEMBER, type) ? [MEMBER[type]] : []));
  if (commands.length === 0 && !types.includes('list')) return false;
  const members = [...ids, ...prefixes.flatMap((prefix) => ids.map((id) => prefix + id))];
  for (const key of samples.slice(0, 3)) {
    for (const command of commands) {
      const replies = await Promise.all(
        members.map(async (member) => ofType(redis.send(command as string, key, member))),
      );
      if (replies.some((reply) => reply !== undefined && reply !== null && reply !== 0))
        return true;
    }
    if (!types.includes('list')) continue;
    const elements = await ofType(redis.send('LRANGE', key, 0, ELEMENTS - 1));
    const texts = Array.isArray(elements) ? (elements as readonly unknown[]).map(String) : [];
    if (texts.some((text) => members.includes(text))) return true;
  }
  return false;
}

/** The command that tells whether something is a member. */
const MEMBER: Readonly<Record<string, string>> = {
  zset: 'ZSCORE',
  set: 'SISMEMBER',
  hash: 'HEXISTS',
};

/** Undefined where the key is of another type by now, or not for this user. */
async function ofType<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await permitted(reply);
  } catch (error) {
    if (error instanceof RedisError && error.code === 'WRONGTYPE') return undefined;
    throw error;
  }
}

/** What `indexKeys` must say for these keys: the name, or a pattern. */
export function indexKeyOf({ bytes, count, samples }: KnownFamily): string {
  const [first] = samples;
  const isAlone = count === 1 && first !== undefined;
  const literal = printable(isAlone ? first : bytes).replaceAll(/[*?[\]\\]/g, '\\$&');
  return isAlone ? literal : `${literal}*`;
}
