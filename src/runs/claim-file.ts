import { randomUUID } from 'node:crypto';
import { readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../errors.ts';
import { collide } from '../files/directory-claim.ts';
import type { Claim } from '../files/directory-claim.ts';
import {
  isAbandoned,
  isAlive,
  newToken,
  parseHolder,
  readHolder,
  releaseLock,
  takeLock,
} from './lock-file.ts';
import type { HeldLock, Holder } from './lock-file.ts';
import { readOwnFile, removeFile } from './own-file.ts';

/**
 * Directories that each run of this host keeps other runs away from: one file for each run, with its
 * holder and its claim. A run that takes a claim holds the lock file `taking.lock` while it reads the
 * claims of the others, so that of two runs with the same directory only one gets it, and no run waits
 * with a part of its claim. The claim of a dead run is removed then.
 */

export type ClaimAttempt =
  | { readonly is: 'held'; readonly lock: HeldLock }
  /** `service`: our service whose directory or database the other run works on. */
  | { readonly is: 'locked'; readonly by: Holder; readonly service: string };

/** In JSON. */
type StoredClaim = Readonly<Record<keyof Claim, readonly string[]>>;

export interface ForeignClaim {
  readonly file: string;
  readonly holder: Holder;
  readonly isAlive: boolean;
}

const TAKING = 'taking.lock';
const POLL_MS = 10;
/** Comparing claims takes a run milliseconds. */
const LONGEST_TAKING_MS = 10_000;

/**
 * Takes the claims of all services, or none. A run with the same token replaces its earlier claims.
 * @param directory of the claims. @throws the system error, or the signal's reason.
 */
export async function takeClaims(
  directory: string,
  holder: Holder,
  claims: ReadonlyMap<string, Claim>,
  signal: AbortSignal,
): Promise<ClaimAttempt> {
  const until = performance.now() + LONGEST_TAKING_MS;
  for (;;) {
    const taking = takeLock(join(directory, TAKING), { ...holder, token: newToken() });
    if (taking.is === 'held') {
      try {
        return takeNow(directory, holder, claims);
      } finally {
        releaseLock(taking.lock);
      }
    }
    if (performance.now() >= until) {
      const [service = ''] = claims.keys();
      return { is: 'locked', by: taking.by, service };
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {
      signal.throwIfAborted();
    });
  }
}

function takeNow(
  directory: string,
  holder: Holder,
  claims: ReadonlyMap<string, Claim>,
): ClaimAttempt {
  tidy(directory);
  for (const other of readClaims(directory)) {
    if (other.holder.token === holder.token) continue;
    if (!other.isAlive) {
      removeFile(other.file);
      continue;
    }
    for (const [service, claim] of claims) {
      if (collide(claim, other.claim)) return { is: 'locked', by: other.holder, service };
    }
  }
  const all = [...claims.values()];
  const own = new Set(all.flatMap((claim) => [...claim.own]));
  const above = new Set(all.flatMap((claim) => [...claim.above]));
  const file = join(directory, `${holder.token}.lock`);
  return {
    is: 'held',
    lock: writeClaim(file, { ...holder, own: [...own], above: [...above] }),
  };
}

/** A run that takes over from a holder with this token keeps the time of the first. */
function writeClaim(file: string, wanted: Holder & StoredClaim): HeldLock {
  const earlier = readHolder(file)?.holder;
  const holder =
    earlier?.token === wanted.token
      ? { ...wanted, since: earlier.since, cleanupId: earlier.cleanupId }
      : wanted;
  const own = `${file}.${NEW}${randomUUID()}`;
  try {
    // On a full disk it is there, and empty.
    writeFileSync(own, JSON.stringify(holder), { mode: 0o600, flag: 'wx' });
    renameSync(own, file);
  } finally {
    removeFile(own);
  }
  return { file, holder };
}

/** Those that keep others away from what is claimed, dead holders' too. Reads only. */
export function claimsAgainst(directory: string, claim: Claim): readonly ForeignClaim[] {
  return readClaims(directory).filter((other) => collide(claim, other.claim));
}

function readClaims(directory: string): readonly (ForeignClaim & { readonly claim: Claim })[] {
  return namesIn(directory).flatMap((name) => {
    if (!name.endsWith('.lock') || name === TAKING) return [];
    const file = join(directory, name);
    const found = readHolder(file);
    // Released this moment.
    if (found === undefined) return [];
    const claim = readClaim(file);
    return [{ file, holder: found.holder, isAlive: isAlive(found), claim }];
  });
}

const NOTHING: Claim = { own: new Set(), above: new Set() };

function readClaim(file: string): Claim {
  try {
    const { text } = readOwnFile(file);
    if (parseHolder(text) === undefined) return NOTHING;
    const { own, above } = JSON.parse(text) as Partial<Record<keyof Claim, unknown>>;
    return { own: strings(own), above: strings(above) };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return NOTHING;
    throw error;
  }
}

function strings(value: unknown): ReadonlySet<string> {
  return new Set(Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []);
}

const NEW = 'new-';

/** Removes what killed processes have left half written. */
function tidy(directory: string): void {
  for (const name of namesIn(directory)) {
    const file = join(directory, name);
    if (name.includes(`.lock.${NEW}`) && !name.startsWith(TAKING) && isAbandoned(file)) {
      removeFile(file);
    }
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
