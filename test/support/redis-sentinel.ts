/** A primary with two replicas, watched by three sentinels of the test's own. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ended, hasEnded, killAtExit } from './processes.ts';
import { inSync } from './redis-replication.ts';
import { freePort, startRedis, type TestRedis } from './redis.ts';
import { until } from './until.ts';

const NAME = 'media-primary';
const OTHERS = 2;

export interface TestSentinels {
  /** What the sentinels call the primary. */
  readonly name: string;
  readonly servers: readonly TestRedis[];
  /** Of the sentinels, for the tool's config. */
  urls(): readonly string[];
  /** The server that most sentinels name as the primary now. */
  primary(): TestRedis;
  /** Resolves when both replicas have everything that the primary has now. */
  inSync(): Promise<void>;
  /** SIGKILL for the primary; `failover` resolves when most sentinels name another one. */
  killPrimary(): { readonly failover: Promise<TestRedis> };
  /** SENTINEL FAILOVER: the old primary stays up, and is told some seconds later that it is none. */
  failOver(): { readonly failover: Promise<TestRedis> };
  stop(): Promise<void>;
}

interface Sentinel {
  readonly port: number;
  readonly child: ChildProcess;
  /** Of the sentinel itself. */
  readonly password?: string | undefined;
}

/** One sentinel for one server: where it listens, and its end. */
export interface LoneSentinel {
  readonly name: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** @param passwords of the sentinel itself, and of the server that it watches. */
export async function startLoneSentinel(
  folder: string,
  primaryPort: number,
  passwords: { readonly own?: string; readonly server?: string } = {},
): Promise<LoneSentinel> {
  const { own, server } = passwords;
  const sentinel = await startSentinel(folder, primaryPort, own, [
    ...(own === undefined ? [] : [`requirepass ${own}`]),
    ...(server === undefined ? [] : [`sentinel auth-pass ${NAME} ${server}`]),
  ]);
  return {
    ...{ name: NAME, port: sentinel.port },
    stop: async () => {
      sentinel.child.kill('SIGKILL');
      await ended(sentinel.child);
    },
  };
}

export async function startSentinels(folder: string): Promise<TestSentinels> {
  const config = ['repl-diskless-sync-delay 0'];
  const servers: TestRedis[] = [await startRedis(join(folder, 'server-0'), { config })];
  const sentinels: Sentinel[] = [];
  const stop = async (): Promise<void> => {
    for (const { child } of sentinels) child.kill('SIGKILL');
    await Promise.all(sentinels.map(async ({ child }) => await ended(child)));
    await Promise.all(servers.map(async (server) => await server.stop()));
  };
  try {
    const [{ port }] = servers as [TestRedis];
    for (let at = 1; at <= OTHERS; at += 1) {
      const replica = [...config, `replicaof 127.0.0.1 ${port}`];
      servers.push(await startRedis(join(folder, `server-${at}`), { config: replica }));
    }
    // The sentinels look for replicas when they start, and then only every 10 s.
    await inSync(servers[0] as TestRedis, servers.slice(1));
    for (let at = 0; at <= OTHERS; at += 1) {
      sentinels.push(await startSentinel(join(folder, `sentinel-${at}`), port));
    }
    await until('every sentinel knows all the others', () => sentinels.every(knowsAll));
    return { ...handle(servers, sentinels), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A sentinel writes what it learns into its config file. */
async function startSentinel(
  folder: string,
  primaryPort: number,
  password?: string,
  more: readonly string[] = [],
): Promise<Sentinel> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'sentinel.conf');
  const port = await freePort();
  const config = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${primaryPort} 2`,
    `sentinel down-after-milliseconds ${NAME} 1000`,
    `sentinel failover-timeout ${NAME} 5000`,
    ...more,
    '',
  ];
  writeFileSync(file, config.join('\n'));
  const child = spawn('redis-server', [file, '--sentinel'], { detached: true, stdio: 'ignore' });
  killAtExit(child);
  const sentinel = { port, child, password };
  await until('the sentinel answers', () => {
    if (hasEnded(child)) throw new Error(`the sentinel on port ${port} has ended`);
    return asks(sentinel, 'PING') === 'PONG';
  });
  return sentinel;
}

/** '' when it does not answer. */
function asks({ port, password }: Sentinel, ...command: readonly string[]): string {
  try {
    const output = execFileSync('redis-cli', ['-p', String(port), '-e', ...command], {
      env: { PATH: process.env['PATH'], REDISCLI_AUTH: password },
      encoding: 'utf8',
      stdio: 'pipe',
      timeout: 20_000,
    });
    return output.trimEnd();
  } catch {
    return '';
  }
}

function knowsAll(sentinel: Sentinel): boolean {
  const lines = asks(sentinel, 'SENTINEL', 'MASTER', NAME).split('\n');
  const valueOf = (name: string): string | undefined => lines[lines.indexOf(name) + 1];
  const replicas = asks(sentinel, 'SENTINEL', 'REPLICAS', NAME);
  return (
    valueOf('flags') === 'master' &&
    valueOf('num-slaves') === String(OTHERS) &&
    valueOf('num-other-sentinels') === String(OTHERS) &&
    // What it has not heard from is no candidate for a failover.
    replicas.match(/^master-link-status\nok$/gm)?.length === OTHERS
  );
}

function handle(
  servers: readonly TestRedis[],
  sentinels: readonly Sentinel[],
): Omit<TestSentinels, 'stop'> {
  const namedByMost = (): TestRedis | undefined => {
    const named = sentinels.map((sentinel) =>
      Number(asks(sentinel, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME).split('\n')[1]),
    );
    return servers.find(
      ({ port }) => named.filter((one) => one === port).length > sentinels.length / 2,
    );
  };
  const primary = (): TestRedis => {
    const found = namedByMost();
    if (found === undefined) throw new Error('the sentinels do not agree on a primary');
    return found;
  };
  const another = async (old: TestRedis): Promise<TestRedis> => {
    let found: TestRedis | undefined;
    await until('the sentinels name another primary', () => {
      found = namedByMost();
      return found !== undefined && found !== old;
    });
    return found ?? old;
  };
  return {
    name: NAME,
    servers,
    primary,
    urls: () => sentinels.map(({ port }) => `redis://127.0.0.1:${port}`),
    inSync: async () => {
      const now = primary();
      await inSync(
        now,
        servers.filter((server) => server !== now),
      );
    },
    killPrimary: () => {
      const old = primary();
      process.kill(old.pid, 'SIGKILL');
      return { failover: another(old) };
    },
    failOver: () => {
      const old = primary();
      const answer = asks(sentinels[0] as Sentinel, 'SENTINEL', 'FAILOVER', NAME);
      if (answer !== 'OK') throw new Error(`SENTINEL FAILOVER: ${answer}`);
      return { failover: another(old) };
    },
  };
}
