import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisConnection } from '../redis/connect.ts';
import { readClients } from './clients.ts';
import type { Clients, PoppingClient } from './clients.ts';

/** Consumers of the database, by CLIENT LIST. Redis does not say which list a client waits for. */
export interface Consumers {
  readonly all: number;
  /** Of those: that ask anew every second, as Celery does, or are at work on a message. */
  readonly celery: number;
}

/** Of each how many wait, and how many are at work. */
export interface ConsumerCount {
  readonly waiting: Consumers;
  readonly atWork: number;
}

/**
 * From one look to the next, and how many there are: together longer than the second that
 * `celery inspect` waits for replies in BRPOP, which a health check of an API may do at any time.
 */
const BETWEEN_MS = 220;
const LOOKS = 7;
/** A consumer may be between two BRPOPs at one look. */
const MISSES = 1;
/** kombu's BRPOP waits for one second (`brpop_timeout`); Redis counts whole seconds. */
const CELERY_IDLE_S = 2;

/**
 * Counts the clients that go on taking messages from lists, and not those that asked a list once: the
 * last command alone does not tell one from the other. Looks once where that is enough: when there
 * are no more of them than workers that can be asked. A client that is not blocked counts only with
 * evidence of a message (see clients.ts): a worker without remote control that is stopped looks
 * exactly like a health check between two calls, and is missed.
 * @param found with the clients that CLIENT LIST named just now.
 * @param expected how many consumers can be asked. @throws RedisError, or the signal's reason.
 */
export async function countConsumers(
  {
    broker,
    db,
    clients,
    signal,
  }: {
    readonly broker: RedisConnection;
    readonly db: number;
    readonly clients: Clients;
    readonly signal: AbortSignal;
  },
  expected: number,
): Promise<ConsumerCount> {
  let candidates = clients.popping.map((client) => ({
    id: client.id,
    misses: isActive(client) ? 0 : 1,
    isCelery: asksLikeCelery(client),
    isAtWork: client.state === 'at work',
    // It may be between two BRPOPs.
    isFresh: client.idle <= CELERY_IDLE_S,
  }));
  candidates = candidates.filter(({ misses, isFresh }) => misses === 0 || isFresh);
  for (let look = 2; look <= LOOKS && candidates.length > expected; look += 1) {
    await sleep(BETWEEN_MS, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
    const { popping } = await readClients(broker, db);
    candidates = candidates
      .map((candidate) => {
        const now = popping.find(({ id }) => id === candidate.id);
        const isNowActive = now !== undefined && isActive(now);
        return {
          ...candidate,
          misses: candidate.misses + (isNowActive ? 0 : 1),
          isAtWork: now?.state === 'at work',
          isCelery: candidate.isCelery && (now === undefined || asksLikeCelery(now)),
        };
      })
      .filter(({ misses }) => misses <= MISSES);
  }
  const waiting = candidates.filter(({ isAtWork }) => !isAtWork);
  return {
    waiting: {
      all: waiting.length,
      celery: waiting.filter(({ isCelery }) => isCelery).length,
    },
    atWork: candidates.length - waiting.length,
  };
}

function isActive({ state }: PoppingClient): boolean {
  return state !== 'done';
}

function asksLikeCelery({ state, idle }: PoppingClient): boolean {
  return state === 'at work' || idle <= CELERY_IDLE_S;
}
