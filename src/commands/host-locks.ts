import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceConfig } from '../config/types.ts';
import { CannotStart, errorCode, errorMessage } from '../errors.ts';
import { targetIdentity } from '../redis/target.ts';
import { localTime } from '../report/log-line.ts';
import type { Observer } from '../report/observer.ts';
import { printable } from '../report/printable.ts';
import { systemReason } from '../report/system-reason.ts';
import { takeClaims } from '../runs/claim-file.ts';
import {
  isNobody,
  isOurs,
  newToken,
  releaseLock,
  RENEW_MS,
  renewLock,
  rewriteLock,
} from '../runs/lock-file.ts';
import type { HeldLock, Holder } from '../runs/lock-file.ts';
import { identify } from '../runs/process-identity.ts';
import { userName } from '../runs/recorder.ts';
import { makePrivateDirectory } from '../runs/state-directory.ts';
import { claimDirectories } from '../files/directory-claim.ts';
import type { Claim } from '../files/directory-claim.ts';
import type { Located } from './guard-targets.ts';

/**
 * The lock of a run on this host, on the directories of its services, so that a service is known
 * again whatever config names it; of a service without directories on its database and name.
 */
export interface HostLocks {
  /** What stands in the locks of this run. */
  readonly holder: Holder;
  /** Why there is no lock on this host; undefined: there is. */
  readonly problem: string | undefined;
  /** Tells others what the run is called. */
  name(cleanupId: string): void;
  /**
   * Takes the directories that are there now, after others were waited for.
   * @throws CannotStart('locked'), or the signal's reason.
   */
  takeAgain(located: ReadonlyMap<string, Located>): Promise<void>;
  /** Makes another process the holder. */
  handOver(pid: number): void;
  /** Another run holds the lock by now. */
  isLost(): boolean;
  release(): void;
}

export interface LockOptions {
  readonly stateDirectory: string;
  readonly pid: number;
  /** Of the run that hands its locks over to us. */
  readonly token: string | undefined;
  readonly patience: Patience;
  readonly signal: AbortSignal;
}

const FIRST_POLL_MS = 50;
const LONGEST_POLL_MS = 500;

/** @throws CannotStart('locked'), or the signal's reason. */
export async function lockHost(
  services: readonly ServiceConfig[],
  located: ReadonlyMap<string, Located>,
  options: LockOptions,
): Promise<HostLocks> {
  const { stateDirectory, pid, patience, signal } = options;
  const holder: Holder = {
    ...identify(pid),
    token: options.token ?? newToken(),
    since: Date.now(),
    user: userName(),
    service: services.map(({ name }) => name).join(', '),
    cleanupId: undefined,
  };
  let held: HeldLock | undefined;
  let problem: string | undefined;
  const withHeld = (action: (lock: HeldLock) => void): void => {
    const lock = held;
    if (lock !== undefined) tolerate(() => action(lock));
  };
  const renewal = setInterval(() => withHeld(renewLock), RENEW_MS).unref();
  const release = (): void => {
    clearInterval(renewal);
    withHeld(releaseLock);
    held = undefined;
  };
  const take = async (found: ReadonlyMap<string, Located>): Promise<void> => {
    try {
      const directory = makePrivateDirectory(stateDirectory, LOCKS);
      const claims = await claimsOf(services, found, signal);
      for (;;) {
        const attempt = await takeClaims(directory, { ...holder, ...held?.holder }, claims, signal);
        if (attempt.is === 'held') {
          held = attempt.lock;
          return;
        }
        await patience(attempt.by, attempt.service);
      }
    } catch (error) {
      const isStop = error instanceof CannotStart || signal.aborted;
      const code = errorCode(error);
      if (isStop || code === undefined) {
        release();
        throw error;
      }
      const where = code === 'EFOREIGN' ? errorMessage(error) : stateDirectory;
      problem = `${systemReason(code)} (${where})`;
    }
  };
  await take(located);
  return {
    holder,
    problem,
    name: (cleanupId) => {
      withHeld((lock) => rewriteLock(lock, { cleanupId }));
    },
    takeAgain: take,
    handOver: (other) => {
      withHeld((lock) => rewriteLock(lock, identify(other)));
      clearInterval(renewal);
      held = undefined;
    },
    isLost: () => held !== undefined && isLost(held),
    release,
  };
}

