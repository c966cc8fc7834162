import type { RedisConnection } from './connect.ts';
import { permitted } from './errors.ts';
import { collectGivenNames } from './given-names.ts';
import { over } from './over.ts';
import { scanAll } from './scan.ts';

/** Keys that begin alike. */
export interface Family {
  /** What they begin with, as bytes: `job:`. */
  readonly prefix: Buffer;
  readonly count: number;
  /** Some of them, from all over: the same for the same keys, whatever order SCAN gives. */
  readonly samples: readonly Buffer[];
}

export interface KeyCensus {
  /** How many keys were looked at. */
  readonly keys: number;
  /** Whether those are all. */
  readonly isComplete: boolean;
  /** The most frequent first. */
  readonly families: readonly Family[];
  /** Single keys of any family whose names are likely no ids, and others, up to 5,000. */
  readonly givenNames: readonly Buffer[];
}

/** Enough to tell shares: SCAN's order is that of a hash. */
const MOST_KEYS = 2_000_000;
const SAMPLES = 8;
/** Memory stays bounded whatever names there are: what is rare beyond this is counted together. */
const MOST_FAMILIES = 2_000;
/** More variants of one beginning are no families but ids that do not look like ids. */
const MOST_VARIANTS = 40;

/** A census that is being taken: gets every key of a database, in any order. */
export interface OpenCensus {
  readonly read: (keys: readonly Buffer[]) => void;
  /** Whether no more keys are looked at. */
  readonly isFull: () => boolean;
  readonly end: () => KeyCensus;
}

/**
 * What the keys of a database begin with, told from the names alone, in one SCAN.
 * @param isOurs of keys that are there for the length of a run, and not to be told of.
 * @param most how many keys are looked at.
 * @throws RedisError, or the signal's reason.
 */
export async function takeCensus(
  redis: RedisConnection,
  isOurs: (key: Buffer) => boolean,
  signal: AbortSignal,
  most = MOST_KEYS,
): Promise<KeyCensus> {
  const census = openCensus(isOurs, most);
  for await (const batch of scanAll(redis, undefined, signal)) {
    census.read(batch);
    if (census.isFull()) break;
  }
  return census.end();
}

/** @param isOurs as for `takeCensus`. */
export function openCensus(isOurs: (key: Buffer) => boolean, most = MOST_KEYS): OpenCensus {
  const families = new Map<string, OpenFamily>();
  const variants = new Map<string, Set<string>>();
  const givenNames = collectGivenNames(ID);
  let keys = 0;
  return {
    read(batch) {
      if (keys >= most) return;
      for (const key of batch) {
        if (isOurs(key)) continue;
        keys += 1;
        const text = key.toString('latin1');
        count(families, prefixFor(text, variants), text, key);
        givenNames.read(text);
      }
    },
    isFull: () => keys >= most,
    end: () => ({
      keys,
      isComplete: keys < most,
      givenNames: givenNames.end(),
      families: [...merged(families, variants)]
        .map(([prefix, { count: number, samples }]) => ({
          ...{ count: number, samples: samples.map(({ key }) => key) },
          prefix: Buffer.from(prefix, 'latin1'),
        }))
        .toSorted((one, other) => other.count - one.count || one.prefix.compare(other.prefix)),
    }),
  };
}

interface Sample {
  readonly key: Buffer;
  readonly rank: number;
}

interface OpenFamily {
  count: number;
  /** By rank; those with the lowest ranks of all keys. */
  readonly samples: Sample[];
}

function count(families: Map<string, OpenFamily>, prefix: string, text: string, key: Buffer): void {
  let family = families.get(prefix);
  if (family === undefined) {
    if (families.size >= MOST_FAMILIES) return;
    family = { count: 0, samples: [] };
    families.set(prefix, family);
  }
  family.count += 1;
  const { samples } = family;
  const rank = rankOf(text);
  const last = samples.at(-1);
  if (samples.length === SAMPLES && last !== undefined && rank > last.rank) return;
  // SCAN may give a key twice. Copied, since a key is a piece of the reply that it came in.
  if (samples.some((one) => one.rank === rank && one.key.equals(key))) return;
  samples.push({ key: Buffer.from(key), rank });
  samples.sort(byRank);
  samples.length = Math.min(samples.length, SAMPLES);
}

function byRank(one: Sample, other: Sample): number {
  return one.rank - other.rank || one.key.compare(other.key);
}

