/**
 * What is right in itself and wrong together: a wipe of one service must not remove what belongs
 * to another, or to Celery. Only databases that are the same for certain are compared.
 */
import { matchesKeyPattern } from '../model/key-pattern.ts';
import type { RedisTarget } from '../redis/target.ts';
import { targetIdentity } from '../redis/target.ts';
import { formatPath } from './json-path.ts';
import type { ProblemCollector } from './problems.ts';
import type { Located, ResolvedService } from './resolved.ts';

/** Where kombu and Celery keep their own data (kombu/transport/redis.py, celery/backends/base.py). */
const BINDINGS = '_kombu.binding.';
const RESULTS = 'celery-task-meta-';
const CELERY_NAMES = [BINDINGS, 'unacked', 'unacked_index', 'unacked_mutex', RESULTS] as const;

export function crossCheck(services: readonly ResolvedService[], problems: ProblemCollector): void {
  for (const [index, service] of services.entries()) {
    const neighbours = services.filter((other) => other === service || sharesRedis(service, other));
    for (const prefix of service.prefixes) {
      if (prefix.value.trim() === '') continue;
      checkCeleryNames(prefix, neighbours, problems);
      checkQueueNames(service, prefix, services, problems);
      for (const earlier of services.slice(0, index))
        checkPrefixes(service, prefix, earlier, problems);
    }
    for (const earlier of services.slice(0, index)) checkSameQueue(service, earlier, problems);
    for (const prefix of service.foreignPrefixes) checkForeignPrefix(service, prefix, problems);
    for (const name of service.indexKeys) checkIndexKey(service, name, services, problems);
    checkAllResults(service, services, problems);
  }
}

/** An index key must not be Celery's, a queue, or another service's index in the same database. */
function checkIndexKey(
  service: ResolvedService,
  name: Located,
  services: readonly ResolvedService[],
  problems: ProblemCollector,
): void {
  const pattern = Buffer.from(name.value);
  const matches = (key: string): boolean => matchesKeyPattern(pattern, Buffer.from(key));
  const fronts = new Set(['', service.globalKeyPrefix]);
  const isCelery = [...fronts].some((front) =>
    CELERY_NAMES.some((key) => matches(front + key) || matches(`${front}${key}x`)),
  );
  if (isCelery) {
    problems.add(
      name.path,
      "would match Celery's own keys (_kombu.binding.*, unacked*, celery-task-meta-*): give more of the name",
    );
    return;
  }
  for (const other of services) {
    if (same(service.config.redis, other.config.celery?.broker)) {
      const queue = other.queues.find(({ value }) => matches(other.globalKeyPrefix + value));
      if (queue !== undefined) {
        problems.add(
          name.path,
          `would match the queue ${formatPath(queue.path)}: give another name`,
        );
      }
    }
    if (other === service || !same(service.config.redis, other.config.redis)) continue;
    const shared = other.indexKeys.find(({ value }) => value === name.value);
    if (shared !== undefined && services.indexOf(other) < services.indexOf(service)) {
      problems.add(
        name.path,
        `is the same key as ${formatPath(shared.path)} in the same Redis database: list it under one service only`,
      );
    }
  }
}

function checkCeleryNames(
  prefix: Located,
  neighbours: readonly ResolvedService[],
  problems: ProblemCollector,
): void {
  // Celery sets a global prefix apart from its results with a `_` (`_add_global_keyprefix`).
  const globalPrefixes = new Set([
    '',
    ...neighbours.flatMap(({ globalKeyPrefix: front }) => [front, `${front}_`]),
  ]);
  const hit = [...globalPrefixes].some(
    (front) =>
      CELERY_NAMES.some((name) => `${front}${name}`.startsWith(prefix.value)) ||
      [BINDINGS, RESULTS].some((name) => prefix.value.startsWith(`${front}${name}`)),
  );
  if (!hit) return;
  problems.add(
    prefix.path,
    "would match Celery's own keys (_kombu.binding.*, unacked*, celery-task-meta-*): give the full prefix of the jobs",
  );
}

function checkQueueNames(
  service: ResolvedService,
  prefix: Located,
  services: readonly ResolvedService[],
  problems: ProblemCollector,
): void {
  for (const other of services) {
    if (!same(service.config.redis, other.config.celery?.broker)) continue;
    for (const queue of other.queues) {
      if (!`${other.globalKeyPrefix}${queue.value}`.startsWith(prefix.value)) continue;
      problems.add(
        prefix.path,
        `would match the queue ${formatPath(queue.path)} in the same Redis database: give the full prefix of the jobs`,
      );
    }
  }
}

function checkPrefixes(
  service: ResolvedService,
  prefix: Located,
  earlier: ResolvedService,
  problems: ProblemCollector,
): void {
  if (!same(service.config.redis, earlier.config.redis)) return;
  for (const other of earlier.prefixes) {
    if (other.value.trim() === '') continue;
    const relation = relate(prefix.value, other.value);
    if (relation === undefined) continue;
    problems.add(
      prefix.path,
      `${relation} ${formatPath(other.path)} in the same Redis database, so one wipe would delete the other's jobs: ` +
        'give each service its own prefix or its own database',
    );
  }
}

/** A key below both would be a job and none. */
function checkForeignPrefix(
  service: ResolvedService,
  foreign: Located,
  problems: ProblemCollector,
): void {
  if (foreign.value.trim() === '') return;
  for (const own of service.prefixes) {
    if (own.value.trim() === '') continue;
    const relation = relate(foreign.value, own.value);
    if (relation === undefined) continue;
    problems.add(
      foreign.path,
      `${relation} ${formatPath(own.path)}, so a key could be this service's and another program's at once: ` +
        'make the two differ, or remove one',
    );
  }
}

function relate(prefix: string, other: string): string | undefined {
  if (prefix === other) return 'is the same as';
  if (prefix.startsWith(other)) return 'begins with';
  return other.startsWith(prefix) ? 'is the beginning of' : undefined;
}

function checkSameQueue(
  service: ResolvedService,
  earlier: ResolvedService,
  problems: ProblemCollector,
): void {
  if (!same(service.config.celery?.broker, earlier.config.celery?.broker)) return;
  for (const queue of service.queues) {
    const name = `${service.globalKeyPrefix}${queue.value}`;
    const other = earlier.queues.find(
      (entry) => `${earlier.globalKeyPrefix}${entry.value}` === name,
    );
    if (other === undefined) continue;
    problems.add(
      queue.path,
      `is the same queue as ${formatPath(other.path)} on the same broker: list it under one service only`,
    );
  }
}

function checkAllResults(
  service: ResolvedService,
  services: readonly ResolvedService[],
  problems: ProblemCollector,
): void {
  if (service.config.celery?.results !== 'all') return;
  const other = services.find((entry) => entry !== service && sharesRedis(service, entry));
  if (other === undefined) return;
  problems.add(
    [...service.path, 'celery', 'results'],
    `\`all\` would delete the results of ${formatPath(other.path)} too, which uses the same Redis database: write \`own\``,
  );
}

function sharesRedis(a: ResolvedService, b: ResolvedService): boolean {
  const targets = (service: ResolvedService) => [
    service.config.redis,
    service.config.celery?.broker,
  ];
  return targets(a).some((target) => targets(b).some((other) => same(target, other)));
}

function same(a: RedisTarget | undefined, b: RedisTarget | undefined): boolean {
  return a !== undefined && b !== undefined && targetIdentity(a) === targetIdentity(b);
}
