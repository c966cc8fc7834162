import { createHash } from 'node:crypto';
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceConfig } from '../config/types.ts';
import { CannotStart, errorCode, errorMessage } from '../errors.ts';
import { targetIdentity } from '../redis/target.ts';
import { localTime } from '../report/log-line.ts';
import type { Observer } from '../report/observer.ts';
import { printable } from '../report/printable.ts';
import { systemReason } from '../report/system-reason.ts';
import {
  isNobody,
  isOurs,
  newToken,
  releaseLock,
  RENEW_MS,
  renewLock,
  rewriteLock,
  takeLock,
} from '../runs/lock-file.ts';
import type { HeldLock, Holder } from '../runs/lock-file.ts';
import { identify } from '../runs/process-identity.ts';
import { userName } from '../runs/recorder.ts';
import { makePrivateDirectory } from '../runs/state-directory.ts';
import { realPlace } from '../files/real-path.ts';
import { identityOfPath, upwards } from '../files/within.ts';

/**
 * The locks of a run on this host: one for each directory of its services, so that a service is
 * known again whatever config names it; of a service without directories its database and name.
 */
export interface HostLocks {
  /** What stands in the locks of this run. */
  readonly holder: Holder;
  /** Why there is no lock on this host; undefined: there is. */
  readonly problem: string | undefined;
  /** Tells others what the run is called. */
  name(cleanupId: string): void;
  /** Makes another process the holder. */
  handOver(pid: number): void;
  /** Some of them are somebody else's by now. */
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
  options: LockOptions,
): Promise<HostLocks> {
  const { stateDirectory, pid, patience } = options;
  const holder: Holder = {
    ...identify(pid),
    token: options.token ?? newToken(),
    since: Date.now(),
    user: userName(),
    service: '',
    cleanupId: undefined,
  };
  const held: HeldLock[] = [];
  const release = (): void => {
    clearInterval(renewal);
    for (const lock of held.splice(0)) tolerate(() => releaseLock(lock));
  };
  const rewrite = (change: Partial<Holder>): void => {
    for (const lock of held) tolerate(() => rewriteLock(lock, change));
  };
  let problem: string | undefined;
  // From the first on: the next one may have to be waited for.
  const renewal = setInterval(() => {
    for (const lock of held) renewLock(lock);
  }, RENEW_MS).unref();
  try {
    makePrivateDirectory(stateDirectory, LOCKS);
    for (const { file, service } of lockFiles(services, stateDirectory)) {
      for (;;) {
        const attempt = takeLock(file, { ...holder, service });
        if (attempt.is === 'held') {
          // Handed over: from now on it is this process that must be alive.
          if (options.token !== undefined) rewriteLock(attempt.lock, identify(pid));
          held.push(attempt.lock);
          break;
        }
        await patience(attempt.by, service);
      }
    }
  } catch (error) {
    release();
    if (error instanceof CannotStart || options.signal.aborted) throw error;
    const code = errorCode(error);
    if (code === undefined) throw error;
    const where = code === 'EFOREIGN' ? errorMessage(error) : stateDirectory;
    problem = `${systemReason(code)} (${where})`;
  }
  return {
    holder,
    problem,
    name: (cleanupId) => {
      rewrite({ cleanupId });
    },
    handOver: (other) => {
      rewrite(identify(other));
      clearInterval(renewal);
      held.length = 0;
    },
    isLost: () => held.some(isLost),
    release,
  };
}

const LOCKS = 'locks';

/** Device and inode of a directory; of what is not there those of the nearest above, and the rest. */
function identityOfPlace(path: string): string {
  const real = realPlace(path);
  for (const above of upwards(real)) {
    const identity = identityOfPath(above);
    if (identity !== undefined) return `${identity} ${relative(above, real)}`;
  }
  return real;
}

/** In one order for everybody, so that no two runs wait for each other. */
export function lockFiles(
  services: readonly ServiceConfig[],
  stateDirectory: string,
): readonly { readonly file: string; readonly service: string }[] {
  const names = new Map<string, string>();
  for (const { name: service, root, redis, directories, models } of services) {
    const paths = [...directories, ...models].map(({ path }) =>
      identityOfPlace(resolve(root, path)),
    );
    const database = redis === undefined ? '' : targetIdentity(redis);
    for (const thing of paths.length > 0 ? paths : [`${database} ${service}`]) {
      const hash = createHash('sha256').update(thing).digest('hex').slice(0, 16);
      names.set(`${hash}.lock`, service);
    }
  }
  return [...names]
    .map(([name, service]) => ({ file: join(stateDirectory, LOCKS, name), service }))
    .toSorted((a, b) => (a.file < b.file ? -1 : 1));
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