/**
 * FNV-1a of the last part of the name (http://www.isthe.com/chongo/tech/comp/fnv): as good as chance,
 * the same whatever family the key is counted in, and the same for a job and the result of its task.
 */
function rankOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = text.length - 1; at >= 0; at -= 1) {
    const code = text.charCodeAt(at);
    if (!isAlphanumeric(code)) break;
    hash = Math.imul(hash ^ code, 0x01000193);
  }
  return hash >>> 0;
}

function isAlphanumeric(code: number): boolean {
  const lower = code | 0x20;
  return (code >= 0x30 && code <= 0x39) || (lower >= 0x61 && lower <= 0x7a);
}

function prefixFor(text: string, variants: Map<string, Set<string>>): string {
  const prefix = familyOf(text);
  const first = firstPart(prefix);
  if (first === prefix) return prefix;
  let known = variants.get(first);
  if (known === undefined) {
    if (variants.size >= MOST_FAMILIES) return first;
    known = new Set();
    variants.set(first, known);
  }
  if (known.size > MOST_VARIANTS) return first;
  known.add(prefix);
  return known.size > MOST_VARIANTS ? first : prefix;
}

/** Families that turned out to be too many of one beginning are one. */
function merged(
  families: ReadonlyMap<string, OpenFamily>,
  variants: ReadonlyMap<string, ReadonlySet<string>>,
): ReadonlyMap<string, OpenFamily> {
  const result = new Map<string, OpenFamily>();
  for (const [prefix, family] of families) {
    const first = firstPart(prefix);
    const name = (variants.get(first)?.size ?? 0) > MOST_VARIANTS ? first : prefix;
    const known = result.get(name);
    result.set(name, {
      count: (known?.count ?? 0) + family.count,
      samples: [...(known?.samples ?? []), ...family.samples].toSorted(byRank).slice(0, SAMPLES),
    });
  }
  return result;
}

const LONGEST = 64;
/** A UUID, eight or more hexadecimal digits, or a number, as a part of its own: not the 3 of `mp3:`. */
const ID =
  /(?<![a-z0-9])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8,}|\d+)(?![a-z0-9])/i;
const SEPARATORS = /[:/|.]/;

/**
 * What a key's name has in common with its like: all before the first id in it; without one, all up
 * to its last separator; else the whole name.
 */
export function familyOf(key: string): string {
  const text = key.slice(0, 4 * LONGEST);
  const id = ID.exec(text)?.index ?? 0;
  if (id > 0) return text.slice(0, id).slice(0, LONGEST);
  const parts = text.split(SEPARATORS);
  const last = parts.at(-1) ?? '';
  const prefix = last === '' ? text : text.slice(0, text.length - last.length);
  if (prefix !== '') return prefix.slice(0, LONGEST);
  // `download_dQw4w9WgXcQ`: without another separator the last `_` or `-` is one before an id.
  const beforeId = /^(.*[a-z0-9][_-])(?=[^_-]*[A-Z0-9])[^_-]{6,}$/.exec(text)?.[1];
  return (beforeId ?? text).slice(0, LONGEST);
}

function firstPart(prefix: string): string {
  const at = prefix.search(SEPARATORS);
  return at < 0 ? prefix : prefix.slice(0, at + 1);
}

/** Some thousands of keys by their types. @throws RedisError. */
export async function typesOf(
  redis: RedisConnection,
  keys: readonly Buffer[],
): Promise<ReadonlyMap<string, readonly Buffer[]>> {
  const types = await Promise.all(
    keys.map(async (key) => String((await permitted(redis.send('TYPE', key))) ?? 'none')),
  );
  const byType = new Map<string, Buffer[]>();
  for (const [index, type] of types.entries()) {
    // Gone since, or not for this user's eyes.
    if (type === 'none') continue;
    const ofType = byType.get(type) ?? [];
    byType.set(type, ofType);
    ofType.push(keys[index] as Buffer);
  }
  return byType;
}

/** Keys in the database now, over all primaries; undefined: not told. @throws RedisError. */
export async function databaseSize(redis: RedisConnection): Promise<number | undefined> {
  return await over(redis, async (_, { nodes }) => {
    const sizes = await permitted(Promise.all(nodes.map(async (node) => node.send('DBSIZE'))));
    return sizes?.reduce<number>((sum, size) => sum + size, 0);
  });
}
