import { resolve } from 'node:path';
import type { RedisTarget } from '../redis/target.ts';
import type { JsonPath } from './json-path.ts';
import type { ProblemCollector } from './problems.ts';
import { pathProblem, resolveDirectories } from './resolve-directories.ts';
import {
  resolveBrokerSettings,
  resolveForeignPrefixes,
  resolveIndexKeys,
  resolvePrefixes,
  resolveQueues,
} from './resolve-names.ts';
import { resolveRedis } from './resolve-redis.ts';
import { resolveTimeZone } from './resolve-time-zone.ts';
import type { Located, ResolvedService } from './resolved.ts';
import type { ServiceDraft } from './schema.ts';
import { RESERVED_NAMES, SERVICE_NAME } from './types.ts';
import type { CeleryConfig, ServiceConfig } from './types.ts';

/** One service as far as it can be made out; what is wrong with it is added to `problems`. */
export function resolveService(
  name: string,
  draft: ServiceDraft,
  directory: string,
  problems: ProblemCollector,
): ResolvedService {
  const path: JsonPath = ['services', name];
  const redis =
    draft.redis === undefined
      ? undefined
      : resolveRedis(draft.redis, [...path, 'redis'], directory, problems);
  const prefixes = resolvePrefixes(draft.keyPrefix, [...path, 'keyPrefix'], problems);
  const foreignPrefixes = resolveForeignPrefixes(
    draft.foreignKeyPrefixes,
    [...path, 'foreignKeyPrefixes'],
    problems,
  );
  const indexKeys = resolveIndexKeys(draft.indexKeys, [...path, 'indexKeys'], problems);
  const queues = resolveQueues(draft.celery?.queues, [...path, 'celery', 'queues'], problems);
  const celery = resolveCelery(draft, path, directory, redis, queues, problems);
  if (draft.root !== undefined) {
    const problem = pathProblem(draft.root);
    if (problem !== undefined) problems.add([...path, 'root'], problem);
  }
  const root = resolve(directory, draft.root ?? '');
  const seen = new Map<string, JsonPath>();
  const config = {
    name,
    redis,
    keyPrefixes: withoutCovered(prefixes.map((prefix) => prefix.value)),
    jobKeys: jobKeysOf(draft),
    indexKeys: indexKeys.map((name) => name.value),
    foreignKeyPrefixes: foreignPrefixes.map((prefix) => prefix.value),
    timeZone: resolveTimeZone(draft.timeZone, [...path, 'timeZone'], problems),
    celery,
    root,
    rootConfigured: draft.root !== undefined,
    directories: resolveDirectories(
      draft.directories,
      [...path, 'directories'],
      root,
      seen,
      problems,
    ),
    models: resolveDirectories(draft.models, [...path, 'models'], root, seen, problems),
  };
  checkWhole(draft, path, problems);
  return {
    path,
    config,
    prefixes,
    foreignPrefixes,
    indexKeys,
    queues,
    globalKeyPrefix: draft.celery?.globalKeyPrefix ?? '',
  };
}

function jobKeysOf({ redis, keyPrefix }: ServiceDraft): ServiceConfig['jobKeys'] {
  if (redis === undefined) return 'none';
  if (keyPrefix === undefined) return 'not said';
  return keyPrefix.length === 0 ? 'none' : 'named';
}

export function checkServiceName(name: string, problems: ProblemCollector): void {
  const path = ['services', name];
  if (RESERVED_NAMES.some((reserved) => reserved === name)) {
    problems.add(
      path,
      `\`${name}\` is a word of the command line: give the service another name`,
      'key',
    );
  } else if (!SERVICE_NAME.test(name)) {
    problems.add(
      path,
      'a service name is made of letters, digits, `.`, `_` and `-`, and begins with a letter or digit',
      'key',
    );
  }
}

function resolveCelery(
  draft: ServiceDraft,
  servicePath: JsonPath,
  directory: string,
  redis: RedisTarget | undefined,
  queues: readonly Located[],
  problems: ProblemCollector,
): CeleryConfig | undefined {
  const path = [...servicePath, 'celery'];
  const { celery } = draft;
  if (celery === undefined) return undefined;
  const broker =
    celery.broker === undefined
      ? redis
      : resolveRedis(celery.broker, [...path, 'broker'], directory, problems);
  if (
    isAbsent(draft.redis, [...servicePath, 'redis'], problems) &&
    isAbsent(celery.broker, [...path, 'broker'], problems)
  ) {
    problems.add(path, 'needs a Redis: add `redis` to the service, or `broker` here', 'key');
  }
  if (broker === undefined) return undefined;
  return {
    queues: queues.map((queue) => queue.value),
    broker,
    results: celery.results ?? 'own',
    resultBackend:
      celery.resultBackend === undefined
        ? undefined
        : resolveRedis(celery.resultBackend, [...path, 'resultBackend'], directory, problems),
    ...resolveBrokerSettings(celery, path, problems),
  };
}

/** Keys that make sense only together. */
function checkWhole(draft: ServiceDraft, path: JsonPath, problems: ProblemCollector): void {
  const absent = (key: keyof ServiceDraft): boolean =>
    isAbsent(draft[key], [...path, key], problems);
  if (absent('redis') && draft.keyPrefix !== undefined) {
    problems.add(
      [...path, 'keyPrefix'],
      'needs `redis` beside it: add the URL of the Redis that holds the jobs',
      'key',
    );
  }
  if (absent('redis') && draft.indexKeys !== undefined) {
    problems.add(
      [...path, 'indexKeys'],
      'needs `redis` beside it: add the URL of the Redis that holds the jobs',
      'key',
    );
  }
  const empty = (key: 'directories' | 'models'): boolean => absent(key) || draft[key]?.length === 0;
  if (
    absent('redis') &&
    absent('keyPrefix') &&
    absent('celery') &&
    empty('directories') &&
    empty('models')
  ) {
    problems.add(path, 'nothing to wipe: add `redis`, `directories` or `models`', 'key');
  }
}

/** Whether the file does not name it: what is there but wrong has been reported already. */
function isAbsent(value: unknown, path: JsonPath, problems: ProblemCollector): boolean {
  return value === undefined && !problems.isBroken(path);
}

/** A job under `a:` and `a:b:` would be counted twice. */
function withoutCovered(prefixes: readonly string[]): string[] {
  return prefixes.filter(
    (prefix) => !prefixes.some((other) => other !== prefix && prefix.startsWith(other)),
  );
}
