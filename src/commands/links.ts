import type { ServiceConfig } from '../config/types.ts';
import { connectRedis } from '../redis/connect.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { RedisError } from '../redis/errors.ts';
import { targetIdentity, targetLabel } from '../redis/target.ts';
import type { RedisTarget } from '../redis/target.ts';
import type { Failure, Kind } from '../report/types.ts';
import { warning } from './warnings.ts';
import type { Warning } from './warnings.ts';

/** A connection that may fail at any moment; once it has, nothing more is tried on it. */
export interface Link {
  readonly label: string;
  connection: RedisConnection | undefined;
}

/**
 * Connects to the databases that the chosen kinds need; `broker` is the same link as `redis` when
 * both are one database. What fails is added to `failures`.
 * @throws the signal's reason.
 */
export async function connectService(
  config: ServiceConfig,
  kinds: readonly Kind[],
  failures: Failure[],
  warnings: Warning[],
  signal: AbortSignal,
): Promise<{ readonly redis: Link | undefined; readonly broker: Link | undefined }> {
  if (!kinds.includes('jobs') && !kinds.includes('queue')) {
    return { redis: undefined, broker: undefined };
  }
  const brokerTarget = config.celery?.broker;
  const shared =
    config.redis !== undefined &&
    brokerTarget !== undefined &&
    targetIdentity(config.redis) === targetIdentity(brokerTarget);
  const [redis, broker] = await Promise.all([
    link(config.redis, 'Redis', failures, warnings, signal),
    shared ? undefined : link(brokerTarget, 'Celery', failures, warnings, signal),
  ]);
  return { redis, broker: shared ? redis : broker };
}

async function link(
  target: RedisTarget | undefined,
  failureTarget: 'Redis' | 'Celery',
  failures: Failure[],
  warnings: Warning[],
  signal: AbortSignal,
): Promise<Link | undefined> {
  if (target === undefined) return undefined;
  const label = targetLabel(target);
  try {
    const connection = await connectRedis(target, signal);
    warnings.push(...connection.warnings.map(warning));
    return { label, connection };
  } catch (error) {
    if (!(error instanceof RedisError)) throw error;
    failures.push(redisFailure(failureTarget, label, error));
    return { label, connection: undefined };
  }
}

function redisFailure(target: 'Redis' | 'Celery', item: string, error: RedisError): Failure {
  return { target, item, code: error.code, reason: error.message, hint: error.hint };
}

/** Results live where the jobs do; a service without jobs keeps them in its broker's database. */
export function resultsLink(service: {
  readonly redis: Link | undefined;
  readonly broker: Link | undefined;
}): Link | undefined {
  return service.redis ?? service.broker;
}

const CONNECTION_LOST = new Set(['ETIMEDOUT', 'ECONNRESET', 'ECONNREFUSED', 'EPROTO']);

/**
 * Runs one step on a link. A failure is reported and gives undefined; one of the connection itself
 * closes the link for the rest of the run.
 */
export async function onLink<T>(
  link: Link | undefined,
  step: { readonly target: 'Redis' | 'Celery'; readonly name: string },
  report: (failure: Failure) => void,
  work: (connection: RedisConnection) => Promise<T>,
): Promise<T | undefined> {
  if (link?.connection === undefined) return undefined;
  try {
    return await work(link.connection);
  } catch (error) {
    if (!(error instanceof RedisError)) throw error;
    if (CONNECTION_LOST.has(error.code)) {
      link.connection.close();
      link.connection = undefined;
    }
    report(redisFailure(step.target, `${link.label} (${step.name})`, error));
    return undefined;
  }
}
