import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Redis } from 'ioredis';
import { keyBatches } from './byte-batch.ts';
import { openClient } from './client.ts';
import { eachAllowed, eachAlone } from './each-allowed.ts';
import { givenUp, isOutage, RedisError } from './errors.ts';
import { infoFields } from './info.ts';
import { over } from './over.ts';
import type { CommandName, Reply } from './replies.ts';
import { untilStopped } from './stop-waiting.ts';
import { askSentinels } from './sentinels.ts';
import type { SentinelView } from './sentinels.ts';
import { targetLabel } from './target.ts';
import type { RedisTarget } from './target.ts';
import type { UnlinkPayload } from './unlink-payload.ts';
import type { CommandLine, RefusedCommands, RepliesTo, Send, Wire } from './wire.ts';

/** One server, asked directly: no redirection, and nothing is sent a second time. */
export interface RedisNode {
  readonly send: Send;
  unlink(payload: UnlinkPayload): Promise<number>;
  /**
   * Names this very process of a server, so that a SCAN may go on with its cursor: another one has
   * another hash seed. Undefined when this user may not ask. @throws RedisError when nobody answers.
   */
  identity(): Promise<string | undefined>;
  /** Milliseconds that asking for it took. */
  roundTrip(): number | undefined;
}

/** The servers as they are connected at one moment. */
export interface Session {
  /** Every primary: a SCAN asks one server only. */
  readonly nodes: readonly RedisNode[];
  /** Keys may be on any of several servers, so that those of one command must be one. */
  readonly isCluster: boolean;
  /** To the server that has the key, wherever it has moved. */
  readonly send: Send;
}

/** Work that outlives the connection. */
export interface Retries {
  session(): Promise<Session>;
  /** So far it went well: the time that an outage may take begins anew. */
  progressed(): void;
  /**
   * Connects again after an outage, for a bounded time.
   * @throws the error itself when it is no outage or the signal is aborted, RedisError when it was
   *   too long.
   */
  recover(error: unknown): Promise<void>;
}

/**
 * One database, over all its outages. Every method throws only {@link RedisError}; what has no
 * answer when a connection breaks is asked again, unless that would change something twice.
 */
export interface RedisConnection {
  /** `host:port/db` for people, without password. */
  readonly label: string;
  /** What the operator should know about the connection itself. */
  readonly warnings: readonly string[];
  /** `host:port` of the primary, when this is its replica. */
  readonly replicaOf: string | undefined;
  readonly isCluster: boolean;
  /** Who we are to Redis. */
  readonly user: string;
  readonly send: Send;
  /** All in one MULTI/EXEC, never sent twice; in a cluster one after the other. */
  transaction<const T extends readonly CommandLine[]>(commands: T): Promise<RepliesTo<T>>;
  /**
   * UNLINK; the number of keys that Redis says it removed: fewer than went, after an outage. A forbidden
   * key takes no other with it.
   * @param forbidden gets such keys; undefined: their refusal is thrown when the others have gone.
   */
  unlink(keys: readonly Buffer[], forbidden?: OnForbidden): Promise<number>;
  /**
   * EXISTS; the number of these keys that are there, as far as this user may look.
   * @param forbidden gets the other keys; undefined: their refusal is thrown when none was found.
   */
  exists(keys: readonly Buffer[], forbidden?: OnForbidden): Promise<number>;
  /** Commands that were refused as such until now: renamed, or not permitted to this user. */
  readonly refused: ReadonlyMap<string, RedisError>;
  /** For one piece of work; its time for outages is its own. */
  startRetries(): Retries;
  /**
   * Whether we still speak to the primary: a failover leaves the old one in the belief that it is one
   * for seconds, and what is removed there is not removed. Waits for one that goes on. When another
   * is primary, it is spoken to from now on.
   * @throws RedisError when it cannot be reached.
   */
  confirmPrimary(): Promise<boolean>;
  /** For how many milliseconds a reply has been due, outages included; 0: none is. */
  owes(): number;
  close(): void;
}

/** Keys of a command that this user may not touch, and what Redis said of the first. */
export type OnForbidden = (keys: readonly Buffer[], refusal: RedisError) => void;

