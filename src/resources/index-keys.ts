/** The keys that list a service's jobs (`indexKeys`): wiped with the jobs, and not counted as jobs. */
import { isKeyPattern, matchesKeyPattern, scanPattern } from '../model/key-pattern.ts';
import type { RedisConnection } from '../redis/connect.ts';
import type { RedisError } from '../redis/errors.ts';
import { removeMatching } from '../redis/jobs.ts';
import type { KeyNames } from '../redis/key-names.ts';
import { collectKeys } from '../redis/key-pass.ts';
import type { KeyCollector } from '../redis/key-pass.ts';
import type { Pace } from '../redis/pace.ts';
import { scanAll } from '../redis/scan.ts';
import { createOwners } from './key-families.ts';
import type { SurveySubject } from './key-families.ts';

/**
 * Removes them; how many went. `known`: those that a pass has found, see `indexKeyCollector`. What is Celery's, a queue's, another service's or foreign stays,
 * whatever a pattern matches.
 * @throws RedisError, or the signal's reason.
 */
export async function wipeIndexKeys(
  redis: RedisConnection,
  subject: SurveySubject,
  pace: Pace,
  signal: AbortSignal,
  known?: KeyNames,
): Promise<number> {
  const mayGo = createGuard(subject);
  const { names, patterns } = split(subject);
  let refusal: RedisError | undefined;
  let removed = await redis.unlink(names.filter(mayGo), (_, error) => {
    refusal = error;
  });
  for (const pattern of patterns) {
    removed += await removeMatching(redis, { match: pattern, known }, mayGo, pace, signal);
  }
  if (refusal !== undefined) throw refusal;
  return removed;
}

/** Finds those that a pattern of `indexKeys` names; undefined: there is no pattern. */
export function indexKeyCollector(subject: SurveySubject): KeyCollector | undefined {
  const mayGo = createGuard(subject);
  const { patterns } = split(subject);
  if (patterns.length === 0) return undefined;
  const matches = (key: Buffer): boolean => patterns.some((one) => matchesKeyPattern(one, key));
  return collectKeys(patterns, (key) => matches(key) && mayGo(key));
}

/** How many are there. @throws RedisError, or the signal's reason. */
export async function countIndexKeys(
  redis: RedisConnection,
  subject: SurveySubject,
  signal: AbortSignal,
  known?: KeyNames,
): Promise<number> {
  const mayGo = createGuard(subject);
  const { names, patterns } = split(subject);
  let count = await redis.exists(names.filter(mayGo));
  if (known !== undefined) return count + known.size;
  for (const pattern of patterns) {
    for await (const keys of scanAll(redis, pattern, signal)) count += keys.filter(mayGo).length;
  }
  return count;
}

function createGuard(subject: SurveySubject): (key: Buffer) => boolean {
  const ownerOf = createOwners(subject);
  const { isLock } = subject.keys;
  return (key) => ownerOf({ samples: [key] }) === 'index' && !isLock(key);
}

function split({ config }: SurveySubject): {
  readonly names: readonly Buffer[];
  readonly patterns: readonly Buffer[];
} {
  const bytes = (texts: readonly string[]): readonly Buffer[] =>
    texts.map((text) => Buffer.from(text));
  return {
    names: bytes(config.indexKeys.filter((text) => !isKeyPattern(text))),
    // The guard matches each key again.
    patterns: bytes(config.indexKeys.filter(isKeyPattern)).map(scanPattern),
  };
}
