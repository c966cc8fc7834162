import { keyBatches } from './byte-batch.ts';
import type { OnForbidden, Retries, RedisConnection, RedisNode, Session } from './connect.ts';
import { eachAllowed, eachAlone } from './each-allowed.ts';
import type { AllowedKeys } from './each-allowed.ts';
import { isOutage, RedisError, refusesKey } from './errors.ts';
import type { Pace } from './pace.ts';
import { createPlaces, startScan } from './scan.ts';
import type { NodeScan, Places, ScanProgress } from './scan.ts';
import { createTempo } from './tempo.ts';
import type { Tempo } from './tempo.ts';
import { settleAll } from '../settle-all.ts';
import { createPayloadMaker, keysOf } from './unlink-payload.ts';
import type { Companions, PayloadMaker, UnlinkPayload } from './unlink-payload.ts';

/** What one batch of a sweep removed. */
export interface Swept {
  readonly keys: readonly Buffer[];
  readonly removed: number;
  readonly companionsRemoved: number;
}

export interface SweepOptions {
  /** The pattern of the keys, as SCAN's MATCH reads it. */
  readonly match: Buffer;
  /**
   * All of these keys, where a pass has found them: then nothing is scanned, but after an outage, on
   * another primary and in a cluster, whose keys may have moved.
   */
  readonly known?: Iterable<readonly Buffer[]> | undefined;
  /** Which of the keys that match go. */
  readonly choose: (
    keys: readonly Buffer[],
    session: Session,
  ) => readonly Buffer[] | Promise<readonly Buffer[]>;
  /** Keys that go with a key, whether they are there or not. */
  readonly companions: Companions | undefined;
  /** Told once when those cannot be removed, but the keys can: they go on without. */
  readonly companionsFailed: (error: unknown) => void;
  /** Gets those of a batch that this user may not touch; the others go. */
  readonly forbidden: OnForbidden;
  readonly companionsForbidden: OnForbidden;
  readonly onSwept: (swept: Swept) => void;
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

/** Batches whose removal is on its way while the next one is looked for. */
const AHEAD = 3;
/** So much of what went last is remembered, in case that a server comes back without knowing it. */
const REMEMBERED_BYTES = 6 * 2 ** 20;
/** A cluster that never rests is left to the proof. */
const MOST_ROUNDS = 60;
const ROUND_PAUSE_MS = 50;

/**
 * Removes every key that matches a pattern and is chosen, over outages, failovers and moving
 * slots. Each key counts once: when the answer to an UNLINK is lost, or a primary that had not heard
 * of it takes over, the key was there when it was listed, and is gone at the end.
 * @throws RedisError, or the signal's reason; what went has been told by then.
 */
export async function sweep(redis: RedisConnection, options: SweepOptions): Promise<void> {
  const retries = redis.startRetries();
  const places = createPlaces();
  const payloads = createPayloadMaker();
  const ledger = createLedger(payloads);
  const state: SweepState = {
    ...options,
    known: options.known,
    retries,
    places,
    payloads,
    ledger,
    unanswered: [],
    companionsLeft: [],
    refusal: undefined,
    found: 0,
  };
  let isCluster = false;
  // Those that came to their end: outages are bounded by their time.
  let round = 0;
  for (;;) {
    try {
      const session = await retries.session();
      isCluster = session.isCluster;
      if (isCluster) state.known = undefined;
      const before = state.found;
      const redone = await redo(session, state);
      const slots = await topology(session);
      const progress = places.begin(retries);
      await settleAll(session.nodes.map(async (node) => sweepNode(node, session, progress, state)));
      state.known = undefined;
      round += 1;
      if (!session.isCluster) {
        if (state.companionsLeft.length > 0) continue;
        if (await redis.confirmPrimary()) return;
        if (round > MOST_ROUNDS)
          throw new RedisError('READONLY', 'Its primary changes all the time', '');
        ledger.disturbed();
        continue;
      }
      const isCalm =
        redone + state.unanswered.length + state.companionsLeft.length === 0 &&
        isSettled(slots, await topology(session));
      // While slots move all the time, a round that finds nothing is all that can be said.
      if (isCalm || (state.found === before && round > 2) || round > MOST_ROUNDS) return;
      places.forget();
      await pause(ROUND_PAUSE_MS);
    } catch (error) {
      ledger.disturbed();
      state.known = undefined;
      if (isCluster) places.forget();
      await retries.recover(error);
    }
  }
}

interface SweepState extends Omit<SweepOptions, 'companions' | 'known'> {
  known: SweepOptions['known'];
  companions: Companions | undefined;
  /** Why they cannot be removed, until it is told. */
  refusal: unknown;
  readonly retries: Retries;
  readonly places: Places;
  readonly payloads: PayloadMaker;
  readonly ledger: Ledger;
  /** Removals without an answer, or that another server must do. */
  readonly unanswered: UnlinkPayload[];
  /** Companions of keys that have gone, to be asked for again. */
  readonly companionsLeft: (readonly Buffer[])[];
  found: number;
}

async function sweepNode(
  node: RedisNode,
  session: Session,
  progress: ScanProgress,
  state: SweepState,
): Promise<void> {
  const { places, pace, signal } = state;
  const from = await places.of(node);
  progress.resumed(from.pages);
  if (from.cursor === 'done') return;
  const tempo = createTempo(node.roundTrip);
  const scan = state.known ? listed(state.known) : startScan(node, state.match, tempo, from.cursor);
  const underWay: Promise<void>[] = [];
  let place = from;
  try {
    for (;;) {
      signal.throwIfAborted();
      const keys = await scan.next();
      if (keys === undefined) break;
      const chosen = keys.length === 0 ? keys : await state.choose(keys, session);
      state.found += chosen.length;
      for (const part of keyBatches(chosen, pace.batch)) {
        await pace.take(part.length, signal);
        const removal = remove(part, node, session, tempo, state);
        removal.catch(() => undefined);
        underWay.push(removal);
        if (underWay.length >= AHEAD) await underWay.shift();
      }
      place = { cursor: scan.cursor(), pages: place.pages + 1 };
      // Of a cluster one server may go on for ever while another is down. That a SCAN was answered is
      // no progress: its jobs have been dated, or the removal of its keys is asked for.
      if (!session.isCluster) progress.handled();
    }
    await Promise.all(underWay);
    places.note(node, { ...place, cursor: 'done' });
  } catch (error) {
    places.note(node, place);
    // Each of them has counted itself, or is among those without an answer.
    await Promise.allSettled(underWay);
    throw error;
  }
}

/** Its cursor is the beginning: a scan that goes on elsewhere sees everything. */
function listed(batches: Iterable<readonly Buffer[]>): NodeScan {
  const iterator = batches[Symbol.iterator]();
  return {
    async next() {
      const result = iterator.next();
      return Promise.resolve(result.done === true ? undefined : result.value);
    },
    cursor: () => '0',
  };
}

async function remove(
  keys: readonly Buffer[],
  node: RedisNode,
  session: Session,
  tempo: Tempo,
  state: SweepState,
): Promise<void> {
  // First, on the same connection: whoever hears of the keys has heard of these.
  const companionsRemoved = removeCompanions(keys, node, session, tempo, state);
  if (session.isCluster) {
    await removeSingly(keys, node, state, companionsRemoved);
    return;
  }
  const payload = state.payloads.make(keys);
  let replied: number;
  try {
    replied = await tempo.track('unlink', node.unlink(payload));
  } catch (error) {
    if (refusesKey(error)) {
      await removeSingly(keys, node, state, companionsRemoved);
      return;
    }
    state.unanswered.push(payload);
    await companionsRemoved;
    throw error;
  }
  if (replied > 0) state.retries.progressed();
  const removed = state.ledger.count(payload, replied);
  state.onSwept({ keys, removed, companionsRemoved: await companionsRemoved });
  tellRefusal(state);
}

/** Who may not remove the keys either is told that alone. */
function tellRefusal(state: SweepState): void {
  if (state.refusal === undefined) return;
  state.companionsFailed(state.refusal);
  state.refusal = undefined;
}

/**
 * In a cluster every key is a command, and some have moved to another server; elsewhere this is done
 * where one of the keys is forbidden.
 */
async function removeSingly(
  keys: readonly Buffer[],
  node: RedisNode,
  state: SweepState,
  companionsRemoved: Promise<number>,
): Promise<void> {
  const replies = await Promise.allSettled(keys.map(async (key) => node.send('UNLINK', key)));
  const answered: Buffer[] = [];
  const elsewhere: Buffer[] = [];
  const forbidden: Buffer[] = [];
  let refusal: RedisError | undefined;
  let replied = 0;
  let failure: Error | undefined;
  for (const [index, reply] of replies.entries()) {
    const key = keys[index] as Buffer;
    if (reply.status === 'fulfilled') {
      answered.push(key);
      replied += reply.value;
    } else if (refusesKey(reply.reason)) {
      forbidden.push(key);
      refusal ??= reply.reason;
    } else {
      elsewhere.push(key);
      if (!isRedirection(reply.reason)) failure = reply.reason as Error;
    }
  }
  if (answered.length > 0) {
    if (replied > 0) state.retries.progressed();
    const removed = state.ledger.count(state.payloads.make(answered), replied);
    state.onSwept({ keys: answered, removed, companionsRemoved: await companionsRemoved });
    tellRefusal(state);
  }
  if (refusal !== undefined) state.forbidden(forbidden, refusal);
  if (elsewhere.length > 0) {
    state.ledger.disturbed();
    state.unanswered.push(state.payloads.make(elsewhere));
  }
  await companionsRemoved;
  if (failure !== undefined) throw failure;
}

function isRedirection(error: unknown): boolean {
  return error instanceof RedisError && ['MOVED', 'ASK', 'TRYAGAIN'].includes(error.code);
}

/** Never rejects: a refusal is told once; after an outage they are asked for again. */
async function removeCompanions(
  keys: readonly Buffer[],
  node: RedisNode,
  session: Session,
  tempo: Tempo,
  state: SweepState,
): Promise<number> {
  const { companions } = state;
  if (companions === undefined) return 0;
  const payload = state.payloads.make(keys, companions);
  try {
    const removed = session.isCluster
      ? (await unlinkAllowed(session, keysOf(payload), state.companionsForbidden)).sum
      : await tempo.track('unlink', node.unlink(payload));
    state.payloads.release(payload);
    return removed;
  } catch (error) {
    if (refusesKey(error)) return await removeAllowed(keys, session, companions, state);
    if (error instanceof RedisError && isOutage(error, 'cluster')) {
      state.companionsLeft.push(keysOf(payload));
      return 0;
    }
    if (state.companions !== undefined) {
      state.companions = undefined;
      state.refusal = error;
    }
    return 0;
  }
}

/** One spelling of the results may be forbidden, and the other is not. Never rejects. */
async function removeAllowed(
  keys: readonly Buffer[],
  session: Session,
  companions: Companions,
  state: SweepState,
): Promise<number> {
  let removed = 0;
  for (const start of companions.starts) {
    const own = keysOf(state.payloads.make(keys, { ...companions, starts: [start] }));
    try {
      const { sum, refused } = await unlinkAllowed(session, own, state.companionsForbidden);
      removed += sum;
      if (refused.length === own.length) leaveOut(start, state);
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      state.companionsLeft.push(own);
    }
  }
  return removed;
}

/** The next batches do without. */
function leaveOut(start: Buffer, state: SweepState): void {
  if (state.companions === undefined) return;
  const starts = state.companions.starts.filter((one) => one !== start);
  state.companions = starts.length === 0 ? undefined : { ...state.companions, starts };
}

/** Asks again for what has no answer. @returns how many keys. */
async function redo(session: Session, state: SweepState): Promise<number> {
  let redone = 0;
  for (let left = state.companionsLeft[0]; left !== undefined; left = state.companionsLeft[0]) {
    const { sum } = await unlinkAllowed(session, left, state.companionsForbidden);
    state.companionsLeft.shift();
    state.onSwept({ keys: [], removed: 0, companionsRemoved: sum });
  }
  for (;;) {
    const payload = state.unanswered[0];
    if (payload === undefined) return redone;
    state.signal.throwIfAborted();
    const asked = keysOf(payload);
    const { companions } = state;
    const [companionsRemoved, { refused }] = await Promise.all([
      companions === undefined ? 0 : removeCompanionsOf(asked, session, companions, state),
      unlinkAllowed(session, asked, state.forbidden),
    ]);
    state.unanswered.shift();
    if (!session.isCluster) state.retries.progressed();
    // All of them were there when they were listed, and none is there now.
    const keys = refused.length === 0 ? asked : asked.filter((key) => !refused.includes(key));
    const gone = refused.length === 0 ? payload : state.payloads.make(keys);
    const removed = state.ledger.count(gone, gone.count);
    state.onSwept({ keys, removed, companionsRemoved });
    redone += keys.length;
  }
}

async function removeCompanionsOf(
  keys: readonly Buffer[],
  session: Session,
  companions: Companions,
  { payloads, companionsForbidden }: SweepState,
): Promise<number> {
  const own = keysOf(payloads.make(keys, companions));
  return (await unlinkAllowed(session, own, companionsForbidden)).sum;
}

/** Forbidden keys are told, and the others go. @throws RedisError. */
async function unlinkAllowed(
  session: Session,
  keys: readonly Buffer[],
  forbidden: OnForbidden,
): Promise<AllowedKeys> {
  const [node] = session.nodes;
  const { send } = session;
  const ask = async (some: readonly Buffer[]): Promise<number> =>
    session.isCluster ? send('UNLINK', ...some) : (node as RedisNode).send('UNLINK', ...some);
  if (keys.length === 0 || node === undefined) return { sum: 0, refused: [], refusal: undefined };
  const done = await (session.isCluster ? eachAlone(keys, ask) : eachAllowed(keys, ask));
  if (done.refusal !== undefined) forbidden(done.refused, done.refusal);
  return done;
}

interface Ledger {
  /** From now on what went before may come again. */
  disturbed(): void;
  /** @returns how many of these keys count, of which Redis says it removed `replied`. */
  count(payload: UnlinkPayload, replied: number): number;
}

function createLedger(payloads: PayloadMaker): Ledger {
  const last: UnlinkPayload[] = [];
  let bytes = 0;
  let counted: Set<string> | undefined;
  return {
    disturbed() {
      counted ??= new Set(
        last.flatMap((payload) => keysOf(payload).map((key) => key.toString('latin1'))),
      );
      last.length = 0;
    },
    count(payload, replied) {
      if (counted === undefined) {
        last.push(payload);
        bytes += payload.bytes.length;
        for (let oldest = last[0]; oldest !== undefined && bytes > REMEMBERED_BYTES;) {
          bytes -= oldest.bytes.length;
          payloads.release(oldest);
          last.shift();
          [oldest] = last;
        }
        return replied;
      }
      let fresh = 0;
      for (const key of keysOf(payload)) {
        const name = key.toString('latin1');
        if (counted.has(name)) continue;
        counted.add(name);
        bytes += key.length;
        fresh += 1;
      }
      for (const oldest of counted) {
        if (bytes <= REMEMBERED_BYTES) break;
        counted.delete(oldest);
        bytes -= oldest.length;
      }
      return Math.min(fresh, replied);
    },
  };
}

/** Who has which slots, and which are on the move; undefined where there are none, or it is not told. */
async function topology(session: Session): Promise<string | undefined> {
  if (!session.isCluster) return undefined;
  const views = await Promise.all(
    session.nodes.map(async (node) => node.send('CLUSTER', 'NODES').then(String, () => undefined)),
  );
  if (views.includes(undefined)) return undefined;
  return views
    .flatMap((view) => (view ?? '').split('\n'))
    .map((line) => line.split(' '))
    .filter(([, , flags]) => flags?.includes('master'))
    .map(([id, address, flags, , , , , , ...slots]) =>
      [id, address, flags?.replace('myself,', ''), ...slots].join(' '),
    )
    .toSorted()
    .join('\n');
}

function isSettled(before: string | undefined, after: string | undefined): boolean {
  // `[slot->-node]` and `[slot-<-node]` are on the move.
  return before !== undefined && before === after && !before.includes('[');
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
