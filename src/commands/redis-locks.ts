import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisConnection } from '../redis/connect.ts';
import { isConnectionLost, RedisError } from '../redis/errors.ts';
import { acquireLock, releaseLock, RENEWAL_MS, renewLock, replaceOwner } from '../redis/lock.ts';
import type { RedisLock } from '../redis/lock.ts';
import { grantText } from '../redis/permissions.ts';
import { NOBODY, parseHolder } from '../runs/lock-file.ts';
import type { Holder } from '../runs/lock-file.ts';
import { hasDiedHere } from '../runs/process-identity.ts';
import type { Patience } from './host-locks.ts';
import { lockLink, stepFailure } from './links.ts';
import type { Link } from './links.ts';
import type { OpenService } from './open-services.ts';
import { keyPatterns } from './permissions.ts';
import { serviceKeys } from './service-keys.ts';
import { warning } from './warnings.ts';
import type { Warning } from './warnings.ts';

/** The locks of a run in the Redis of its services, which runs on other hosts see. */
export interface RedisLocks {
  /** Services whose lock was lost to another run meanwhile. */
  readonly lost: ReadonlySet<string>;
  /** Leaves them to another process, which knows them by their token. */
  handOver(): void;
  release(): Promise<void>;
}

interface Held {
  readonly service: string;
  readonly redis: RedisConnection;
  readonly lock: RedisLock;
}

/**
 * Takes the lock of each service that is connected. What Redis refuses is a warning: a run that may
 * not lock may still wipe.
 * @param warn of a service.
 * @throws CannotStart('locked'), or the signal's reason.
 */
export async function lockRedis(
  services: readonly OpenService[],
  holder: Holder,
  patience: Patience,
  warn: (service: OpenService, warning: Warning) => void,
): Promise<RedisLocks> {
  const held: Held[] = [];
  const lost = new Set<string>();
  const renewing = new Map<Held, Promise<void>>();
  const release = async (): Promise<void> => {
    clearInterval(renewal);
    const releasing = held.splice(0).map(async (one) => {
      // One that is under way could take what is released. A lock does not wait for those of others.
      await renewing.get(one);
      await attempt(releaseLock(one.redis, one.lock));
    });
    await inTime(Promise.all(releasing));
  };
  const renew = async (one: Held): Promise<void> => {
    if (lost.has(one.service)) return;
    const isStillOurs = await attempt(renewLock(one.redis, one.lock));
    if (isStillOurs === false) lost.add(one.service);
  };
  // From the first on: the next one may have to be waited for.
  const renewal = setInterval(() => {
    for (const one of held) {
      if (!renewing.has(one))
        renewing.set(
          one,
          renew(one).finally(() => renewing.delete(one)),
        );
    }
  }, RENEWAL_MS).unref();
  try {
    const inOrder = services.toSorted((a, b) => (a.config.name < b.config.name ? -1 : 1));
    for (const service of inOrder) {
      const { link, key } = lockOf(service);
      if (link?.connection === undefined || link.locks === undefined) continue;
      const { name } = service.config;
      const lock = { key, value: JSON.stringify({ ...holder, service: name }) };
      const notLocked = (error: RedisError): void => {
        const patterns = keyPatterns(serviceKeys(service), 'lock');
        warn(service, unlockedWarning(link, lock, error, patterns));
      };
      const redis = await link.locks;
      if (redis instanceof RedisError) {
        notLocked(redis);
        continue;
      }
      try {
        await take(redis, link, lock, holder, name, patience);
        held.push({ service: name, redis, lock });
      } catch (error) {
        if (!(error instanceof RedisError)) throw error;
        if (isConnectionLost(error)) failWithoutLock(service, link, error);
        else if (error.code === 'EREPLY') await failWithOddLock(service, link, error, redis, lock);
        else {
          notLocked(error);
          // Set by a renewal, once memory is free.
          if (error.code === 'OOM') held.push({ service: name, redis, lock });
        }
      }
    }
  } catch (error) {
    await release();
    throw error;
  }
  return {
    lost,
    handOver: () => {
      clearInterval(renewal);
      held.length = 0;
    },
    release,
  };
}

/** A lock that nobody answers for expires: the report is not kept waiting for it. */
const RELEASE_MS = 2_000;

async function inTime(work: Promise<unknown>): Promise<void> {
  const limit = new AbortController();
  // Referenced: a client that was closed answers never, and nothing else may keep the process alive.
  const timer = sleep(RELEASE_MS, undefined, { signal: limit.signal }).catch(() => undefined);
  await Promise.race([work, timer]);
  limit.abort();
}

/** Where the lock of a service is. */
export function lockOf(service: OpenService): {
  readonly link: Link | undefined;
  readonly key: string;
} {
  const key = serviceKeys(service).broker.lock(service.config.name);
  return { link: lockLink(service), key };
}

/** Not every step after this one is to wait for the connection as long again. */
function failWithoutLock(service: OpenService, link: Link, error: RedisError): void {
  service.failures.push(stepFailure(link, { target: link.failureTarget, name: 'lock' }, error));
  link.connection?.close();
  link.connection = undefined;
}

/** The server may have set the lock all the same. */
async function failWithOddLock(
  service: OpenService,
  link: Link,
  error: RedisError,
  redis: RedisConnection,
  lock: RedisLock,
): Promise<void> {
  service.failures.push(stepFailure(link, { target: link.failureTarget, name: 'lock' }, error));
  await attempt(releaseLock(redis, lock));
}

async function take(
  redis: RedisConnection,
  { label }: Link,
  lock: RedisLock,
  holder: Holder,
  service: string,
  patience: Patience,
): Promise<void> {
  for (;;) {
    const other = await acquireLock(redis, lock);
    if (other === undefined) return;
    const by = parseHolder(other) ?? NOBODY;
    const isOurs = by.token === holder.token;
    // Its process is gone: nobody has to wait for the expiry.
    if ((isOurs || hasDiedHere(by)) && (await replaceOwner(redis, lock, other))) return;
    await patience(by, service, ` (Redis ${label}, key ${lock.key})`);
  }
}

/** Undefined when it could not be done: a lock expires by itself. */
async function attempt<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof RedisError)) throw error;
    return undefined;
  }
}

function unlockedWarning(
  link: Link,
  lock: RedisLock,
  error: RedisError,
  patterns: readonly string[],
): Warning {
  const { code, command, message } = error;
  const user = link.target.credentials?.username ?? 'default';
  const isFull = code === 'OOM';
  const remedy =
    code === 'NOPERM' && command !== undefined ? `; ${grantText(user, [command], patterns)}` : '';
  const text = `Redis ${link.label}: the lock ${lock.key} could not be set (${message}): a run on another host ${isFull ? 'is not kept away until memory is free' : 'would not be kept away'}${remedy}`;
  return warning(text);
}
