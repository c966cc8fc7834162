import { randomUUID } from 'node:crypto';
import {
  linkSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { errorCode } from '../errors.ts';
import { stillRuns } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';

/**
 * A lock on this host: a file that names its holder. It appears whole, by link(2), so that of many
 * one wins. A dead holder's lock is not removed, which could hit the lock of who was faster, but
 * succeeded: the next holder is who makes the file "successor of that token", and only one can.
 */

export interface Holder extends ProcessIdentity {
  /** Of this very holding; the same process has another one the next time. */
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly user: string;
  /** What it works on. */
  readonly service: string;
  /** Of its run; undefined as long as it has none. */
  readonly cleanupId: string | undefined;
}

export interface HeldLock {
  readonly file: string;
  holder: Holder;
}

export type Attempt =
  { readonly is: 'held'; readonly lock: HeldLock } | { readonly is: 'locked'; readonly by: Holder };

/** The holder tells so often that it is there, for those who cannot see its process. */
export const RENEW_MS = 15_000;
/** Not told of for so long, a holder whose process cannot be seen is taken for dead. */
const STALE_MS = 90_000;
/** So many times somebody else may come first. */
const MOST_ROUNDS = 100;

export function newToken(): string {
  return randomUUID();
}

/** @throws the system error when the lock can neither be had nor read. */
export function takeLock(file: string, holder: Holder): Attempt {
  const own = `${file}.${newToken()}`;
  try {
    writeFileSync(own, JSON.stringify(holder), { mode: 0o600, flag: 'wx' });
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      if (linked(own, file)) return { is: 'held', lock: { file, holder } };
      const chain = chainOf(file);
      const last = chain.at(-1);
      // Released this moment.
      if (last === undefined) continue;
      if (last.holder.token === holder.token) return { is: 'held', lock: { file, holder } };
      if (isAlive(last)) return { is: 'locked', by: last.holder };
      if (!linked(own, successorOf(file, last.holder))) continue;
      // Whoever has made itself the first meanwhile has taken the dead ones away with it.
      if (!chainOf(file).some((link) => link.holder.token === holder.token)) {
        remove(successorOf(file, last.holder));
        continue;
      }
      renameSync(own, file);
      for (const link of chain) remove(successorOf(file, link.holder));
      return { is: 'held', lock: { file, holder } };
    }
    throw Object.assign(new Error('The lock changes hands all the time'), { code: 'EAGAIN' });
  } finally {
    remove(own);
  }
}

/** Says more of the holder, or makes another process the holder. @throws the system error. */
export function rewriteLock(lock: HeldLock, change: Partial<Holder>): void {
  if (!isOurs(lock)) return;
  const holder = { ...lock.holder, ...change };
  const own = `${lock.file}.${newToken()}`;
  writeFileSync(own, JSON.stringify(holder), { mode: 0o600 });
  renameSync(own, lock.file);
  lock.holder = holder;
}

/** Tells those who cannot see the process that it is there. */
export function renewLock({ file }: HeldLock): void {
  try {
    const now = new Date();
    utimesSync(file, now, now);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}

export function releaseLock(lock: HeldLock): void {
  if (isOurs(lock)) remove(lock.file);
}

/** Not any more when somebody took us for dead. */
export function isOurs({ file, holder }: HeldLock): boolean {
  return readHolder(file)?.holder.token === holder.token;
}

/** Who holds it, if anybody. */
export function lockHolder(file: string): Holder | undefined {
  const last = chainOf(file).at(-1);
  return last !== undefined && isAlive(last) ? last.holder : undefined;
}

interface ChainLink {
  readonly holder: Holder;
  /** Milliseconds since 1970. */
  readonly renewed: number;
}

/** The first holder, and those that succeeded it one after the other; the last one holds it. */
function chainOf(file: string): readonly ChainLink[] {
  const chain: ChainLink[] = [];
  let link = readHolder(file);
  // Of files that somebody has spoilt one may lead to itself.
  while (link !== undefined && chain.length < MOST_ROUNDS) {
    chain.push(link);
    link = readHolder(successorOf(file, link.holder));
  }
  return chain;
}

function successorOf(file: string, holder: Holder): string {
  return `${file}.after-${holder.token}`;
}

function isAlive({ holder, renewed }: ChainLink): boolean {
  return stillRuns(holder) ?? Date.now() - renewed < STALE_MS;
}

/** Undefined when there is none. A file that nobody of ours wrote counts as a dead holder's. */
function readHolder(file: string): ChainLink | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    return { holder: parseHolder(text), renewed: statSync(file).mtimeMs };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function parseHolder(text: string): Holder {
  try {
    const holder = JSON.parse(text) as Holder;
    const isToken = typeof holder.token === 'string' && /^[\w-]+$/.test(holder.token);
    if (isToken && Number.isInteger(holder.pid) && holder.pid > 0) return holder;
  } catch {
    // Below.
  }
  return NOBODY;
}

const NOBODY: Holder = {
  token: 'nobody',
  pid: 0,
  started: '',
  realm: '',
  host: '',
  since: 0,
  user: '',
  service: '',
  cleanupId: undefined,
};

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function remove(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
