/**
 * Keys that stand beside the jobs of a service and stay when those are wiped: an index that lists
 * their ids, a lock or a checkpoint with an id in its name, or keys that share the prefix's first word.
 */
import { parseJson } from '../celery/message.ts';
import type { ServiceConfig } from '../config/types.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted, permittedOfType } from '../redis/errors.ts';
import type { CommandLine } from '../redis/wire.ts';
import { printable } from '../report/printable.ts';
import { isGeneric } from './job-evidence.ts';
import type { KnownFamily } from './key-families.ts';

export interface RelatedFamily {
  readonly family: KnownFamily;
  /** `list`: lists ids of the jobs; `name`: has ids in its names; `word`: is called alike. */
  readonly how: 'list' | 'name' | 'word';
}

/** So many ids are put into the names of a family. */
const IDS = 10;
/** Of so many families the keys are looked at. */
const FAMILIES = 40;
/** Members of a collection that are compared with the ids. */
const MEMBERS = 200;
const SEPARATOR = /[:/|.]/;

/**
 * @param jobIds ids of the service's jobs, removed or there.
 * @throws RedisError of the connection.
 */
export async function findRelatedKeys(
  redis: RedisConnection,
  config: ServiceConfig,
  families: readonly KnownFamily[],
  jobIds: ReadonlySet<string>,
): Promise<readonly RelatedFamily[]> {
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
    const isLookedAt = jobIds.size > 0 && index < FAMILIES;
    if (isLookedAt && (await hasIdsInNames(redis, family, jobIds))) {
      related.push({ family, how: 'name' });
    } else if (isLookedAt && (await listsIds(redis, family, config.keyPrefixes, jobIds))) {
      related.push({ family, how: 'list' });
    } else if (isAlike(family)) {
      related.push({ family, how: 'word' });
    }
  }
  return related;
}

/** A short number is the id of many things, also behind a cluster's hash tag: `{tag}:17`. */
function isTelling(id: string): boolean {
  return id.length > 1 && !/^(?:\{.*\}[^A-Za-z0-9]?)?\d{1,7}$/.test(id);
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

/** Whether a name has one of the ids as a part, or a key is there that is named by one. */
async function hasIdsInNames(
  redis: RedisConnection,
  family: KnownFamily,
  ids: ReadonlySet<string>,
): Promise<boolean> {
  const names = family.samples.map((key) => key.toString());
  const isNamed = names.some((name) =>
    name.split(SEPARATOR).some((part) => isTelling(part) && ids.has(part)),
  );
  if (isNamed) return true;
  if (family.count === 1) return false;
  const ends = new Set(
    family.samples.map((key) => {
      const rest = key.subarray(family.bytes.length).toString('latin1');
      const at = rest.search(SEPARATOR);
      return at < 0 ? '' : rest.slice(at);
    }),
  );
  const some = [...ids].slice(0, IDS).filter(isTelling);
  const keys = [...ends].flatMap((end) =>
    some.map((id) => Buffer.concat([family.bytes, Buffer.from(id), Buffer.from(end, 'latin1')])),
  );
  return ((await permitted(redis.exists(keys))) ?? 0) > 0;
}

/** Whether a sample is a collection of the ids, or of the keys of such jobs. */
async function listsIds(
  redis: RedisConnection,
  { samples, types }: KnownFamily,
  prefixes: readonly string[],
  ids: ReadonlySet<string>,
): Promise<boolean> {
  const commands = types.flatMap((type) => (Object.hasOwn(READ, type) ? [READ[type]] : []));
  for (const key of samples.slice(0, 3)) {
    for (const command of commands) {
      if (command === undefined) continue;
      const [name, ...args] = command;
      const members = textsOf(await permittedOfType(redis.send(name, key, ...args)));
      const plain = members.map((member) => {
        const prefix = prefixes.find((one) => member.startsWith(one));
        return prefix === undefined ? member : member.slice(prefix.length);
      });
      const hits = plain.filter((member) => ids.has(member));
      if (hits.some(isTelling)) return true;
      const isOfNumbers = hits.length >= Math.min(3, ids.size) && hits.length * 2 >= plain.length;
      if (hits.length > 0 && isOfNumbers) return true;
    }
  }
  return false;
}

/** How some members of a collection are read; of a string a JSON array may be one. */
const READ: Readonly<Record<string, CommandLine>> = {
  zset: ['ZRANGE', 0, MEMBERS - 1],
  list: ['LRANGE', 0, MEMBERS - 1],
  set: ['SRANDMEMBER', MEMBERS],
  hash: ['HSCAN', '0', 'COUNT', MEMBERS],
  stream: ['XRANGE', '-', '+', 'COUNT', 20],
  string: ['GETRANGE', 0, 65_535],
};

/** Every text of a reply, however deep; of JSON in it the texts as well. */
function textsOf(reply: unknown): readonly string[] {
  if (Array.isArray(reply)) return (reply as readonly unknown[]).flatMap(textsOf);
  if (!Buffer.isBuffer(reply)) return [];
  const parsed = /^\s*[[{]/.test(reply.toString('latin1', 0, 16)) ? parseJson(reply) : undefined;
  return parsed === undefined ? [reply.toString()] : jsonTexts(parsed);
}

function jsonTexts(value: unknown): readonly string[] {
  if (typeof value === 'string' || typeof value === 'number') return [String(value)];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(jsonTexts).slice(0, MEMBERS);
}

/** What `indexKeys` must say for these keys: the name, or a pattern. */
export function indexKeyOf({ bytes, count, samples }: KnownFamily): string {
  const [first] = samples;
  const isAlone = count === 1 && first !== undefined;
  const literal = printable(isAlone ? first : bytes).replaceAll(/[*?[\]\\]/g, '\\$&');
  return isAlone ? literal : `${literal}*`;
}
