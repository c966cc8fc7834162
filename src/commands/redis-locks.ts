import { isConnectionLost, RedisError } from '../redis/errors.ts';
import { acquireLock, releaseLock, RENEWAL_MS, renewLock, replaceOwner } from '../redis/lock.ts';
import type { RedisLock } from '../redis/lock.ts';
import type { Holder } from '../runs/lock-file.ts';
import { stillRuns } from '../runs/process-identity.ts';
import type { Patience } from './host-locks.ts';
import type { Link } from './links.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import { warning } from './warnings.ts';
import type { Warning } from './warnings.ts';

/** The locks of a run in the Redis of its services, which runs on other hosts see. */
export interface RedisLocks {
  /** Services whose lock was lost to another run meanwhile. */
  readonly lost: ReadonlySet<string>;
  release(): Promise<void>;
}

interface Held {
  readonly service: string;
  readonly link: Link;
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
  const release = async (): Promise<void> => {
    clearInterval(renewal);
    await Promise.all(
      held
        .splice(0)
        .map(async ({ link, lock }) => attempt(link, async (redis) => releaseLock(redis, lock))),
    );
  };
  const renew = async (one: Held): Promise<void> => {
    if (lost.has(one.service)) return;
    const isStillOurs = await attempt(one.link, async (redis) => renewLock(redis, one.lock));
    if (isStillOurs === false) lost.add(one.service);
  };
  const renewal = setInterval(() => {
    for (const one of held) void renew(one);
  }, RENEWAL_MS).unref();
  try {
    const inOrder = services.toSorted((a, b) => (a.config.name < b.config.name ? -1 : 1));
    for (const service of inOrder) {
      const link = service.redis ?? service.broker;
      if (link?.connection === undefined) continue;
      const { name } = service.config;
      const lock = {
        key: serviceKeys(service).broker.lock(name),
        value: JSON.stringify({ ...holder, service: name }),
      };
      try {
        await take(link, lock, name, patience);
        held.push({ service: name, link, lock });
      } catch (error) {
        if (!(error instanceof RedisError)) throw error;
        warn(service, unlockedWarning(link, lock, error));
      }
    }
  } catch (error) {
    await release();
    throw error;
  }
  return {
    lost,
    release,
  };
}

async function take(
  link: Link,
  lock: RedisLock,
  service: string,
  patience: Patience,
): Promise<void> {
  for (;;) {
    const { connection } = link;
    if (connection === undefined) return;
    const other = await acquireLock(connection, lock);
    if (other === undefined) return;
    const by = parseHolder(other);
    // Its process is gone: nobody has to wait for the expiry.
    if (stillRuns(by) === false && (await replaceOwner(connection, lock, other))) return;
    await patience(by, service);
  }
}

/** Undefined when it could not be done: a lock expires by itself. */
async function attempt<T>(
  link: Link,
  work: (redis: NonNullable<Link['connection']>) => Promise<T>,
): Promise<T | undefined> {
  if (link.connection === undefined) return undefined;
  try {
    return await work(link.connection);
  } catch (error) {
    if (!(error instanceof RedisError)) throw error;
    return undefined;
  }
}

function parseHolder(text: string): Holder {
  let found: Partial<Holder> = {};
  try {
    found = (JSON.parse(text) ?? {}) as Partial<Holder>;
  } catch {
    // Somebody else's way to write it: it is locked all the same.
  }
  const string = (value: unknown): string => (typeof value === 'string' ? value : '');
  const number = (value: unknown): number => (Number.isSafeInteger(value) ? (value as number) : 0);
  const cleanupId = string(found.cleanupId);
  return {
    token: string(found.token),
    pid: number(found.pid),
    started: string(found.started),
    realm: string(found.realm),
    host: string(found.host) || '?',
    since: number(found.since),
    user: string(found.user) || '?',
    service: string(found.service),
    cleanupId: cleanupId === '' ? undefined : cleanupId,
  };
}

function unlockedWarning(link: Link, lock: RedisLock, error: RedisError): Warning {
  const text = `Redis ${link.label}: the lock ${lock.key} could not be set (${error.message}): a run on another host would not be kept away`;
  // A connection that is lost is an error of its own in a moment.
  return isConnectionLost(error) ? { text, weight: 'note' } : warning(text);
}
