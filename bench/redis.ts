import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findPython } from '../test/setup/needs.ts';
import type { JsonReport } from '../test/support/config-file.ts';
import { startRedis, type TestRedis } from '../test/support/redis.ts';
import { SERVICES } from '../test/support/stack.ts';
import { TOOL, toolEnvironment } from '../test/support/tool.ts';
import type { Bench, Contender, Contest, Target } from './bench.ts';
import { peakMemory } from './peak-memory.ts';
import { startPinging, type Latency } from './ping.ts';
import { sharedRuns } from './shared-runs.ts';
import { startTimed } from './timed.ts';

/** What a database holds. */
interface Amount {
  readonly jobs: number;
  /** Keys of others, which must stay. */
  readonly foreign: number;
}

interface Way {
  readonly name: string;
  readonly command: (redis: TestRedis) => readonly string[];
  readonly checkOutput?: (stdout: string) => void;
  /** Only in so many rounds. */
  readonly rounds?: number;
  /** Ours should take at most so many times its time. */
  readonly limit?: number;
}

/** Of one run; times in milliseconds. */
interface Outcome {
  readonly wall: number;
  /** What the server itself worked on the commands (`INFO commandstats`). */
  readonly server: number;
  readonly ping: Latency;
  /** Of all processes of the contender. */
  readonly peakBytes: number;
}

interface Runner {
  readonly way: Way;
  /** See `sharedRuns`. */
  readonly runFor: (figure: (outcome: Outcome) => number) => () => Promise<number>;
}

const SERVICE = 'video-downloader';
const { db: DB, keyPrefix: PREFIX, queue: QUEUE } = SERVICES[SERVICE];
const PATTERN = `${PREFIX}*`;
const FOREIGN_PREFIXES = ['celery-task-meta-', 'transcription_job:', 'session:'];
/** Uncompressed, so that it loads faster. */
const DUMP_CONFIG = ['rdbcompression no', 'rdbchecksum no'];
const LOAD_TIMEOUT = 120_000;
const LIMIT_TO_SERVER = 1.3;
const WORST_PING = 20;
const MEMORY_LIMIT = 120e6;
/** Keys in one chunk of the stream that fills a server. */
const CHUNK = 1000;

const execute = promisify(execFile);

/**
 * The whole process that removes the jobs of one service from a database that others use too,
 * against what else does that: time, what another client feels of it, memory. Each run has a server
 * of its own, which loads the same dump; in full 1 GB of memory and of the disk.
 */
export const redis: Bench = {
  name: 'redis',
  rounds: 3,
  open: (folder, { small }) => {
    const amount = small ? { jobs: 5000, foreign: 1000 } : { jobs: 1_000_000, foreign: 200_000 };
    mkdirSync(join(folder, 'home'));
    // Not before it is needed: somebody may only ask for another bench's contests.
    let dump: Promise<void> | undefined;
    const runner = (way: Way): Runner => ({
      way,
      runFor: sharedRuns(async () => {
        await (dump ??= makeDump(folder, amount));
        return await runWay(folder, way, amount);
      }),
    });
    const ours = runner(ourWay(folder, amount, 'own'));
    const alike = runner(ourWay(folder, amount, 'none'));
    const peers = [alike, ...peerWays().map(runner)];
    return Promise.resolve({
      contests: contests(ours, peers, amount),
      close: () => Promise.resolve(),
    });
  },
};

function contests(ours: Runner, peers: readonly Runner[], amount: Amount): readonly Contest[] {
  const contest = (
    title: string,
    figure: (outcome: Outcome) => number,
    rest: Pick<Contest, 'unit' | 'target'> = {},
  ): Contest => ({
    title,
    ours: contender(ours, figure),
    peers: peers.map((peer) => contender(peer, figure)),
    ...rest,
  });
  const time = contest(
    `redis: ${amount.jobs} jobs among ${amount.foreign} other keys, whole process`,
    ({ wall }) => wall,
    { target: timeTarget(peers.map(({ way }) => way)) },
  );
  const server = ({ server }: Outcome): number => server;
  return [
    { ...time, peers: [...time.peers, { name: 'its server time', run: ours.runFor(server) }] },
    contest("redis: the server's own time for the commands", server),
    contest('redis: worst PING of another client', ({ ping }) => ping.worst, {
      target: { text: `at most ${WORST_PING} ms`, met: ({ max }) => max <= WORST_PING },
    }),
    contest('redis: p99 PING of another client', ({ ping }) => ping.p99),
    contest('redis: memory', ({ peakBytes }) => peakBytes / 1e6, {
      unit: 'MB',
      target: {
        text: `at most ${MEMORY_LIMIT / 1e6} MB`,
        met: ({ max }) => max * 1e6 <= MEMORY_LIMIT,
      },
    }),
  ];
}

function contender(
  { way: { name, rounds }, runFor }: Runner,
  figure: (outcome: Outcome) => number,
): Contender {
  return { name, run: runFor(figure), ...(rounds === undefined ? {} : { rounds }) };
}

function timeTarget(peers: readonly Way[]): Target {
  const limits = peers.flatMap(({ name, limit }) =>
    limit === undefined ? [] : [`${limit} of ${name}`],
  );
  return {
    text: `at most ${limits.join(', ')}, ${LIMIT_TO_SERVER} of its server time`,
    met: ({ ratios }) =>
      [...peers.map(({ limit }) => limit), LIMIT_TO_SERVER].every(
        (limit, index) => limit === undefined || (ratios[index] ?? Number.NaN) <= limit,
      ),
  };
}

