import { brokerKeys, isLockKey, isProtectedKey, protectionWithin } from '../celery/keys.ts';
import type { BrokerKeys } from '../celery/keys.ts';
import { createdAt } from '../redis/created-at.ts';
import { nothingKept } from '../redis/job-age.ts';
import type { JobAge } from '../redis/job-age.ts';
import type { ServiceConfig } from '../config/types.ts';
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
  readonly results: 'own' | 'all' | 'none';
}

/** @param service with `before`: only jobs created before that go, in milliseconds since 1970. */
export function serviceKeys({
  config,
  before,
}: {
  readonly config: ServiceConfig;
  readonly before?: number | undefined;
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
    results: config.celery?.results ?? 'own',
  };
}

/** Containers have it unless somebody set another one. */
export const DEFAULT_ZONE = 'UTC';

function jobAge(before: number, zone: string): JobAge {
  return { before, createdAt: (value) => createdAt(value, zone), kept: nothingKept() };
}
