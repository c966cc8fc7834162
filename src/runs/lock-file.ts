import { randomUUID } from 'node:crypto';
import { linkSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '../errors.ts';
import { readOwnFile, removeFile, touchOwnFile } from './own-file.ts';
import { stillRuns } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';

/**
 * A lock on this host: a file that names its holder. It appears whole, by link(2), so that of many
 * one wins. A dead holder's lock is not removed, which could hit the lock of who was faster, but
 * succeeded: the next holder is who makes the file "successor of that token", and only one can.
 * What killed processes leave beside it, the next holder takes away.
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
  const own = newFileFor(file);
  let seen: Holder | undefined;
  try {
    // On a full disk it is there, and empty.
    writeFileSync(own, JSON.stringify(holder), { mode: 0o600, flag: 'wx' });
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      if (linked(own, file)) return held(file, holder);
      const chain = chainOf(file);
      const last = chain.at(-1);
      // Released this moment.
      if (last === undefined) continue;
      if (last.holder.token === holder.token) return held(file, holder);
      if (isAlive(last)) return { is: 'locked', by: last.holder };
      seen = last.holder;
      if (!linked(own, successorOf(file, last.holder))) continue;
      // Whoever has made itself the first meanwhile has taken the dead ones away with it.
      if (!chainOf(file).some((link) => link.holder.token === holder.token)) {
        removeFile(successorOf(file, last.holder));
        continue;
      }
      renameSync(own, file);
      return held(file, holder);
    }
    // Others were faster each time: one of them has it.
    if (seen !== undefined) return { is: 'locked', by: seen };
    throw Object.assign(new Error('The lock changes hands all the time'), { code: 'EAGAIN' });
  } finally {
    removeFile(own);
  }
}

function held(file: string, holder: Holder): Attempt {
  const lock = { file, holder };
  tidy(lock);
  return { is: 'held', lock };
}

/**
 * Removes what was left beside the lock. Once it is ours nobody gets to a successor of anybody else;
 * who has made itself one a moment too late looks, sees that, and tries again.
 */
function tidy(lock: HeldLock): void {
  const { file, holder } = lock;
  const [directory, start] = [dirname(file), `${basename(file)}.`];
  try {
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      if (!name.startsWith(start) || path === successorOf(file, holder)) continue;
      const isLeft = name.startsWith(`${start}${NEW}`) ? isAbandoned(path) : isOurs(lock);
      if (isLeft) removeFile(path);
    }
  } catch (error) {
    // It stays: the lock is ours all the same.
    if (errorCode(error) === undefined) throw error;
  }
}

/** Of a file that is not linked yet: whoever wrote it is gone, or began to long ago. */
export function isAbandoned(path: string): boolean {
  const link = readHolder(path);
  if (link === undefined) return false;
  return isNobody(link.holder) ? isStale(link) : !isAlive(link);
}

/** Says more of the holder, or makes another process the holder. @throws the system error. */
export function rewriteLock(lock: HeldLock, change: Partial<Holder>): void {
  if (!isOurs(lock)) return;
  const holder = { ...lock.holder, ...change };
  const own = newFileFor(lock.file);
  try {
    writeFileSync(own, JSON.stringify(holder), { mode: 0o600, flag: 'wx' });
    renameSync(own, lock.file);
  } catch (error) {
    removeFile(own);
    throw error;
  }
  lock.holder = holder;
}

/** Tells those who cannot see the process that it is there. */
export function renewLock(lock: HeldLock): void {
  try {
    if (isOurs(lock)) touchOwnFile(lock.file);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}

export function releaseLock(lock: HeldLock): void {
  if (isOurs(lock)) removeFile(lock.file);
}

/** Not any more when somebody took us for dead. */
export function isOurs({ file, holder }: HeldLock): boolean {
  return readHolder(file)?.holder.token === holder.token;
}

/** Who holds it, if anybody, and whether it still runs. @throws the system error. */
export function lookAtLock(
  file: string,
): { readonly holder: Holder; readonly isAlive: boolean } | undefined {
  const last = chainOf(file).at(-1);
  return last && { holder: last.holder, isAlive: isAlive(last) };
}

export interface ChainLink {
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

export function isAlive(link: ChainLink): boolean {
  return !isNobody(link.holder) && (stillRuns(link.holder) ?? !isStale(link));
}

function isStale({ renewed }: ChainLink): boolean {
  return Date.now() - renewed >= STALE_MS;
}

const NEW = 'new-';

/** Nobody else has this name: of one token two processes may write, when one hands over to the other. */
function newFileFor(file: string): string {
  return `${file}.${NEW}${randomUUID()}`;
}

/** Undefined when there is none. A file that nobody of ours wrote counts as a dead holder's. */
export function readHolder(file: string): ChainLink | undefined {
  let found: ReturnType<typeof readOwnFile>;
  try {
    found = readOwnFile(file);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const { text, modified, inode } = found;
  // Two spoilt files must not be each other's successor.
  const holder = parseHolder(text) ?? { ...NOBODY, token: `nobody-${inode}` };
  return { holder, renewed: modified };
}

/** Undefined when nobody of ours wrote that. */
export function parseHolder(text: string): Holder | undefined {
  let found: Partial<Record<keyof Holder, unknown>>;
  try {
    found = (JSON.parse(text) ?? {}) as typeof found;
  } catch {
    return undefined;
  }
  const string = (value: unknown): string => (typeof value === 'string' ? value : '');
  const { pid, since } = found;
  const token = string(found.token);
  if (!/^[\w-]+$/.test(token) || !isWithin(pid, 1, 2 ** 31)) return undefined;
  const cleanupId = string(found.cleanupId);
  return {
    token,
    pid,
    started: string(found.started),
    realm: string(found.realm),
    host: string(found.host) || '?',
    since: isWithin(since, 0, LAST_DATE) ? since : 0,
    user: string(found.user) || '?',
    service: string(found.service),
    cleanupId: cleanupId === '' ? undefined : cleanupId,
  };
}

/** ECMA-262, "Time Values and Time Range". */
const LAST_DATE = 8.64e15;

function isWithin(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

export const NOBODY: Holder = {
  token: '',
  pid: 0,
  started: '',
  realm: '',
  host: '?',
  since: 0,
  user: '?',
  service: '',
  cleanupId: undefined,
};

export function isNobody({ pid }: Holder): boolean {
  return pid === 0;
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}
