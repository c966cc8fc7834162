/** One service with a config of the test's own, for what the shipped config does not have. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Result } from './confine.ts';
import { testFolder } from './folder.ts';
import { startRedis, type RedisOptions, type TestRedis } from './redis.ts';
import { runTool, type ToolOptions } from './tool.ts';

export interface OwnStack {
  readonly folder: string;
  path(...names: readonly string[]): string;
  /** Writes files, with the directories on their way. */
  files(...names: readonly string[]): void;
  /** The config of a service `media`. */
  config(service: object): void;
  /** The config of several services. */
  configAll(services: Readonly<Record<string, object>>): void;
  run(args: readonly string[], options?: Partial<ToolOptions>): Promise<Result>;
  /** What `media --dry-run --json` says of it. */
  plan(options?: Partial<ToolOptions>): Promise<Readonly<Record<string, unknown>>>;
  /** `media --yes --json`, with its one service's report. */
  wipe(
    options?: Partial<ToolOptions>,
  ): Promise<Result & { readonly service: Readonly<Record<string, unknown>> }>;
}

export function ownStack(): OwnStack {
  const folder = testFolder();
  const path = (...names: readonly string[]): string => join(folder, ...names);
  const run = async (
    args: readonly string[],
    options: Partial<ToolOptions> = {},
  ): Promise<Result> => await runTool(args, { folder, ...options });
  const configAll = (services: Readonly<Record<string, object>>): void => {
    writeFileSync(path('cleanup.config.json'), JSON.stringify({ services }));
  };
  return {
    folder,
    run,
    configAll,
    path,
    files: (...names) => {
      for (const name of names) {
        mkdirSync(dirname(path(name)), { recursive: true });
        writeFileSync(path(name), `in ${name}`);
      }
    },
    config: (service) => {
      configAll({ media: service });
    },
    plan: async (options = {}) => serviceOf(await run(['media', '--dry-run', '--json'], options)),
    wipe: async (options = {}) => {
      const result = await run(['media', '--yes', '--json'], options);
      return { ...result, service: serviceOf(result) };
    },
  };
}

function serviceOf({ stdout, stderr }: Result): Readonly<Record<string, unknown>> {
  if (stdout === '') throw new Error(`The tool printed no JSON document:\n${stderr}`);
  const { services } = JSON.parse(stdout) as { services?: Record<string, Record<string, unknown>> };
  return services?.['media'] ?? {};
}

export async function redisFor(stack: OwnStack, options: RedisOptions = {}): Promise<TestRedis> {
  const redis = await startRedis(stack.folder, options);
  onTestFinished(async () => await redis.stop());
  return redis;
}
