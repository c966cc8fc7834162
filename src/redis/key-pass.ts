/**
 * One SCAN of a database for all that want to see its keys: beside millions of foreign keys a SCAN
 * takes seconds, however few keys match its pattern.
 */
import type { RedisConnection } from './connect.ts';
import { RedisError } from './errors.ts';
import { createKeyNames } from './key-names.ts';
import type { KeyNames } from './key-names.ts';
import { escapeGlob, scanAll } from './scan.ts';

/** Takes part in a pass. */
export interface KeyReader {
  /** SCAN patterns of the keys that it must see; undefined: every key. */
  readonly patterns: readonly Buffer[] | undefined;
  /**
   * Gets those keys and others that nobody has chosen for it; a key may come twice, or be gone by
   * then. A name that is kept is to be copied: it is a piece of a reply.
   */
  readonly read: (keys: readonly Buffer[]) => void;
}

/**
 * Shows each key that is there from start to end to every reader, in one SCAN of each primary.
 * @throws RedisError, or the signal's reason.
 */
export async function readKeys(
  redis: RedisConnection,
  readers: readonly KeyReader[],
  signal: AbortSignal,
): Promise<void> {
  if (readers.length === 0) return;
  for await (const keys of scanAll(redis, commonPattern(readers), signal)) {
    if (keys.length === 0) continue;
    for (const reader of readers) reader.read(keys);
  }
}

/** Passes that others of the same run may still take part in, by database. */
export type WaitingPasses = Map<string, WaitingPass>;

interface WaitingPass {
  readonly readers: KeyReader[];
  missing: number;
  readonly begin: () => void;
  readonly end: Promise<void>;
}

/** Services of a run begin at nearly the same time, and not at quite the same. */
const WAIT_MS = 25;

/**
 * `readKeys`, in one pass with others that read the same database at this time.
 * @param others how many there may be: the pass begins with the last of them, or 25 ms after the first.
 * @returns false: it was another's pass, on another connection, and failed there.
 * @throws RedisError of this connection, or the signal's reason.
 */
export async function readKeysTogether(
  redis: RedisConnection,
  readers: readonly KeyReader[],
  {
    waiting,
    database,
    others,
  }: {
    readonly waiting: WaitingPasses;
    readonly database: string;
    readonly others: number;
  },
  signal: AbortSignal,
): Promise<boolean> {
  const open = waiting.get(database);
  if (open !== undefined) {
    open.readers.push(...readers);
    open.missing -= 1;
    if (open.missing === 0) open.begin();
    return await open.end.then(
      () => true,
      (error: unknown) => {
        if (error instanceof RedisError) return false;
        throw error;
      },
    );
  }
  const all = [...readers];
  if (others > 0) {
    let begin = (): void => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const timer = setTimeout(begin, WAIT_MS);
    const end = begun.then(async () => {
      clearTimeout(timer);
      waiting.delete(database);
      await readKeys(redis, all, signal);
    });
    waiting.set(database, { readers: all, missing: others, begin, end });
    await end;
  } else {
    await readKeys(redis, all, signal);
  }
  return true;
}

/** Keeps the names of the keys that it wants. */
export interface KeyCollector extends KeyReader {
  readonly names: KeyNames;
}

export function collectKeys(
  patterns: readonly Buffer[],
  wants: (key: Buffer) => boolean,
): KeyCollector {
  const names = createKeyNames();
  return {
    patterns,
    names,
    read(keys) {
      for (const key of keys) if (wants(key)) names.add(key);
    },
  };
}

/** One pattern that all keys match that any reader must see; undefined: every key. */
export function commonPattern(readers: readonly Pick<KeyReader, 'patterns'>[]): Buffer | undefined {
  const all: Buffer[] = [];
  for (const { patterns } of readers) {
    if (patterns === undefined) return undefined;
    all.push(...patterns);
  }
  const [only, ...others] = all;
  if (only !== undefined && others.every((one) => one.equals(only))) return only;
  const firstBytes = new Set<number>();
  for (const pattern of all) {
    const first = firstByte(pattern);
    if (first === undefined) return undefined;
    firstBytes.add(first);
  }
  const escaped = [...firstBytes].map((byte) => Buffer.of(BACKSLASH, byte));
  return Buffer.concat([Buffer.from('['), ...escaped, Buffer.from(']*')]);
}

const BACKSLASH = 0x5c;

/** What every key that matches begins with; undefined: with one of several bytes. */
function firstByte(pattern: Buffer): number | undefined {
  const first = pattern[0] === BACKSLASH ? pattern.subarray(1, 2) : pattern.subarray(0, 1);
  const isLiteral = pattern[0] === BACKSLASH || escapeGlob(first).length === 1;
  return isLiteral ? first[0] : undefined;
}
