/** Runs over the same services, one of which is held at some moment of its wipe. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFiles, type JsonReport } from './config-file.ts';
import type { Result, Running } from './confine.ts';
import { ownStack, redisFor, type OwnStack } from './own-config.ts';
import { pipeCommands, times, type Command } from './redis-fill.ts';
import type { RedisOptions, TestRedis } from './redis.ts';
import { startTool, toolEnvironment, type ToolOptions } from './tool.ts';
import { until } from './until.ts';

export const KEY = 'media-cleanup:lock:media';

export interface Host {
  /** A run there of the service `media`. */
  start(args: readonly string[], options?: Partial<ToolOptions>): Running;
  run(args: readonly string[], options?: Partial<ToolOptions>): Promise<Result>;
  /** Another config than the one with `media` over the scene's Redis. */
  config(services: Readonly<Record<string, object>>): void;
  readonly media: string;
  /** The environment of its runs. */
  readonly env: Readonly<Record<string, string>>;
  /** Where its runs and locks are kept. */
  readonly state: string;
  locks(): readonly string[];
  lock(): Record<string, unknown>;
  fill(files: number): void;
}

export interface LockScene extends Host {
  readonly stack: OwnStack;
  readonly redis: TestRedis;
  /** Another one, with a config, directories and locks of its own. */
  host(name: string): Host;
  jobs(count: number): void;
  jobsLeft(): number;
  /** '' when nobody has it. */
  key(name?: string): string;
  cli(...args: readonly string[]): string;
}

export async function lockScene(options: RedisOptions = {}): Promise<LockScene> {
  const stack = ownStack();
  const redis = await redisFor(stack, options);
  const cli = (...args: readonly string[]): string => redis.cli('-n', '1', ...args);
  const service = { redis: redis.url(1), keyPrefix: 'job:', directories: ['uploads'] };
  return {
    ...host(stack, 'here', service),
    stack,
    redis,
    host: (name) => host(stack, name, service),
    jobs: (count) => {
      pipeCommands(
        redis.port,
        1,
        times(count, (at): Command => ['SET', `job:${at}`, 'x']),
      );
    },
    jobsLeft: () => Number(cli('EVAL', "return #redis.call('KEYS', 'job:*')", '0')),
    key: (name = KEY) => cli('GET', name),
    cli,
  };
}

function host({ folder, path }: OwnStack, name: string, service: object): Host {
  const configFile = path(name, 'etc/cleanup.config.json');
  const state = path(name, 'state/media-cleanup');
  const env = { ...toolEnvironment(folder), XDG_STATE_HOME: path(name, 'state') };
  const cwd = path(name, 'cwd');
  for (const directory of [path(name, 'etc'), cwd, path(name, 'media/uploads')]) {
    mkdirSync(directory, { recursive: true });
  }
  const config = (services: Readonly<Record<string, object>>): void => {
    writeFileSync(configFile, JSON.stringify({ services }));
  };
  config({ media: { root: '../media', ...service } });
  const start: Host['start'] = (args, options = {}) => {
    const all = [...args, '--config', configFile];
    const run = startTool(all, { folder, cwd, env, timeout: 90_000, ...options });
    run.endInput();
    return run;
  };
  const locks = (): readonly string[] =>
    existsSync(join(state, 'locks')) ? readdirSync(join(state, 'locks')).toSorted() : [];
  return {
    start,
    run: async (args, options) => await start(args, options).result,
    config,
    media: path(name, 'media'),
    env,
    state,
    locks,
    lock: () =>
      JSON.parse(readFileSync(join(state, 'locks', locks()[0] ?? ''), 'utf8')) as Record<
        string,
        unknown
      >,
    fill: (files) => {
      makeFiles(path(name, 'media/uploads'), files);
    },
  };
}

/** Starts a slow wipe of `jobs` jobs; resolves when some of them are gone. */
export async function startHolder(
  scene: LockScene,
  { jobs, rate, at = scene }: { readonly jobs: number; readonly rate: number; readonly at?: Host },
  ...args: readonly string[]
): Promise<Running> {
  scene.jobs(jobs);
  const run = at.start(['media', '--yes', '--json', '--rate', String(rate), ...args]);
  await until(`jobs go: ${run.stderr()}`, () => scene.jobsLeft() < jobs);
  return run;
}

export function reportOf({ stdout, stderr }: Result): JsonReport {
  try {
    return JSON.parse(stdout) as JsonReport;
  } catch {
    throw new Error(`no JSON on stdout:\n${stdout}\n${stderr}`);
  }
}