const LOCKS = 'locks';

export function locksIn(stateDirectory: string): string {
  return join(stateDirectory, LOCKS);
}

async function claimsOf(
  services: readonly ServiceConfig[],
  located: ReadonlyMap<string, Located>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Claim>> {
  const claims = new Map<string, Claim>();
  for (const service of services) {
    const directories = located.get(service.name)?.directories ?? [];
    claims.set(service.name, await claimOf(service, directories, signal));
  }
  return claims;
}

/** What a run over the service keeps others away from. @throws the signal's reason. */
export async function claimOf(
  { name, root, redis, directories, models }: ServiceConfig,
  located: Located['directories'],
  signal: AbortSignal,
): Promise<Claim> {
  const configured = [...directories, ...models];
  if (configured.length > 0) return await claimDirectories(root, configured, located, signal);
  const database = redis === undefined ? '' : targetIdentity(redis);
  return { own: new Set([`${database} ${name}`]), above: new Set() };
}

/**
 * Waits a little for a holder, or throws when it was waited for long enough. One for all locks of a
 * run.
 * @param where the lock is, for when nobody of ours has made it.
 * @throws CannotStart('locked'), or the signal's reason.
 */
export type Patience = (by: Holder, service: string, where?: string) => Promise<void>;

export function createPatience({
  wait,
  observer,
  signal,
}: {
  /** Milliseconds, for all of them together. */
  readonly wait: number;
  readonly observer: Observer;
  readonly signal: AbortSignal;
}): Patience {
  const until = performance.now() + wait;
  let pause = FIRST_POLL_MS;
  let said: string | undefined;
  return async (by, service, where = '') => {
    signal.throwIfAborted();
    if (performance.now() >= until)
      throw lockedError(by, heldText(by, service, where), service, wait);
    if (said !== by.token) {
      said = by.token;
      observer.log({
        level: 'INFO',
        service,
        step: 'lock',
        message: `Waiting: ${heldText(by, service, where)}`,
      });
    }
    const rest = until - performance.now();
    await sleep(Math.min(pause, rest), undefined, { signal }).catch(() => {
      signal.throwIfAborted();
    });
    pause = Math.min(pause * 2, LONGEST_POLL_MS);
  };
}

function lockedError(by: Holder, held: string, service: string, waited: number): CannotStart {
  const look =
    by.cleanupId === undefined ? '' : `, look with: media-cleanup status ${printed(by.cleanupId)}`;
  const wait =
    waited > 0
      ? `waited ${Math.round(waited / 1000)} s for it`
      : 'wait for it with --lock-wait 10m';
  const message = `${held}; ${wait}${look}`;
  return new CannotStart('locked', message, [{ path: service, message: held }]);
}

/** What another host has written into Redis is shown as what it is. */
export function heldText(by: Holder, service: string, where = ''): string {
  if (isNobody(by)) return `${service} is locked by somebody unknown${where}`;
  const who = `pid ${by.pid} on ${printed(by.host)} (user ${printed(by.user)})`;
  const run = by.cleanupId === undefined ? '' : `, run ${printed(by.cleanupId)},`;
  const since = by.since === 0 ? '' : ` since ${localTime(new Date(by.since))}`;
  return `${service} is being wiped by ${who}${run}${since}`;
}

function printed(text: string): string {
  return printable(Buffer.from(text));
}

/** What cannot be looked at any more is not known to be another's. */
function isLost(lock: HeldLock): boolean {
  let lost = false;
  tolerate(() => {
    lost = !isOurs(lock);
  });
  return lost;
}

/** A lock that cannot be written any more is no reason to stop a wipe. */
function tolerate(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}
