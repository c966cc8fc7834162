import { brokerKeys, isLockKey, isProtectedKey, protectionWithin } from '../celery/keys.ts';
import type { BrokerKeys } from '../celery/keys.ts';
import { createdAt } from '../redis/created-at.ts';
import { nothingKept } from '../redis/job-age.ts';
import type { JobAge } from '../redis/job-age.ts';
import { scopeOf } from '../celery/scope.ts';
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
  const settings = config.celery ?? { globalKeyPrefix: '' };
  return {
    jobs: {
      prefixes: config.keyPrefixes,
      protectedWith: (prefix) => protectionWithin(prefix, settings),
      age: before === undefined ? undefined : jobAge(before, config.timeZone ?? DEFAULT_ZONE),
    },
    broker: brokerKeys(settings),
    isProtected: (key) => isProtectedKey(key, settings),
    isLock: (key) => isLockKey(key, settings),
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
  if (config.celery === undefined) return scopeOf(own);
  const run = besideOnBroker(config, targets);
  const others = besideOnBroker(config, all).filter((other) => other !== config);
  return {
    own,
    before: new Set(run.slice(0, Math.max(0, run.indexOf(config))).flatMap(queuesOf)),
    run: new Set([...own, ...run.flatMap(queuesOf)]),
    others: new Set(others.flatMap(queuesOf)),
  };
}

function queuesOf({ celery }: ServiceConfig): readonly string[] {
  return celery?.queues ?? [];
}

/** Each list of services is sorted by brokers once, however many services ask. */
const byBroker = new WeakMap<readonly ServiceConfig[], Map<string, ServiceConfig[]>>();

/** Those of the services that name queues of the same database, in their order. */
function besideOnBroker(
  config: ServiceConfig,
  services: readonly ServiceConfig[],
): readonly ServiceConfig[] {
  let brokers = byBroker.get(services);
  if (brokers === undefined) {
    brokers = new Map();
    for (const service of services) {
      const place = brokerOf(service);
      if (place === undefined) continue;
      const known = brokers.get(place);
      if (known === undefined) brokers.set(place, [service]);
      else known.push(service);
    }
    byBroker.set(services, brokers);
  }
  return brokers.get(brokerOf(config) ?? '') ?? [];
}

/** Whether both name queues of one database, with the same beginning of their keys. */
export function hasSameBroker(one: ServiceConfig, other: ServiceConfig): boolean {
  const place = brokerOf(one);
  return place !== undefined && place === brokerOf(other);
}

/** The database of the queues and the beginning of their keys; undefined without Celery. */
function brokerOf({ celery }: ServiceConfig): string | undefined {
  if (celery === undefined) return undefined;
  return `${targetIdentity(celery.broker)}\0${celery.globalKeyPrefix}`;
}

/** Containers have it unless somebody set another one. */
export const DEFAULT_ZONE = 'UTC';

function jobAge(before: number, zone: string): JobAge {
  return { before, createdAt: (value) => createdAt(value, zone), kept: nothingKept() };
}
