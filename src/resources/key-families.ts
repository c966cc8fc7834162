/** Keys of a database that begin alike, and whose they are by their names alone. */
import { classifyQueueKey, isReplyList } from '../celery/keys.ts';
import type { BrokerKeys } from '../celery/keys.ts';
import type { ServiceConfig } from '../config/types.ts';
import { matchesKeyPattern } from '../model/key-pattern.ts';
import type { Family } from '../redis/families.ts';
import { startsWith } from '../redis/scan.ts';
import { targetIdentity } from '../redis/target.ts';
import type { RedisTarget } from '../redis/target.ts';
import { printable } from '../report/printable.ts';
import { isProgram, programOf } from './other-programs.ts';
import { counted, grouped } from '../report/text.ts';

export interface SubjectKeys {
  readonly broker: BrokerKeys;
  readonly queues: readonly string[];
  readonly results: 'own' | 'all' | 'none';
  readonly isProtected: (key: Buffer) => boolean;
  readonly isLock: (key: Buffer) => boolean;
}

/** Whose keys a survey is about. */
export interface SurveySubject {
  readonly config: ServiceConfig;
  readonly keys: SubjectKeys;
  /** The other services of the config with jobs or queues in the database that is surveyed. */
  readonly neighbours: readonly ServiceConfig[];
}

export interface KnownFamily {
  /** Printable: `job:`. */
  readonly prefix: string;
  readonly bytes: Buffer;
  readonly count: number;
  /** Of all keys of the database, from 0 to 1. */
  readonly share: number;
  readonly samples: readonly Buffer[];
  /** Types of some of them, the most frequent first: `string`, `hash` … */
  readonly types: readonly string[];
  /**
   * `jobs`, `index`, `queue`, `Celery`, `foreign`, `another service`, or a program like `RQ`; undefined:
   * nobody's by name.
   */
  readonly whose: string | undefined;
  /** Why they look like jobs; empty: they do not. */
  readonly evidence: readonly string[];
  /** The services whose jobs they are by that evidence; several: it does not tell which. */
  readonly claimants: readonly string[];
  /** The surveyed service is tied to them by its own name or queue, and not by any service's words. */
  readonly isTied: boolean;
}

/** Results and states of groups of any Celery app in the database. */
const CELERY = ['celery-task-meta-', 'celery-taskset-meta-', 'chord-unlock-'].map((text) =>
  Buffer.from(text),
);

const BINDING = /^(.+?)_kombu\.binding\.(.*)$/s;

/**
 * What stands before kombu's own names where an app has a `global_keyprefix` that the config does not
 * have, with the exchanges that are declared behind it.
 */
export function foreignFronts(
  families: readonly KnownFamily[],
  globalKeyPrefix: string,
): ReadonlyMap<string, ReadonlySet<string>> {
  const fronts = new Map<string, Set<string>>();
  for (const key of families.flatMap(({ samples }) => samples)) {
    const [, front, exchange] = BINDING.exec(key.toString()) ?? [];
    if (front === undefined || exchange === undefined || front === globalKeyPrefix) continue;
    fronts.set(front, (fronts.get(front) ?? new Set()).add(exchange));
  }
  return fronts;
}

/** Tells the owner of a family, undefined when at least one sample has none. */
export function createOwners(
  subject: SurveySubject,
): (family: Pick<Family, 'samples'>) => string | undefined {
  const { config, keys, neighbours } = subject;
  const bytes = (texts: readonly string[]): readonly Buffer[] =>
    texts.map((text) => Buffer.from(text));
  const own = bytes(config.keyPrefixes);
  const foreign = bytes(config.foreignKeyPrefixes);
  const indexes = bytes(config.indexKeys);
  const others = bytes(neighbours.flatMap(({ keyPrefixes }) => keyPrefixes));
  const othersIndexes = bytes(neighbours.flatMap(({ indexKeys }) => indexKeys));
  const queues = keys.queues.map(keys.broker.queue);
  const othersQueues = bytes(neighbours.flatMap(queueNames));
  const begins = (key: Buffer, starts: readonly Buffer[]): boolean =>
    starts.some((start) => startsWith(key, start));
  const matches = (key: Buffer, patterns: readonly Buffer[]): boolean =>
    patterns.some((pattern) => matchesKeyPattern(pattern, key));
  const ofKey = (key: Buffer): string | undefined => {
    if (begins(key, foreign)) return 'foreign';
    if (keys.isProtected(key) || isReplyList(key)) return 'Celery';
    if (begins(key, [keys.broker.results, ...CELERY])) return 'Celery';
    if (queues.some((queue) => isQueueList(key, queue))) return 'queue';
    // Before one's own: in another database than the configured one a neighbour may have the same.
    if (begins(key, others) || othersQueues.some((queue) => isQueueList(key, queue))) {
      return 'another service';
    }
    if (begins(key, own)) return 'jobs';
    if (matches(key, othersIndexes)) return 'another service';
    return matches(key, indexes) ? 'index' : programOf(key);
  };
  return ({ samples }) => {
    const owners = new Set(samples.map(ofKey));
    return owners.has(undefined) ? undefined : [...owners][0];
  };
}

/** A queue's list, or one of its priorities: `thumbs:job:1` is none of the queue `thumbs`. */
export function isQueueList(key: Buffer, queue: Buffer): boolean {
  return startsWith(key, queue) && classifyQueueKey(key.subarray(queue.length)) === 'certain';
}

function queueNames({ celery }: ServiceConfig): readonly string[] {
  return celery?.queues.map((queue) => celery.globalKeyPrefix + queue) ?? [];
}

/** The other services with jobs or queues in the same database. */
export function neighboursIn(
  target: RedisTarget,
  config: ServiceConfig | undefined,
  all: readonly ServiceConfig[],
): readonly ServiceConfig[] {
  const identity = targetIdentity(target);
  return all.filter(
    (other) =>
      other !== config &&
      [other.redis, other.celery?.broker, other.celery?.resultBackend].some(
        (one) => one !== undefined && targetIdentity(one) === identity,
      ),
  );
}

const SHOWN = 6;

/** `job:* 312 strings (58 %), celery-task-meta-* 40 strings (7 %), …` */
export function familiesText({
  families,
  keys,
  isComplete,
}: {
  readonly families: readonly KnownFamily[];
  readonly keys: number;
  readonly isComplete: boolean;
}): string {
  const shown = families.slice(0, SHOWN).map(familyText);
  const more = families.length > shown.length ? [`and ${families.length - shown.length} more`] : [];
  const of = isComplete ? '' : ` (of the first ${grouped(keys)} keys)`;
  return [...shown, ...more].join(', ') + of;
}

export function familyText(family: KnownFamily): string {
  const percent = Math.round(family.share * 100);
  const owner = isProgram(family.whose) ? ` of ${family.whose}` : '';
  return `${familyName(family)} ${countText(family)}${owner} (${percent < 1 ? '<1' : percent} %)`;
}

/** `job:*`, or the whole name of a key that is alone. */
export function familyName({ prefix, count, samples }: KnownFamily): string {
  const [first] = samples;
  return count === 1 && first !== undefined ? printable(first) : `${prefix}*`;
}

function countText({ count, types }: KnownFamily): string {
  const [type, ...others] = types;
  const noun = type === undefined || others.length > 0 ? 'key' : type;
  return counted(count, noun, noun === 'hash' ? 'hashes' : undefined);
}
