import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonReport } from '../test/support/config-file.ts';
import { startRedis, type TestRedis } from '../test/support/redis.ts';
import { SERVICES } from '../test/support/stack.ts';
import { TOOL, toolEnvironment } from '../test/support/tool.ts';
import type { Bench, Contender, Contest } from './bench.ts';
import { timed } from './timed.ts';

const SERVICE = 'video-downloader';
const { db: DB, keyPrefix: PREFIX, queue: QUEUE } = SERVICES[SERVICE];
const JOBS = 1000;
const CHUNK = 100_000;
/** Removal and proof. */
const PASSES = 2;

/** Of one run, in milliseconds. */
interface Outcome {
  readonly wall: number;
  /** What the server itself worked on SCAN. */
  readonly scan: number;
}

/**
 * A few jobs among very many keys of others: what costs time is how often the database is gone
 * through. All runs are on one server, whose foreign keys stay.
 */
export const foreignKeys: Bench = {
  name: 'foreign-keys',
  rounds: 3,
  open: async (folder, { small }) => {
    const foreign = small ? 5000 : 3_000_000;
    const redis = await startRedis(folder);
    mkdirSync(join(folder, 'home'));
    fillForeign(redis, foreign);
    const config = join(folder, 'foreign-keys.json');
    const service = { redis: redis.url(DB), keyPrefix: PREFIX, celery: { queues: [QUEUE] } };
    writeFileSync(config, JSON.stringify({ services: { [SERVICE]: service } }));
    const tool = [process.execPath, TOOL];
    const options = ['--json', '--config', config];
    const run = async (command: readonly string[], isWipe: boolean): Promise<Outcome> => {
      fillOwn(redis);
      redis.cli('CONFIG', 'RESETSTAT');
      const { milliseconds, stdout } = await timed(command, folder, toolEnvironment(folder));
      const microseconds = /^cmdstat_scan:calls=\d+,usec=(\d+)/m.exec(
        redis.cli('INFO', 'commandstats'),
      )?.[1];
      if (isWipe) checkGone(redis, foreign, stdout);
      return { wall: milliseconds, scan: Number(microseconds) / 1000 };
    };
    const wipe = async (): Promise<Outcome> => run([...tool, SERVICE, '--yes', ...options], true);
    const stats = async (): Promise<Outcome> => run([...tool, 'stats', SERVICE, ...options], false);
    const once = async (): Promise<Outcome> => run(['/bin/bash', '-c', onePass(redis)], false);
    const twice = async (): Promise<Outcome> =>
      run(['/bin/bash', '-c', `${onePass(redis)}\n${onePass(redis)}`], false);
    return {
      contests: contests(foreign, { wipe, stats, once, twice }),
      close: () => redis.stop(),
    };
  },
};

function contests(
  foreign: number,
  run: Readonly<Record<'wipe' | 'stats' | 'once' | 'twice', () => Promise<Outcome>>>,
): readonly Contest[] {
  const contender = (
    name: string,
    from: () => Promise<Outcome>,
    figure: keyof Outcome,
  ): Contender => ({ name, run: async () => (await from())[figure] });
  const contest = (of: 'wipe' | 'stats', figure: keyof Outcome, passes: number): Contest => ({
    title: `foreign-keys: ${of} of ${JOBS} jobs among ${foreign} other keys, ${figure === 'wall' ? 'whole process' : "the server's own time for SCAN"}`,
    ours: contender(`media-cleanup ${of}`, run[of], figure),
    peers: [
      passes === 1
        ? contender('redis-cli: one pass', run.once, figure)
        : contender('redis-cli: two passes', run.twice, figure),
    ],
    target: { text: 'no more than redis-cli', met: ({ ratios }) => (ratios[0] ?? 2) <= 1 },
  });
  return [
    contest('wipe', 'wall', PASSES),
    contest('wipe', 'scan', PASSES),
    contest('stats', 'wall', 1),
    contest('stats', 'scan', 1),
  ];
}

/** Shows every name that matches, as `redis-cli --scan` does, which asks for ten keys at a time. */
function onePass({ port }: TestRedis): string {
  return `redis-cli -p ${port} -n ${DB} --scan --pattern '${PREFIX}*' > /dev/null`;
}

function fillForeign(redis: TestRedis, foreign: number): void {
  for (let start = 0; start < foreign; start += CHUNK) {
    const end = Math.min(foreign, start + CHUNK);
    evaluate(redis, `for i = ${start}, ${end - 1} do redis.call('SET', 'session:' .. i, 'x') end`);
  }
}

function fillOwn(redis: TestRedis): void {
  evaluate(
    redis,
    `for i = 1, ${JOBS} do
       local id = 'job-' .. i
       redis.call('SET', '${PREFIX}' .. id, '{"id": "' .. id .. '"}')
       redis.call('SET', 'celery-task-meta-' .. id, '{}')
     end`,
  );
}

function evaluate({ port }: TestRedis, script: string): void {
  execFileSync('redis-cli', ['-e', '-p', String(port), '-n', String(DB), 'EVAL', script, '0']);
}

function checkGone(redis: TestRedis, foreign: number, stdout: string): void {
  const report = JSON.parse(stdout) as JsonReport;
  const size = Number(redis.cli('-n', String(DB), 'DBSIZE'));
  if (report.verified && report.jobs_removed === JOBS && size === foreign) return;
  throw new Error(`${size} keys are left instead of ${foreign}:\n${stdout}`);
}