/** Sentinels and clusters need seconds to agree on another primary, a server to load its data. */
const OUTAGE_MS = { server: 12_000, sentinel: 30_000, cluster: 30_000 } as const;
/** One that breaks again and again gets nowhere, whatever progress there is in between. */
const MOST_OUTAGES = 1_000;
const FIRST_PAUSE_MS = 40;
const LONGEST_PAUSE_MS = 1_000;
const FAILOVER_POLL_MS = 200;
/** What would do something twice: its caller must know what to do when the answer is lost. */
const NOT_TWICE = new Set<CommandName>(['PUBLISH', 'LPOP', 'LTRIM', 'EXEC']);
/** So many single commands are on their way to a cluster at once. */
const AT_ONCE = 1_000;

/** @throws RedisError within 5 s, or the signal's reason. */
export async function connectRedis(
  target: RedisTarget,
  signal: AbortSignal,
): Promise<RedisConnection> {
  const refused: RefusedCommands = new Map();
  let opened = await openClient(target, signal, refused);
  let generation = 0;
  let isClosed = false;
  let reconnecting: Promise<void> | undefined;
  let lostAt = 0;
  const { warnings, replicaOf } = opened;
  const isCluster = target.kind === 'cluster';

  const nodeOf = ({ send, unlink }: Wire): RedisNode => {
    let identity: Promise<string | undefined> | undefined;
    let roundTrip: number | undefined;
    return {
      send,
      unlink,
      roundTrip: () => roundTrip,
      async identity() {
        const asked = performance.now();
        identity ??= send('INFO', 'server')
          .then(
            (reply) => infoFields(String(reply))['run_id'],
            (error: unknown) => {
              if (error instanceof RedisError && isOutage(error, target.kind)) throw error;
              return undefined;
            },
          )
          .finally(() => {
            roundTrip = performance.now() - asked;
          });
        return await identity;
      },
    };
  };
  const sessionNow = (): Session => {
    const { client, wire, wireTo } = opened;
    const own = nodeOf(wire);
    const nodes = client.isCluster
      ? (client as Cluster).nodes('master').map((node) => nodeOf(wireTo(node)))
      : [own];
    return { nodes, isCluster, send: own.send };
  };

  // While somebody was waited for.
  const wasClosed = (): boolean => isClosed;
  const reconnect = async (cause: RedisError, until: number): Promise<void> => {
    let last = cause;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      if (isClosed || signal.aborted) throw cause;
      if (performance.now() + pause > until) throw givenUp(last, OUTAGE_MS[target.kind]);
      await sleep(pause, undefined, { signal }).catch(() => undefined);
      // A cluster finds its new primaries itself, as long as one of its nodes is there.
      if (isCluster && opened.client.status === 'ready') {
        await untilStopped(refreshSlots(opened.client as Cluster), signal).catch(() => undefined);
        return;
      }
      try {
        opened.client.disconnect();
        const fresh = await openClient(target, signal, refused);
        // A sentinel may still name the primary that was.
        if (target.kind === 'sentinel' && fresh.replicaOf !== undefined) {
          fresh.client.disconnect();
          throw new RedisError('READONLY', 'The sentinels still name a replica', '');
        }
        opened = fresh;
        if (wasClosed()) fresh.client.disconnect();
        return;
      } catch (error) {
        if (!(error instanceof RedisError)) throw cause;
        if (!isOutage(error, target.kind) && error.code !== 'READONLY') throw error;
        last = error;
      }
    }
  };

  const reconnectOnce = async (cause: RedisError, until: number): Promise<void> => {
    lostAt = performance.now();
    try {
      await reconnect(cause, until);
      generation += 1;
    } finally {
      reconnecting = undefined;
    }
  };

  const remoteAddress = (): string => {
    const { stream } = opened.client as Redis;
    return `${stream.remoteAddress?.replace(/^::ffff:/, '') ?? ''}:${stream.remotePort ?? ''}`;
  };
  const startRetries = (): Retries => {
    let since: number | undefined;
    let outages = 0;
    let used = generation;
    return {
      async session() {
        await reconnecting?.catch(() => undefined);
        used = generation;
        return sessionNow();
      },
      progressed() {
        since = undefined;
      },
      async recover(error) {
        if (!(error instanceof RedisError) || !isOutage(error, target.kind)) throw error;
        if (isClosed || signal.aborted) throw error;
        outages += 1;
        if (outages > MOST_OUTAGES) throw givenUp(error, OUTAGE_MS[target.kind]);
        since ??= performance.now();
        // Somebody else has connected again since this failed.
        if (used !== generation && reconnecting === undefined) return;
        reconnecting ??= reconnectOnce(error, since + OUTAGE_MS[target.kind]);
        await reconnecting;
      },
    };
  };

  const repeated = async <T>(work: (session: Session) => Promise<T>): Promise<T> =>
    over({ startRetries }, async (_, session) => work(session));

  const ownIdentity = async (): Promise<string | undefined> =>
    repeated(async ({ nodes }) => nodes[0]?.identity());

  const confirmPrimary = async (): Promise<boolean> => {
    if (target.kind !== 'sentinel') return true;
    const until = performance.now() + OUTAGE_MS.sentinel;
    for (;;) {
      const views = await untilStopped(askSentinels(target), signal);
      if (views.some(({ isFailingOver }) => isFailingOver) && performance.now() < until) {
        await sleep(FAILOVER_POLL_MS);
        continue;
      }
      const address = remoteAddress();
      const identity = await ownIdentity();
      const isOurs = (view: SentinelView): boolean =>
        view.address === address || (view.runId !== '' && view.runId === identity);
      if (views.every(isOurs)) return true;
      const moved = new RedisError('READONLY', 'Another server has become the primary', '');
      await (reconnecting ??= reconnectOnce(moved, until));
      // They may name it by another address than the one that we reach it by.
      return identity === undefined
        ? remoteAddress() === address
        : (await ownIdentity()) === identity;
    }
  };

  const overKeys = async (
    command: 'UNLINK' | 'EXISTS',
    keys: readonly Buffer[],
    forbidden: OnForbidden | undefined,
  ): Promise<number> => {
    const ask = async (some: readonly Buffer[]): Promise<number> =>
      repeated(async (session) => session.send(command, ...some));
    let sum = 0;
    let refusal: RedisError | undefined;
    for (const batch of keyBatches(keys, isCluster ? AT_ONCE : undefined)) {
      // In a cluster a command over several keys must stay in one slot.
      const done = await (isCluster ? eachAlone(batch, ask) : eachAllowed(batch, ask));
      sum += done.sum;
      if (done.refusal === undefined) continue;
      refusal ??= done.refusal;
      forbidden?.(done.refused, done.refusal);
    }
    const isTold = forbidden !== undefined || (command === 'EXISTS' && sum > 0);
    if (refusal !== undefined && !isTold) throw refusal;
    return sum;
  };

  const send: RedisConnection['send'] = async (command, ...args) =>
    NOT_TWICE.has(command)
      ? await sessionNow().send(command, ...args)
      : await repeated(async (session) => session.send(command, ...args));

  return {
    label: targetLabel(target),
    warnings,
    replicaOf,
    isCluster,
    user: target.credentials?.username ?? 'default',
    send,
    async transaction(commands) {
      if (!isCluster) return await opened.wire.transaction(commands);
      const replies: Reply[] = [];
      for (const [command, ...args] of commands) replies.push(await send(command, ...args));
      return replies as unknown as RepliesTo<typeof commands>;
    },
    unlink: async (keys, forbidden) => overKeys('UNLINK', keys, forbidden),
    exists: async (keys, forbidden) => overKeys('EXISTS', keys, forbidden),
    refused,
    startRetries,
    confirmPrimary,
    owes: () => (reconnecting === undefined ? opened.oldest() : performance.now() - lostAt),
    close() {
      isClosed = true;
      opened.client.disconnect();
    },
  };
}

async function refreshSlots(cluster: Cluster): Promise<void> {
  await new Promise<void>((resolve) => {
    cluster.refreshSlotsCache(() => {
      resolve();
    });
  });
}
