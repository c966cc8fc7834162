/** The media stack on a Redis of the test's own, filled by other means than the tool. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { enqueue } from './celery.ts';
import type { Result } from './confine.ts';
import { createFolder } from './folder.ts';
import { startRedis, type TestRedis } from './redis.ts';
import { databases } from './redis-census.ts';
import {
  celeryApp,
  directoryOf,
  fillDirectory,
  makeStack,
  SERVICE_NAMES,
  SERVICES,
  stackEnvironment,
  type ServiceName,
} from './stack.ts';
import { runTool, type ToolOptions } from './tool.ts';

export interface LiveStack {
  readonly folder: string;
  readonly redis: TestRedis;
  readonly env: Readonly<Record<string, string>>;
  /** A tree that links in the services' directories lead to. */
  readonly victim: string;
  run(args: readonly string[], options?: Partial<ToolOptions>): Promise<Result>;
}

/** The shipped config with empty directories and an empty Redis; ends with the test. */
export async function liveStack(): Promise<LiveStack> {
  const { stack, end } = await startLiveStack();
  onTestFinished(end);
  return stack;
}

/** As `liveStack`, for `beforeAll`: the caller ends it. */
export async function startLiveStack(): Promise<{
  readonly stack: LiveStack;
  readonly end: () => Promise<void>;
}> {
  const { path: folder, remove } = createFolder();
  const redis = await startRedis(folder);
  makeStack(folder);
  mkdirSync(join(folder, 'home'));
  const victim = join(folder, 'victim');
  mkdirSync(join(victim, 'inner'), { recursive: true });
  writeFileSync(join(victim, 'inner/precious'), 'stays');
  const env = stackEnvironment(folder, redis);
  return {
    stack: {
      folder,
      redis,
      env,
      victim,
      run: async (args, options = {}) => await runTool(args, { folder, env, ...options }),
    },
    end: async () => {
      await redis.stop();
      remove();
    },
  };
}

/** Three jobs with messages of priority 0 and 9, one of them also in flight, and a few files. */
export function fillQuickly(stack: LiveStack, names: readonly ServiceName[] = SERVICE_NAMES): void {
  for (const name of names) {
    const { db, queue, directories } = SERVICES[name];
    enqueue(celeryApp(stack.folder, stack.redis, name), [
      { id: 'one' },
      { id: 'two', priority: 9 },
      { id: 'three' },
    ]);
    const cli = (...args: readonly string[]): string => stack.redis.cli('-n', String(db), ...args);
    // As kombu does when it hands a message to a worker (Channel._brpop_read, QoS.append).
    const message = JSON.parse(cli('RPOP', queue)) as Message;
    const { exchange, routing_key } = message.properties.delivery_info;
    cli('HSET', 'unacked', `tag-${name}`, JSON.stringify([message, exchange, routing_key]));
    cli('ZADD', 'unacked_index', '1700000000', `tag-${name}`);
    cli('SET', 'celery-task-meta-two', '{"status": "SUCCESS"}');
    for (const directory of directories) {
      const path = directoryOf(stack.folder, name, directory);
      mkdirSync(join(path, 'sub'));
      writeFileSync(join(path, 'sub/file'), Buffer.alloc(10_000, name));
      writeFileSync(join(path, '.dot'), directory);
    }
  }
}

/** Every directory of every service with everything that a file system can hold. */
export function fillDirectories(stack: LiveStack): void {
  for (const [name, directory] of allDirectories()) {
    fillDirectory(directoryOf(stack.folder, name, directory), stack.victim);
  }
}

export function allDirectories(): (readonly [ServiceName, string])[] {
  return SERVICE_NAMES.flatMap((name) =>
    SERVICES[name].directories.map((directory) => [name, directory] as const),
  );
}

/** Every key of every database: the same before and after when untouched, and while it is asked. */
export function dumpAll(redis: TestRedis): string {
  // A run that goes on has its locks there, until it ends; test/locks.test.ts looks at them.
  const isOthers = (key: string): boolean => !key.includes('media-cleanup:lock:');
  return databases(redis)
    .map((db) => ({ db, dump: redis.dump(db, isOthers) }))
    .map(({ db, dump }) => `${db} ${dump}`)
    .join(' ');
}

/** Bytes as du counts them, subdirectories included, a file with several names once. */
export function diskUsage(...paths: readonly string[]): number {
  const output = execFileSync('du', ['--block-size=1', '-sc', ...paths], { encoding: 'utf8' });
  return Number(/^(\d+)\ttotal$/m.exec(output)?.[1]);
}

/** Owner, group and mode. */
export function statOf(path: string): string {
  return execFileSync('stat', ['-c', '%u:%g %a %i', path], { encoding: 'utf8' }).trim();
}

interface Message {
  readonly properties: {
    readonly delivery_info: { readonly exchange: string; readonly routing_key: string };
  };
}
