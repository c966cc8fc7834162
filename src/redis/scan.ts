import { LARGEST_REPLY } from './byte-batch.ts';
import type { Retries, RedisConnection, RedisNode } from './connect.ts';
import { createCursorCheck } from './cursor-check.ts';
import type { ReplyTo } from './replies.ts';
import { createTempo } from './tempo.ts';
import type { Tempo } from './tempo.ts';

type Cursor = Buffer | '0';

/** A SCAN of one server under way. */
export interface NodeScan {
  /**
   * The next keys, perhaps none; undefined at the end. The batch after it is asked for before this
   * one is used, so that the server does not wait for us.
   */
  next(): Promise<readonly Buffer[] | undefined>;
  /** From where what was not returned yet would come, on the same server. */
  cursor(): Cursor;
}

/** @param match the whole pattern; undefined: every key. */
export function startScan(
  node: RedisNode,
  match: Buffer | undefined,
  tempo: Tempo,
  from: Cursor = '0',
): NodeScan {
  const fetch = async (cursor: Cursor): Promise<ReplyTo<'SCAN'>> => {
    const reply = tempo.track(
      'scan',
      node.send(
        'SCAN',
        cursor,
        ...(match === undefined ? [] : ['MATCH', match]),
        'COUNT',
        Math.min(tempo.count(), fitting),
      ),
    );
    // A rejection while nobody waits for it is seen at the next turn, or not wanted any more.
    reply.catch(() => undefined);
    return await reply;
  };
  let cursor = from;
  let pending: Promise<ReplyTo<'SCAN'>> | undefined;
  const check = createCursorCheck('SCAN');
  let isOver = false;
  /** So many names as long as the last ones fit into a reply. */
  let fitting = Infinity;
  return {
    async next() {
      if (isOver) return undefined;
      pending ??= fetch(cursor);
      const reply = pending;
      const [next, keys] = await reply;
      cursor = next;
      const bytes = keys.reduce((sum, key) => sum + key.length, 0);
      if (bytes > 0) fitting = Math.max(1, Math.floor((LARGEST_REPLY * keys.length) / bytes));
      isOver = next.equals(START);
      if (!isOver) check(next);
      pending = isOver ? undefined : fetch(next);
      pending?.catch(() => undefined);
      return keys;
    },
    cursor: () => cursor,
  };
}

const START = Buffer.from('0');

/**
 * All keys that begin with `prefix`, literally, in batches, as bytes, from every primary. A key that
 * is there from start to end comes at least once; one that comes and goes may be missed or come
 * twice (SCAN, redis.io/commands/scan), after an outage too: count what UNLINK returns.
 * @throws RedisError, or the signal's reason.
 */
export async function* scanKeys(
  redis: RedisConnection,
  prefix: Buffer,
  signal: AbortSignal,
): AsyncGenerator<readonly Buffer[]> {
  for await (const keys of scanAll(redis, patternOf(prefix), signal)) {
    const own = keys.filter((key) => startsWith(key, prefix));
    if (own.length > 0) yield own;
  }
}

/** As `scanKeys`, with the pattern as it is; a batch may be empty. */
export async function* scanAll(
  redis: RedisConnection,
  match: Buffer | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly Buffer[]> {
  const retries = redis.startRetries();
  const places = createPlaces();
  for (;;) {
    const { nodes } = await retries.session();
    const progress = places.begin(retries);
    try {
      for (const node of nodes) yield* scanNode(node, match, places, progress, signal);
      return;
    } catch (error) {
      await retries.recover(error);
    }
  }
}

async function* scanNode(
  node: RedisNode,
  match: Buffer | undefined,
  places: Places,
  progress: ScanProgress,
  signal: AbortSignal,
): AsyncGenerator<readonly Buffer[]> {
  const from = await places.of(node);
  progress.resumed(from.pages);
  if (from.cursor === 'done') return;
  const scan = startScan(node, match, createTempo(node.roundTrip), from.cursor);
  let { pages } = from;
  try {
    for (;;) {
      signal.throwIfAborted();
      const keys = await scan.next();
      if (keys === undefined) break;
      pages += 1;
      progress.handled();
      yield keys;
    }
    places.note(node, { cursor: 'done', pages });
  } catch (error) {
    places.note(node, { cursor: scan.cursor(), pages });
    throw error;
  }
}

/** How far a server has been scanned. */
export interface Place {
  readonly cursor: Cursor | 'done';
  /** Replies up to there of which the keys were dealt with. */
  readonly pages: number;
}

const BEGINNING: Place = { cursor: '0', pages: 0 };

/** One attempt to come to the end, between two outages. */
export interface ScanProgress {
  /** Of a server on which earlier attempts came so far. */
  resumed(pages: number): void;
  /** One page more was dealt with: progress where no earlier attempt came so far. */
  handled(): void;
}

/** How far the servers have been scanned, for the case that the connection breaks. */
export interface Places {
  /** Where to go on; the beginning on a server that is another, or was started anew. */
  of(node: RedisNode): Promise<Place>;
  note(node: RedisNode, place: Place): void;
  /** All of it is to be scanned again. */
  forget(): void;
  /** A server that loses the connection at the same page each time, or its data, gets nowhere. */
  begin(retries: Pick<Retries, 'progressed'>): ScanProgress;
}

export function createPlaces(): Places {
  const known = new Map<string, Place>();
  let farthest = 0;
  let noted: Promise<void> = Promise.resolve();
  let forgotten = 0;
  return {
    async of(node) {
      // Asked for while the connection is there, and waited for only when there is something to know.
      const identity = node.identity();
      identity.catch(() => undefined);
      await noted;
      if (known.size === 0) return BEGINNING;
      return known.get((await identity) ?? '') ?? BEGINNING;
    },
    note(node, place) {
      const before = noted;
      const then = forgotten;
      noted = node
        .identity()
        .catch(() => undefined)
        .then(async (identity) => {
          await before;
          if (identity !== undefined && then === forgotten) known.set(identity, place);
        });
    },
    forget() {
      forgotten += 1;
      known.clear();
    },
    begin(retries) {
      let reached = 0;
      return {
        resumed(pages) {
          reached += pages;
        },
        handled() {
          reached += 1;
          if (reached <= farthest) return;
          farthest = reached;
          retries.progressed();
        },
      };
    },
  };
}

export function startsWith(key: Buffer, prefix: Buffer): boolean {
  // Of millions of foreign keys most differ in the first byte.
  if (key[0] !== prefix[0] && prefix.length > 0) return false;
  return (
    key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
  );
}

/** The MATCH pattern of all keys that begin with this. */
export function patternOf(prefix: Buffer): Buffer {
  return Buffer.concat([escapeGlob(prefix), Buffer.from('*')]);
}

/** Glob characters of MATCH (`stringmatchlen` in Redis' util.c) taken literally; works on bytes. */
export function escapeGlob(literal: Buffer): Buffer {
  const bytes: number[] = [];
  for (const byte of literal) {
    if ('*?[]\\^'.includes(String.fromCharCode(byte))) bytes.push(0x5c);
    bytes.push(byte);
  }
  return Buffer.from(bytes);
}
