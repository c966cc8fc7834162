/** A real Redis cluster of the test's own: three primaries, each with a replica. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findPython } from '../setup/needs.ts';
import { ended, killAtExit } from './processes.ts';
import { pipeCommands, type Command } from './redis-fill.ts';
import { inSync } from './redis-replication.ts';
import { freePort, startRedis, type RedisEntry, type TestRedis } from './redis.ts';
import { until } from './until.ts';

const SLOTS = 16_384;
const NODE_TIMEOUT_MS = 1500;
const MOVER = fileURLToPath(new URL('redis_move_slots.py', import.meta.url));

export interface ClusterNode extends TestRedis {
  /** As the cluster knows it. */
  readonly id: string;
}

export interface SlotMover {
  /** So many slots have moved, a slot that goes there and back twice. */
  moved(): number;
  /** What the cluster refused and the mover tried again: lines. */
  refusals(): string;
  /** Resolves when the slot at hand has moved too. */
  stop(): Promise<void>;
}

export interface TestCluster {
  readonly nodes: readonly ClusterNode[];
  /** Those that serve slots now, as the living nodes say, in the order of their slots. */
  primaries(): readonly ClusterNode[];
  /** The primary that serves the key's slot now. */
  primaryOf(key: string): ClusterNode;
  replicaOf(primary: ClusterNode): ClusterNode;
  /** Sends each command to the primary of its key, the first argument, and waits for the replicas. */
  put(commands: readonly Command[]): Promise<void>;
  /** Keys of all primaries together. */
  size(): number;
  /** The keys that match, on all primaries, as redis-cli shows them, a key on two of them twice. */
  keys(pattern: string): readonly string[];
  /** Every key of every primary, read by redis-py. */
  entries(): readonly RedisEntry[];
  /** One hash over all of them: the same before and after when untouched. */
  dump(): string;
  /** Resolves when each replica has everything that its primary has now. */
  inSync(): Promise<void>;
  /** Moves the slots between two primaries, there and back, until it is stopped. */
  moveSlots(from: ClusterNode, to: ClusterNode, first: number, last: number): SlotMover;
  /** SIGKILL for a primary; `failover` resolves when its replica serves and the cluster is whole. */
  kill(primary: ClusterNode): { readonly failover: Promise<void> };
  stop(): Promise<void>;
}

export async function startCluster(folder: string): Promise<TestCluster> {
  const started = await Promise.allSettled(
    Array.from({ length: 6 }, async (_, at) => await startNode(join(folder, `node-${at}`))),
  );
  const servers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  try {
    for (const one of started) if (one.status === 'rejected') throw one.reason;
    const addresses = servers.map(({ redis, busPort }) => `127.0.0.1:${redis.port}@${busPort}`);
    const options = ['--cluster-replicas', '1', '--cluster-yes'];
    await promisify(execFile)('redis-cli', ['--cluster', 'create', ...addresses, ...options]);
    const nodes = servers.map(({ redis }) => ({ ...redis, id: redis.cli('CLUSTER', 'MYID') }));
    await until('every node says that the cluster is whole', () => isWhole(nodes));
    const cluster = handle(nodes);
    await cluster.inSync();
    return cluster;
  } catch (error) {
    await Promise.all(servers.map(async ({ redis }) => await redis.stop()));
    throw error;
  }
}

/** CRC-16/XMODEM of the key, or of what is between its first braces (Redis' cluster.c). */
export function hashSlot(key: string): number {
  const tag = /^[^{]*\{([^}]+)\}/s.exec(key)?.[1] ?? key;
  let crc = 0;
  for (const byte of Buffer.from(tag, 'latin1')) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    }
    crc &= 0xffff;
  }
  return crc % SLOTS;
}

async function startNode(
  folder: string,
  attempts = 5,
): Promise<{ redis: TestRedis; busPort: number }> {
  const busPort = await freePort();
  try {
    const redis = await startRedis(folder, {
      config: [
        'cluster-enabled yes',
        `cluster-port ${busPort}`,
        `cluster-node-timeout ${NODE_TIMEOUT_MS}`,
        'cluster-replica-validity-factor 0',
        // Else a replica's first copy waits 5 s for others that may want one.
        'repl-diskless-sync-delay 0',
      ],
    });
    return { redis, busPort };
  } catch (error) {
    // Another process may have taken the bus port since we asked for a free one.
    if (attempts === 1 || !String(error).includes('in use')) throw error;
    return await startNode(folder, attempts - 1);
  }
}

/** First and last slot of each. */
type Ranges = readonly (readonly [number, number])[];

interface KnownNode {
  readonly id: string;
  readonly primaryId: string | undefined;
  /** None of a replica. */
  readonly slots: Ranges;
}

function serves(ranges: Ranges, slot: number): boolean {
  return ranges.some(([first, last]) => first <= slot && slot <= last);
}

/** What one node says of all that it does not hold for dead (CLUSTER NODES). */
function knownTo(node: ClusterNode): readonly KnownNode[] {
  return node
    .cli('CLUSTER', 'NODES')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , flags = '']) => !flags.split(',').some((flag) => /^(fail\??|noaddr)$/.test(flag)))
    .map(([id = '', , , primary = '-', , , , , ...slots]) => ({
      id,
      primaryId: primary === '-' ? undefined : primary,
      // One that is being moved is in brackets, beside the ranges.
      slots: slots
        .filter((range) => !range.startsWith('['))
        .map((range) => range.split('-').map(Number))
        .map(([first = 0, last = first]) => [first, last] as const),
    }));
}

