import { brokerKeys, isProtectedKey } from '../celery/keys.ts';
import type { BrokerKeys } from '../celery/keys.ts';
import type { ServiceConfig } from '../config/types.ts';
import type { JobKeys } from '../redis/jobs.ts';

/** Which keys of its databases belong to a service. */
export interface ServiceKeys {
  readonly jobs: JobKeys;
  readonly broker: BrokerKeys;
  readonly queues: readonly string[];
  readonly results: 'own' | 'all' | 'none';
}

export function serviceKeys(config: ServiceConfig): ServiceKeys {
  const globalKeyPrefix = config.celery?.globalKeyPrefix ?? '';
  return {
    jobs: {
      prefixes: config.keyPrefixes,
      isProtected: (key) => isProtectedKey(key, globalKeyPrefix),
    },
    broker: brokerKeys(globalKeyPrefix),
    queues: config.celery?.queues ?? [],
    results: config.celery?.results ?? 'own',
  };
}
