import type { ServiceConfig } from '../config/types.ts';
import { connectRedis } from '../redis/connect.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { isConnectionLost, RedisError } from '../redis/errors.ts';
import { targetIdentity, targetLabel } from '../redis/target.ts';
import type { RedisTarget } from '../redis/target.ts';
import { keyPatterns } from './permissions.ts';
import { serviceKeys } from './service-keys.ts';
import { grantText } from '../redis/permissions.ts';
import type { Failure, Kind } from '../report/types.ts';
import { warning } from './warnings.ts';
import type { Warning } from './warnings.ts';

/** A connection that may fail at any moment; once it has, nothing more is tried on it. */
export interface Link {
  readonly target: RedisTarget;
  readonly failureTarget: 'Redis' | 'Celery';
  /** Where the config names it, as far as `failureTarget` does not tell. */
  readonly setting?: 'celery.resultBackend' | undefined;
  readonly label: string;
  connection: RedisConnection | undefined;
  /** Why it was lost, where the step that lost it told nobody: see `silently`. */
  untold?: Failure | undefined;
  /** A connection of its own for the service's lock; undefined where the run takes no lock. */
  locks: Promise<RedisConnection | RedisError> | undefined;
  /** ACL patterns of the keys that a step works on. */
  readonly patterns: (step: string) => readonly string[];
}

export interface ServiceLinks {
  readonly redis: Link | undefined;
  /** The same object as `redis` when both are one database. */
  readonly broker: Link | undefined;
  /** Of a result backend that the config names; the same object where it is one of these. */
  readonly results: Link | undefined;
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
  isLocked: boolean,
): Promise<ServiceLinks> {
  const results = config.celery?.results ?? 'own';
  const backend =
    results !== 'none' && (kinds.includes('jobs') || kinds.includes('queue'))
      ? config.celery?.resultBackend
      : undefined;
  const needsRedis = kinds.includes('jobs') || (kinds.includes('queue') && results !== 'none');
  const needsBroker =
    kinds.includes('queue') || (config.redis === undefined && kinds.includes('jobs'));
  const brokerTarget = needsBroker ? config.celery?.broker : undefined;
  const shared = brokerTarget !== undefined && isSame(config.redis, brokerTarget);
  const keys = serviceKeys({ config });
  const patterns = (step: string): readonly string[] => keyPatterns(keys, step);
  const open = async (
    target: RedisTarget | undefined,
    failureTarget: 'Redis' | 'Celery',
    setting?: Link['setting'],
  ): Promise<Link | undefined> =>
    target && link({ target, failureTarget, setting, patterns }, failures, warnings, signal);
  const isRedis = backend !== undefined && isSame(config.redis, backend);
  const isBroker =
    backend !== undefined && brokerTarget !== undefined && isSame(brokerTarget, backend);
  const connecting = await Promise.allSettled([
    open(needsRedis || shared ? config.redis : undefined, 'Redis'),
    shared ? undefined : open(brokerTarget, 'Celery'),
    isRedis || isBroker ? undefined : open(backend, 'Redis', 'celery.resultBackend'),
  ]);
  const [redis, broker, own] = connecting.map((one) =>
    one.status === 'fulfilled' ? one.value : undefined,
  );
  const failed = connecting.find((one) => one.status === 'rejected');
  if (failed !== undefined) {
    closeLink(redis);
    closeLink(broker);
    closeLink(own);
    throw failed.reason;
  }
  const links = {
    redis,
    broker: shared ? redis : broker,
    results: isRedis ? redis : isBroker ? broker : own,
  };
  const locked = lockLink(links);
  // Behind the other one, so that where clients are limited it is not the wipe that is refused.
  if (isLocked && locked?.connection !== undefined) {
    locked.locks = connectLocks(locked, signal);
    // The caller that awaits the promise gets the abort.
    locked.locks.catch(() => undefined);
  }
  return links;
}

/** Where the lock of a service is. */
export function lockLink<T>(service: { readonly redis: T; readonly broker: T }): T {
  return service.redis ?? service.broker;
}

/**
 * Renewals come at any moment and may have to wait for a reply, which nothing of the wipe is to do.
 * @throws the signal's reason.
 */
async function connectLocks(
  { target }: Link,
  signal: AbortSignal,
): Promise<RedisConnection | RedisError> {
  try {
    return await connectRedis(target, signal);
  } catch (error) {
    if (error instanceof RedisError) return error;
    throw error;
  }
}

export function closeLink(link: Link | undefined): void {
  link?.connection?.close();
  link?.locks?.then(
    (locks) => {
      if (!(locks instanceof RedisError)) locks.close();
    },
    () => undefined,
  );
}

/**
 * Connects to the broker of a service whose chosen kinds do not need it, to ask the workers; the link of
 * the jobs where both are one database. A failure is reported.
 * @throws the signal's reason.
 */
