import { brokerKeys, isLockKey, isProtectedKey, protectionWithin } from '../celery/keys.ts';
import type { BrokerKeys } from '../celery/keys.ts';
import { createdAt } from '../redis/created-at.ts';
import { nothingKept } from '../redis/job-age.ts';
import type { JobAge } from '../redis/job-age.ts';
import type { QueueScope } from '../celery/scope.ts';
import type { ServiceConfig } from '../config/types.ts';
import { targetIdentity } from '../redis/target.ts';
import type { JobKeys } from '../redis/jobs.ts';

/** Which keys of its databases belong to a service. */
export interface ServiceKeys {
  readonly jobs: JobKeys;
  readonly broker: BrokerKeys;
  /** What kombu needs to go on working. */
  readonly isProtected: (key: Buffer) => boolean;
  /** What runs keep each other away by, of whatever service. */
  readonly isLock: (key: Buffer) => boolean;
  readonly queues: readonly string[];
  /** Whose messages the run may remove. */
  readonly scope: QueueScope;
  readonly results: 'own' | 'all' | 'none';
}

/**
 * @param service with `before`: only jobs created before that go, in milliseconds since 1970; with the
 *   `targets` of the run and `all` services of the config.
 */
export function serviceKeys({
  config,
  before,
  targets = [config],
  all = [config],
}: {
  readonly config: ServiceConfig;
  readonly before?: number | undefined;
  readonly targets?: readonly ServiceConfig[];
  readonly all?: readonly ServiceConfig[];
}): ServiceKeys {
  const globalKeyPrefix = config.celery?.globalKeyPrefix ?? '';
  return {
    jobs: {
      prefixes: config.keyPrefixes,
      protectedWith: (prefix) => protectionWithin(prefix, globalKeyPrefix),
      age: before === undefined ? undefined : jobAge(before, config.timeZone ?? DEFAULT_ZONE),
    },
    broker: brokerKeys(globalKeyPrefix),
    isProtected: (key) => isProtectedKey(key, globalKeyPrefix),
    isLock: (key) => isLockKey(key, globalKeyPrefix),
    queues: config.celery?.queues ?? [],
    scope: queueScope(config, targets, all),
    results: config.celery?.results ?? 'own',
  };
}

function queueScope(
  config: ServiceConfig,
  targets: readonly ServiceConfig[],
  all: readonly ServiceConfig[],
): QueueScope {
  const own = config.celery?.queues ?? [];
  const beside = (services: readonly ServiceConfig[]): readonly string[] =>
    services
      .filter((other) => hasSameBroker(config, other))
      .flatMap(({ celery }) => celery?.queues ?? []);
  const before = beside(targets.slice(0, Math.max(0, targets.indexOf(config))));
  return {
    own,
    before: new Set(before),
    run: new Set([...own, ...beside(targets)]),
    others: new Set(beside(all.filter((other) => other !== config))),
  };
}

/** Whether both name queues of one database, with the same beginning of their keys. */
export function hasSameBroker(one: ServiceConfig, { celery: other }: ServiceConfig): boolean {
  const { celery } = one;
  if (celery === undefined || other === undefined) return false;
  if (celery.globalKeyPrefix !== other.globalKeyPrefix) return false;
  return targetIdentity(celery.broker) === targetIdentity(other.broker);
}

/** Containers have it unless somebody set another one. */
export const DEFAULT_ZONE = 'UTC';

function jobAge(before: number, zone: string): JobAge {
  return { before, createdAt: (value) => createdAt(value, zone), kept: nothingKept() };
}
