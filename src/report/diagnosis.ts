import type { ServiceCensus } from './types.ts';

/** What `doctor` finds: plain data. */

export type Health = 'ok' | 'warning' | 'problem';

export interface Check {
  /** `redis`, `broker`, `acl`, `memory`, `saving`, `prefix`, `queue`, `workers`, `held` … */
  readonly name: string;
  readonly status: Health;
  readonly message: string;
  /** What to do about it; empty when there is nothing to do. */
  readonly hint: string;
}

export interface QueueDiagnosis {
  readonly name: string;
  readonly queued: number;
  /** Names of the workers that consume it. */
  readonly consumers: readonly string[];
  /** Names of those that were told to stop and not to go on. */
  readonly held: readonly string[];
}

/** Keys of the service's database that begin alike. */
export interface FamilyDiagnosis {
  readonly prefix: string;
  readonly keys: number;
  /** Of all keys, from 0 to 1. */
  readonly share: number;
  readonly types: readonly string[];
  /** `jobs`, `queue`, `Celery` …; undefined: nothing explains them. */
  readonly belongsTo: string | undefined;
}

export interface ServiceDiagnosis {
  readonly name: string;
  readonly checks: readonly Check[];
  readonly queues: readonly QueueDiagnosis[];
  /** The most frequent first. */
  readonly families: readonly FamilyDiagnosis[];
  readonly census: Pick<ServiceCensus, 'tasks' | 'workers'>;
}

export interface Diagnosis {
  readonly configFile: string;
  /** The worst of all checks. */
  readonly status: Health;
  readonly services: readonly ServiceDiagnosis[];
  /** With `--fix`: the consumers that were resumed. */
  readonly resumed: readonly { readonly worker: string; readonly queue: string }[];
}

export function worst(checks: readonly Check[]): Health {
  const has = (status: Health): boolean => checks.some((check) => check.status === status);
  return has('problem') ? 'problem' : has('warning') ? 'warning' : 'ok';
}