export async function openBroker(
  config: ServiceConfig,
  redis: Link | undefined,
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<Link | undefined> {
  const target = config.celery?.broker;
  if (target === undefined) return undefined;
  if (redis !== undefined && isSame(redis.target, target)) return redis;
  const keys = serviceKeys({ config });
  const failures: Failure[] = [];
  const opened = await link(
    { target, failureTarget: 'Celery', patterns: (step) => keyPatterns(keys, step) },
    failures,
    [],
    signal,
  );
  failures.forEach(report);
  return opened;
}

/** One connection serves both: the same database, as the same user. */
function isSame(redis: RedisTarget | undefined, broker: RedisTarget): boolean {
  if (redis === undefined || targetIdentity(redis) !== targetIdentity(broker)) return false;
  const access = ({ credentials, tls }: RedisTarget): string => JSON.stringify([credentials, tls]);
  return access(redis) === access(broker);
}

async function link(
  of: Pick<Link, 'target' | 'failureTarget' | 'setting' | 'patterns'>,
  failures: Failure[],
  warnings: Warning[],
  signal: AbortSignal,
): Promise<Link> {
  const created: Link = {
    ...of,
    label: targetLabel(of.target),
    connection: undefined,
    locks: undefined,
  };
  await connectLink(created, failures, signal);
  warnings.push(...(created.connection?.warnings ?? []).map(warning));
  return created;
}

async function connectLink(link: Link, failures: Failure[], signal: AbortSignal): Promise<void> {
  try {
    link.connection = await connectRedis(link.target, signal);
  } catch (error) {
    if (!(error instanceof RedisError)) throw error;
    const failure = redisFailure(link.failureTarget, link.label, error, link.setting);
    const { command } = error;
    const user = link.target.credentials?.username ?? 'default';
    failures.push(
      command === undefined ? failure : { ...failure, hint: grantText(user, [command], []) },
    );
  }
}

/**
 * Connects again what was closed while the question stood: servers and firewalls drop connections
 * that say nothing for minutes.
 * @throws the signal's reason.
 */
export async function refreshLink(
  link: Link | undefined,
  failures: Failure[],
  signal: AbortSignal,
): Promise<void> {
  if (link?.connection === undefined) return;
  try {
    await link.connection.send('PING');
  } catch (error) {
    // Whoever may not PING is connected all the same.
    if (!(error instanceof RedisError) || !isConnectionLost(error)) return;
    link.connection.close();
    link.connection = undefined;
    await connectLink(link, failures, signal);
  }
}

/**
 * What is removed on a replica is removed nowhere else, where it can be removed at all: such a link
 * is closed, and a failure of its service.
 */
export function refuseReplicas(
  services: readonly (ServiceLinks & { readonly failures: Failure[] })[],
): void {
  for (const { failures, ...links } of services) {
    for (const link of linksOf(links)) {
      const primary = link.connection?.replicaOf;
      if (primary === undefined) continue;
      failures.push(replicaFailure(link, primary));
      link.connection?.close();
      link.connection = undefined;
    }
  }
}

/** @param primary `host:port`. */
export function replicaFailure({ failureTarget, label }: Link, primary: string): Failure {
  return {
    target: failureTarget,
    item: label,
    code: 'READONLY',
    reason: `This Redis is a replica of ${primary}, and not where the jobs are`,
    hint: `name its primary ${primary} in the config`,
  };
}

function redisFailure(
  target: 'Redis' | 'Celery',
  item: string,
  error: RedisError,
  setting: string = target === 'Celery' ? 'celery.broker' : 'redis',
): Failure {
  const hint = error.hint.replace('`redis` of this service', `\`${setting}\` of this service`);
  return { target, item, code: error.code, reason: error.message, hint };
}

/**
 * Where results are: in the result backend of the config; without one where the jobs are, and for a
 * service without jobs in its broker's database.
 */
export function resultsLink({ redis, broker, results }: ServiceLinks): Link | undefined {
  return results ?? redis ?? broker;
}

/**
 * Each database of the service once. Results of known ids are counted and removed in each of them: many
 * apps have one URL for broker and results.
 */
export function linksOf({ redis, broker, results }: ServiceLinks): readonly Link[] {
  return [...new Set([redis, broker, results])].filter((link) => link !== undefined);
}

export interface Step {
  readonly target: 'Redis' | 'Celery';
  readonly name: string;
}

/** For a step whose failure is no news: should it lose the connection, the next step tells. */
export const silently = (): void => undefined;

/**
 * Runs one step on a link. A failure is reported and gives undefined; one of the connection itself
 * closes the link for the rest of the run.
 */
export async function onLink<T>(
  link: Link | undefined,
  step: Step,
  report: (failure: Failure) => void,
  work: (connection: RedisConnection) => Promise<T>,
): Promise<T | undefined> {
  const connection = link?.connection;
  if (link === undefined) return undefined;
  if (connection === undefined) {
    if (link.untold !== undefined && report !== silently) {
      report(link.untold);
      link.untold = undefined;
    }
    return undefined;
  }
  try {
    return await work(connection);
  } catch (error) {
    const failure = stepFailure(link, step, error);
    report(failure);
    if (error instanceof RedisError && isConnectionLost(error)) {
      // Another step may have lost it as well, and told.
      if (report !== silently) link.untold = undefined;
      else if (link.connection === connection) link.untold = failure;
      // A step within this one may have closed it already.
      connection.close();
      link.connection = undefined;
    }
    return undefined;
  }
}

/** What the report says of a step that failed; anything but a RedisError is a bug and is thrown. */
export function stepFailure(link: Link | undefined, step: Step, error: unknown): Failure {
  if (!(error instanceof RedisError)) throw error;
  const item = `${link?.label ?? ''} (${step.name})`;
  const failure = redisFailure(step.target, item, error, link?.setting);
  if (error.code !== 'NOPERM' || link?.connection === undefined) return failure;
  const patterns = link.patterns(step.name);
  const { command } = error;
  // Of a refused command Redis gives the name, of refused keys nothing.
  const isNamed = command !== undefined && error.message.includes(`'${command}' command`);
  const on = patterns.length === 0 ? '' : ` on ${patterns.join(', ')}`;
  return {
    ...failure,
    reason: isNamed
      ? error.message
      : `${error.message} (${command?.toUpperCase() ?? 'a command'}${on})`,
    hint: grantText(link.connection.user, command === undefined ? [] : [command], patterns),
  };
}