/** @param results `none`: the work that the others do; the results of the jobs stay. */
function ourWay(folder: string, { jobs }: Amount, results: 'own' | 'none'): Way {
  const config = join(folder, `redis-${results}.json`);
  return {
    name: results === 'own' ? 'media-cleanup' : 'media-cleanup, jobs without results',
    command: (redis) => {
      const celery = { queues: [QUEUE], results };
      const service = { redis: redis.url(DB), keyPrefix: PREFIX, celery };
      writeFileSync(config, JSON.stringify({ services: { [SERVICE]: service } }));
      const options = ['--yes', '--json', '--only', 'jobs', '--config', config];
      return [process.execPath, TOOL, SERVICE, ...options];
    },
    checkOutput: (stdout) => {
      const report = JSON.parse(stdout) as JsonReport;
      if (report.verified && report.jobs_removed === jobs) return;
      throw new Error(`media-cleanup should have removed ${jobs} jobs:\n${stdout}`);
    },
  };
}

function peerWays(): readonly Way[] {
  const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  const withUrl = (redis: TestRedis, ...command: readonly string[]): readonly string[] => [
    'env',
    `REDIS_URL=${redis.url(DB)}`,
    ...command,
    PATTERN,
  ];
  return [
    {
      name: 'redis-cli | xargs redis-cli unlink',
      command: ({ port }) => {
        const cli = `redis-cli -p ${port} -n ${DB}`;
        const pipe = `${cli} --scan --pattern '${PATTERN}' | xargs ${cli} unlink`;
        return ['/bin/bash', '-o', 'pipefail', '-c', pipe];
      },
      limit: 0.45,
    },
    {
      name: 'ioredis scanStream',
      command: (redis) => withUrl(redis, process.execPath, script('scan-stream.mjs')),
    },
    {
      name: 'KEYS and DEL',
      command: (redis) => withUrl(redis, findPython().path, script('keys_and_del.py')),
      rounds: 1,
      limit: 0.15,
    },
  ];
}

async function runWay(folder: string, way: Way, amount: Amount): Promise<Outcome> {
  const redis = await startRedis(folder, { config: DUMP_CONFIG, startTimeout: LOAD_TIMEOUT });
  try {
    await cli(redis, 'config', 'resetstat');
    const pinging = await startPinging(redis.port);
    const { clock, timed } = startTimed(way.command(redis), folder, toolEnvironment(folder));
    const [{ milliseconds, stdout }, peakBytes] = await Promise.all([
      timed,
      peakMemory(clock, 'descendants'),
    ]);
    const ping = await pinging.stop();
    const server = serverTime(await cli(redis, 'info', 'commandstats'));
    await checkKeys(way.name, redis, { ...amount, jobs: 0 });
    way.checkOutput?.(stdout);
    return { wall: milliseconds, server, ping, peakBytes };
  } finally {
    await redis.stop();
  }
}

/** The dump stays where a server that is started in the folder loads it from. */
async function makeDump(folder: string, amount: Amount): Promise<void> {
  const redis = await startRedis(folder, { config: DUMP_CONFIG });
  try {
    const running = execute('redis-cli', cliArguments(redis, '--pipe'));
    const { stdin } = running.child;
    if (stdin === null) throw new Error('no pipe to redis-cli');
    await Promise.all([pipeline(Readable.from(fillCommands(amount)), stdin), running]);
    await checkKeys('redis-cli --pipe', redis, amount);
    await cli(redis, 'save');
  } finally {
    await redis.stop();
  }
}

/** Foreign keys between the jobs, in the protocol's own form (redis.io, RESP). */
function* fillCommands({ jobs, foreign }: Amount): Generator<string> {
  const every = jobs / foreign;
  for (let start = 0; start < jobs; start += CHUNK) {
    let chunk = '';
    for (let job = start; job < Math.min(start + CHUNK, jobs); job++) {
      const id = randomUUID();
      chunk += setCommand(PREFIX + id, jobValue(id));
      if (job % every !== 0) continue;
      const prefix = FOREIGN_PREFIXES[(job / every) % FOREIGN_PREFIXES.length] ?? '';
      chunk += setCommand(prefix + randomUUID(), 'of others');
    }
    yield chunk;
  }
}

function setCommand(key: string, value: string): string {
  return `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${value.length}\r\n${value}\r\n`;
}

/** About 600 bytes, as the services write them. */
function jobValue(id: string): string {
  return JSON.stringify({
    id,
    status: 'completed',
    created_at: '2025-01-01T00:00:00.000000+00:00',
    detail: 'x'.repeat(480),
  });
}

/** Of all commands that are neither another client's nor the bench's own, in milliseconds. */
function serverTime(commandStats: string): number {
  const lines = [...commandStats.matchAll(/^cmdstat_([^:]+):calls=\d+,usec=(\d+)/gm)];
  return lines
    .filter(([, command = '']) => !/^(ping|info|config)\b/.test(command))
    .reduce((sum, [, , microseconds]) => sum + Number(microseconds) / 1000, 0);
}

async function checkKeys(who: string, redis: TestRedis, expected: Amount): Promise<void> {
  const size = Number(await cli(redis, 'dbsize'));
  const keys = await cli(redis, 'keys', PATTERN);
  const jobs = keys.split('\n').filter((key) => key !== '').length;
  if (jobs === expected.jobs && size === expected.jobs + expected.foreign) return;
  throw new Error(
    `${who}: there are ${jobs} jobs among ${size} keys instead of ${expected.jobs} jobs ` +
      `and ${expected.foreign} others`,
  );
}

/** Beside the event loop, unlike `TestRedis.cli`: this can take seconds. */
async function cli(redis: TestRedis, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute('redis-cli', cliArguments(redis, ...args), {
    maxBuffer: 2 ** 28,
  });
  return stdout;
}

function cliArguments({ port }: TestRedis, ...args: readonly string[]): string[] {
  return ['-e', '-p', String(port), '-n', String(DB), ...args];
}