/** All of these agree on who serves what, each slot is served, and each primary has a replica. */
function isWhole(nodes: readonly ClusterNode[]): boolean {
  const views = nodes.map((node) => {
    const known = knownTo(node).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    return { known, text: JSON.stringify(known) };
  });
  const [first] = views;
  const served = (first?.known ?? [])
    .flatMap(({ slots }) => slots)
    .reduce((sum, [from, to]) => sum + to - from + 1, 0);
  return (
    views.every(({ text }) => text === first?.text) &&
    served === SLOTS &&
    first?.known.filter(({ primaryId }) => primaryId !== undefined).length === nodes.length / 2 &&
    nodes.every(saysOk)
  );
}

function saysOk(node: ClusterNode): boolean {
  return node.cli('CLUSTER', 'INFO').includes('cluster_state:ok');
}

function handle(nodes: readonly ClusterNode[]): TestCluster {
  const dead = new Set<ClusterNode>();
  const movers: ChildProcess[] = [];
  const living = (): readonly ClusterNode[] => nodes.filter((node) => !dead.has(node));
  const known = (): readonly KnownNode[] => living().slice(0, 1).flatMap(knownTo);
  const nodeOf = (id: string | undefined): ClusterNode => {
    const found = nodes.find((node) => node.id === id);
    if (found === undefined) throw new Error(`the cluster has no node ${id}`);
    return found;
  };
  const primaries = (): readonly ClusterNode[] =>
    known()
      .filter(({ slots }) => slots.length > 0)
      .toSorted((a, b) => (a.slots[0]?.[0] ?? 0) - (b.slots[0]?.[0] ?? 0))
      .map(({ id }) => nodeOf(id));
  const replicaOf = (primary: ClusterNode): ClusterNode =>
    nodeOf(known().find(({ primaryId }) => primaryId === primary.id)?.id);
  const primaryOf = (key: string): ClusterNode => {
    const slot = hashSlot(key);
    return nodeOf(known().find(({ slots }) => serves(slots, slot))?.id);
  };
  const allInSync = async (): Promise<void> => {
    const view = known();
    for (const primary of primaries()) {
      const replicas = view.filter(({ primaryId }) => primaryId === primary.id);
      await inSync(
        primary,
        replicas.map(({ id }) => nodeOf(id)),
      );
    }
  };
  const entries = (): readonly RedisEntry[] =>
    primaries()
      .flatMap((node) => node.entries(0))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  return {
    nodes,
    primaries,
    primaryOf,
    replicaOf,
    put: async (commands) => {
      const slots = commands.map(([, key = '']) => hashSlot(key));
      for (const { id, slots: ranges } of known()) {
        const own = commands.filter((_, at) => serves(ranges, slots[at] ?? -1));
        if (own.length > 0) pipeCommands(nodeOf(id).port, 0, own);
      }
      await allInSync();
    },
    size: () => primaries().reduce((sum, node) => sum + Number(node.cli('DBSIZE')), 0),
    keys: (pattern) =>
      primaries().flatMap((node) =>
        [...new Set(node.cli('--scan', '--pattern', pattern).split('\n'))].filter(
          (key) => key !== '',
        ),
      ),
    entries,
    dump: () => {
      const hash = createHash('sha256');
      for (const entry of entries()) hash.update(JSON.stringify(entry));
      return hash.digest('hex');
    },
    inSync: allInSync,
    moveSlots: (from, to, first, last) => {
      const { child, mover } = startMover([from.port, to.port, first, last]);
      movers.push(child);
      return mover;
    },
    kill: (primary) => {
      const replica = replicaOf(primary);
      process.kill(primary.pid, 'SIGKILL');
      dead.add(primary);
      return { failover: tookOver(replica, living()) };
    },
    stop: async () => {
      // Not by their input: they would go on trying while nobody answers any more.
      for (const mover of movers) mover.kill('SIGKILL');
      await Promise.all(nodes.map(async (node) => await node.stop()));
    },
  };
}

async function tookOver(replica: ClusterNode, living: readonly ClusterNode[]): Promise<void> {
  const servesFor = (node: ClusterNode): boolean =>
    knownTo(node).some(({ id, slots }) => id === replica.id && slots.length > 0);
  await until('every node says that the replica serves and the cluster is whole', () =>
    living.every((node) => saysOk(node) && servesFor(node)),
  );
}

function startMover(args: readonly number[]): { child: ChildProcess; mover: SlotMover } {
  const child = spawn(findPython().path, [MOVER, ...args.map(String)], { detached: true });
  killAtExit(child);
  let moved = 0;
  let refusals = '';
  child.stdout.on('data', (chunk: Buffer) => (moved += chunk.toString().split('\n').length - 1));
  child.stderr.on('data', (chunk: Buffer) => (refusals += chunk.toString()));
  child.stdin.on('error', () => undefined);
  const mover = {
    moved: () => moved,
    refusals: () => refusals,
    stop: async () => {
      child.stdin.end();
      await ended(child);
      if (child.exitCode !== 0) throw new Error(`the slots do not move: ${refusals}`);
    },
  };
  return { child, mover };
}
