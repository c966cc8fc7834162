import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisConnection, RedisNode } from './connect.ts';
import { isRefused, permitted, RedisError } from './errors.ts';
import { infoFields } from './info.ts';
import { over } from './over.ts';

/** What the servers behind a connection say of themselves, summed over the primaries of a cluster. */
export interface ServerState {
  /** Names this very process of the server; of a cluster, all of them. */
  readonly identity: string;
  readonly version: string;
  /** `used_memory`, in bytes. */
  readonly usedMemory: number;
  /** `maxmemory`, in bytes; 0: no limit. */
  readonly maxMemory: number;
  readonly evictionPolicy: string;
  /** Values that are unlinked and not yet freed. */
  readonly pendingFrees: number;
  readonly savesTo: SavesTo;
  /** What would be lost by a crash now, where snapshots are all there is. */
  readonly changesSinceSave: number;
  readonly lastSaveFailed: boolean;
}

/** `snapshots`: on disk at the next one; `nothing`: memory is all there is. */
export type SavesTo = 'log' | 'snapshots' | 'nothing';

/** @returns undefined when this user may not ask. @throws RedisError when nobody answers. */
export async function readServerState(redis: RedisConnection): Promise<ServerState | undefined> {
  return await over(redis, async (_, { nodes }) => {
    const states = await Promise.all(nodes.map(readNode));
    const [first] = states;
    if (first === undefined || states.includes(undefined)) return undefined;
    const all = states.filter((state) => state !== undefined);
    const sum = (figure: (state: ServerState) => number): number =>
      all.reduce((total, state) => total + figure(state), 0);
    return {
      ...first,
      identity: all
        .map(({ identity }) => identity)
        .toSorted()
        .join(' '),
      usedMemory: sum((state) => state.usedMemory),
      maxMemory: sum((state) => state.maxMemory),
      pendingFrees: sum((state) => state.pendingFrees),
      changesSinceSave: sum((state) => state.changesSinceSave),
      lastSaveFailed: all.some((state) => state.lastSaveFailed),
      savesTo: all.find((state) => state.savesTo !== 'log')?.savesTo ?? 'log',
    };
  });
}

async function readNode(node: RedisNode): Promise<ServerState | undefined> {
  const [reply, save] = await Promise.all([
    permitted(node.send('INFO')),
    refusable(node.send('CONFIG', 'GET', 'save')),
  ]);
  if (reply === undefined) return undefined;
  const fields = infoFields(String(reply));
  const number = (name: string): number => Number(fields[name] ?? 0);
  // Who may not read the config is told of snapshots, which are the default.
  const [, points] = save ?? [];
  const hasSnapshots = points === undefined || points.length > 0;
  return {
    identity: fields['run_id'] ?? '',
    version: fields['valkey_version'] ?? fields['redis_version'] ?? '',
    usedMemory: number('used_memory'),
    maxMemory: number('maxmemory'),
    evictionPolicy: fields['maxmemory_policy'] ?? 'noeviction',
    pendingFrees: number('lazyfree_pending_objects'),
    savesTo: number('aof_enabled') > 0 ? 'log' : hasSnapshots ? 'snapshots' : 'nothing',
    changesSinceSave: number('rdb_changes_since_last_save'),
    lastSaveFailed:
      fields['rdb_last_bgsave_status'] === 'err' || fields['aof_last_write_status'] === 'err',
  };
}

/** Hosted servers have renamed or removed CONFIG. */
async function refusable<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (isRefused(error) || (error instanceof RedisError && error.code === 'ERR')) return undefined;
    throw error;
  }
}

/**
 * Names the processes that are the primaries now; another one may not know what went. Undefined when
 * this user may not ask.
 * @throws RedisError when no server answers.
 */
export async function serverIdentity(redis: RedisConnection): Promise<string | undefined> {
  return await over(redis, async (_, session) => identityOf(session.nodes));
}

async function identityOf(nodes: readonly RedisNode[]): Promise<string | undefined> {
  const identities = await Promise.all(nodes.map(async (node) => node.identity()));
  const known = identities.filter((identity) => identity !== undefined);
  return known.length < nodes.length ? undefined : known.toSorted().join(' ');
}

const FIRST_POLL_MS = 10;
const LONGEST_POLL_MS = 250;

/**
 * The state once the background freeing of what was unlinked is done, or after so many milliseconds.
 * @throws RedisError, or the signal's reason.
 */
export async function settledState(
  redis: RedisConnection,
  milliseconds: number,
  signal: AbortSignal,
): Promise<ServerState | undefined> {
  const end = performance.now() + milliseconds;
  for (let pause = FIRST_POLL_MS; ; pause = Math.min(2 * pause, LONGEST_POLL_MS)) {
    const state = await readServerState(redis);
    if (state === undefined || state.pendingFrees === 0 || performance.now() > end) return state;
    await sleep(pause);
    signal.throwIfAborted();
  }
}

