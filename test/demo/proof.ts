/** What redis-cli, find and du say of the stack; nothing here is the tool's own code. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { runPython } from '../support/celery.ts';
import type { TestRedis } from '../support/redis.ts';
import { celeryApp, directoryOf, SERVICE_NAMES, SERVICES } from '../support/stack.ts';
import { countFiles, treeHash } from '../support/witness.ts';
import { AT_WORK, neighbourDirectory, OTHER_QUEUE } from './fill-stack.ts';

export interface Evidence {
  readonly jobs: number;
  /** Queued, all priorities, and in flight. */
  readonly tasks: number;
  readonly results: number;
  /** Tasks that run. */
  readonly running: number;
  readonly files: number;
  readonly models: number;
  /** Allocated to files and directories. */
  readonly bytes: number;
  readonly neighbourKeys: string;
  readonly neighbourFiles: string;
  /** Mode, owner and inode of every configured directory. */
  readonly directories: string;
}

export function lookAt(folder: string, redis: TestRedis): Evidence {
  const all = SERVICE_NAMES.flatMap((name) =>
    SERVICES[name].directories.map((directory) => ({
      path: directoryOf(folder, name, directory),
      models: directory === 'models',
    })),
  );
  const filesIn = (models: boolean): number =>
    all.reduce((sum, one) => sum + (one.models === models ? countFiles(one.path) : 0), 0);
  const sum = (count: (db: number, name: (typeof SERVICE_NAMES)[number]) => number): number =>
    SERVICE_NAMES.reduce((total, name) => total + count(SERVICES[name].db, name), 0);
  return {
    jobs: sum((db, name) => scan(redis, db, `${SERVICES[name].keyPrefix}*`).length),
    tasks: sum((db, name) => {
      const queues = scan(redis, db, `${SERVICES[name].queue}*`);
      const queued = queues.map((key) => Number(redis.cli('-n', String(db), 'LLEN', key)));
      return queued.reduce((total, length) => total + length, 0) + inFlight(redis, db).own.length;
    }),
    running: runningTasks(folder, redis),
    results: sum((db) => scan(redis, db, 'celery-task-meta-*').length),
    files: filesIn(false),
    models: filesIn(true),
    bytes: parseInt(shell('du', ['-s', '--block-size=1', join(folder, 'services')]), 10),
    neighbourKeys: neighbourKeys(redis),
    neighbourFiles: treeHash(neighbourDirectory(folder)),
    directories: shell('stat', ['--format=%i %a %U:%G %n', ...all.map(({ path }) => path)]),
  };
}

/** By Celery's own command. */
function runningTasks(folder: string, redis: TestRedis): number {
  const script = 'print(sum(map(len, (app.control.inspect(timeout=0.5).active() or {}).values())))';
  return Number(runPython(celeryApp(folder, redis, AT_WORK), script));
}

function scan(redis: TestRedis, db: number, pattern: string): string[] {
  const output = redis.cli('-n', String(db), '--scan', '--pattern', pattern);
  // A SCAN while Redis resizes its table can show a key twice.
  return [...new Set(output.split('\n'))].filter((key) => key !== '');
}

/** Celery keeps the messages in flight of all queues of a database in one hash. */
function inFlight(redis: TestRedis, db: number): { own: string[]; others: string[] } {
  const entries = redis
    .cli('-n', String(db), 'HVALS', 'unacked')
    .split('\n')
    .filter((entry) => entry !== '');
  return {
    own: entries.filter((entry) => !entry.includes(OTHER_QUEUE)),
    others: entries.filter((entry) => entry.includes(OTHER_QUEUE)).toSorted(),
  };
}

/** One hash over every key that is not the services' own, routing tables included. */
function neighbourKeys(redis: TestRedis): string {
  const hash = createHash('sha256');
  for (const name of SERVICE_NAMES) {
    const { db, keyPrefix, queue } = SERVICES[name];
    const own = [keyPrefix, queue, 'celery-task-meta-', 'unacked'];
    // Whoever asks the workers something leaves his reply's address there for a while.
    const isOther = (key: string): boolean =>
      !own.some((start) => key.startsWith(start)) && !key.endsWith('.pidbox');
    hash.update(redis.dump(db, isOther));
    hash.update(JSON.stringify(inFlight(redis, db).others));
  }
  return hash.digest('hex');
}

function shell(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' });
}