/** What `saveToDisk` needs of time and of whoever waits. */
export interface SaveOptions {
  /** Only these processes have nothing left (see `serverIdentity`); undefined: not known. */
  readonly identity: string | undefined;
  readonly milliseconds: number;
  readonly signal: AbortSignal;
}

/**
 * Asks every server to have all changes up to now on its disk, and waits for it: a new snapshot, or
 * the append-only log written out.
 * @throws RedisError: NOPERM; EPERSIST when it failed or took too long; or the signal's reason.
 */
export async function saveToDisk(redis: RedisConnection, options: SaveOptions): Promise<void> {
  const end = performance.now() + options.milliseconds;
  await over(redis, async (_, { nodes }) => {
    await expectSame(nodes, options.identity);
    await Promise.all(
      nodes.map(async (node) => {
        const { aof_enabled: log } = await persistenceFields(node);
        if (log === '1') await writeLog(node, end, options.signal);
        else await takeSnapshot(node, end, options.signal);
      }),
    );
  });
  // One that was killed while it saved has loaded what was before.
  await over(redis, async (_, { nodes }) => expectSame(nodes, options.identity));
}

async function expectSame(
  nodes: readonly RedisNode[],
  expected: string | undefined,
): Promise<void> {
  if (expected === undefined || (await identityOf(nodes)) === expected) return;
  throw new RedisError(
    'ERESTARTED',
    'Redis was started anew, or another server took over, after the last look: what went may be back',
    'run again',
  );
}

type Fields = Readonly<Record<string, string | undefined>>;

async function persistenceFields(node: RedisNode): Promise<Fields> {
  return infoFields(String(await node.send('INFO', 'persistence')));
}

async function takeSnapshot(node: RedisNode, end: number, signal: AbortSignal): Promise<void> {
  // One that runs already knows nothing of what happened since it began.
  await untilSaved(node, end, signal);
  for (;;) {
    try {
      await node.send('BGSAVE');
      break;
    } catch (error) {
      if (
        !(error instanceof RedisError) ||
        !/already in progress|child process is active/i.test(error.message)
      )
        throw error;
      await untilSaved(node, end, signal);
    }
  }
  const { rdb_last_bgsave_status: status } = await untilSaved(node, end, signal);
  if (status !== 'ok') throw new RedisError('EPERSIST', 'Redis could not save its snapshot', HINT);
}

const HINT = 'look at the log of Redis and at its disk; until then a crash brings back what went';

async function untilSaved(node: RedisNode, end: number, signal: AbortSignal): Promise<Fields> {
  for (let pause = FIRST_POLL_MS; ; pause = Math.min(2 * pause, LONGEST_POLL_MS)) {
    const fields = await persistenceFields(node);
    const isBusy = [fields['rdb_bgsave_in_progress'], fields['aof_rewrite_in_progress']].includes(
      '1',
    );
    if (!isBusy) return fields;
    await pauseUntil(end, pause, signal);
  }
}

/** Blocks no longer than a silent server is waited for. */
const WAITAOF_MS = 2_000;
/** `appendfsync everysec`: within this it is on disk (redis.conf). */
const EVERYSEC_MS = 2_000;

async function writeLog(node: RedisNode, end: number, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      const [local] = await node.send('WAITAOF', 1, 0, WAITAOF_MS);
      if ((local ?? 0) >= 1) return;
      await pauseUntil(end, 0, signal);
    }
  } catch (error) {
    // Redis before 7.2 does not know the command.
    if (!(error instanceof RedisError) || error.code !== 'ENOCOMMAND') throw error;
  }
  await pauseUntil(end, EVERYSEC_MS, signal);
  for (;;) {
    const fields = await persistenceFields(node);
    if (fields['aof_last_write_status'] === 'err') {
      throw new RedisError('EPERSIST', 'Redis could not write its append-only log', HINT);
    }
    if (fields['aof_buffer_length'] === '0' && fields['aof_pending_bio_fsync'] === '0') return;
    await pauseUntil(end, LONGEST_POLL_MS, signal);
  }
}

/** @throws RedisError when the time is over, or the signal's reason. */
async function pauseUntil(end: number, milliseconds: number, signal: AbortSignal): Promise<void> {
  if (performance.now() + milliseconds > end) {
    throw new RedisError('EPERSIST', 'Redis did not finish saving in time', HINT);
  }
  await sleep(milliseconds);
  signal.throwIfAborted();
}
