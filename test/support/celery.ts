/** Real Celery workers and messages, from the distribution's packages. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findPython } from '../setup/needs.ts';
import { ended, hasEnded, killAtExit } from './processes.ts';

export interface CeleryApp {
  /** The test's folder: the processes work in `celery` below it. */
  readonly folder: string;
  readonly broker: string;
  /** Default: the broker. */
  readonly results?: string;
  /** Where jobs are saved; default: the broker. */
  readonly jobs?: string;
  readonly queues: readonly [string, ...string[]];
  /** Of job keys: `video_job:`. */
  readonly keyPrefix: string;
  readonly acksLate?: boolean;
  readonly rejectOnWorkerLost?: boolean;
  /** Celery's default is 4 messages a process. */
  readonly prefetchMultiplier?: number;
  /** Default of kombu: 0, 3, 6, 9. */
  readonly prioritySteps?: readonly number[];
  /** Seconds. */
  readonly visibilityTimeout?: number;
  readonly globalKeyPrefix?: string;
  /** `worker_enable_remote_control`; default true. */
  readonly remoteControl?: boolean;
  /** Task arguments that are no JSON, as pickle allows. */
  readonly pickle?: boolean;
  /** A handler of `task_revoked` saves the job again, as services do that note it as failed. */
  readonly savesRevoked?: boolean;
  /** The worker stores a result for each id that it is told to revoke, as that of Celery 5.6 does. */
  readonly storesRevoked?: boolean;
  /** `sleep` and `wait` write `<job id>.out` there when they end. */
  readonly outputDirectory?: string;
  /** A line `start <id>` and `end <id>` for each task that a worker runs. */
  readonly runsFile?: string;
  /** More of `broker_transport_options`: `{ sep: ':' }`. */
  readonly transport?: Readonly<Record<string, unknown>>;
  /** More of Celery's settings: `{ task_compression: 'gzip' }`. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Folders of Python packages before the system's: another version of Celery. */
  readonly packages?: readonly string[];
  /** Folders of shared libraries that those need. */
  readonly libraries?: readonly string[];
}

export interface Job {
  /** Job and task at the same time. */
  readonly id: string;
  /** Default `quick`. */
  readonly task?: 'quick' | 'sleep' | 'wait';
  /** `sleep` takes the seconds; `wait` goes on until `release`. */
  readonly args?: readonly unknown[];
  readonly queue?: string;
  readonly priority?: number;
  /** Seconds. */
  readonly countdown?: number;
  readonly eta?: Date;
  /** Save the job key before the message, as the services do; default true. */
  readonly save?: boolean;
}

export interface WorkerOptions {
  /** Default `prefork`. */
  readonly pool?: 'prefork' | 'solo' | 'threads' | 'gevent';
  /** Default 1. */
  readonly concurrency?: number;
  /** Default: all of the app. */
  readonly queues?: readonly string[];
  /** Unique on one broker; default `worker`. */
  readonly name?: string;
  readonly args?: readonly string[];
  /** As Celery's default is. */
  readonly gossip?: boolean;
  /** A loop of the shell starts it again whenever it ends, until `stop('kill')`. */
  readonly supervised?: boolean;
}

export interface Worker {
  readonly pid: number;
  log(): string;
  /** Resolves when the log holds the text. @throws Error with the log after `timeout` ms. */
  waitForLog(text: string, timeout?: number): Promise<void>;
  /** It has connected and consumes. */
  waitUntilReady(): Promise<void>;
  /** Warm: ends its task, gives the rest back. Cold: SIGQUIT. Kill: SIGKILL to all its processes. */
  stop(how?: 'warm' | 'cold' | 'kill'): Promise<void>;
}

const MODULES = fileURLToPath(new URL('.', import.meta.url));

/** Saves each job and puts its message, all by one Python process; returns when they are in Redis. */
export function enqueue(app: CeleryApp, jobs: readonly Job[]): void {
  const input = jobs.map((job) => ({
    id: job.id,
    task: job.task ?? 'quick',
    args: job.args ?? [],
    queue: job.queue ?? app.queues[0],
    priority: job.priority ?? null,
    countdown: job.countdown ?? null,
    eta: job.eta?.toISOString() ?? null,
    save: job.save ?? true,
  }));
  execFileSync(findPython().path, [join(MODULES, 'celery_app.py')], {
    cwd: workingDirectory(app),
    env: environment(app),
    input: JSON.stringify(input),
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 60_000,
  });
}

/** Lets a task `wait` end: when the test is done with it, however slow the machine is. */
export function release(app: CeleryApp, id: string): void {
  writeFileSync(join(workingDirectory(app), `release-${id}`), '');
}

/** Runs Python with the app as `app`, for what `enqueue` does not know; its output. */
export function runPython(app: CeleryApp, script: string): string {
  return execFileSync(findPython().path, ['-c', `from celery_app import *\n${script}`], {
    cwd: workingDirectory(app),
    env: environment(app),
    encoding: 'utf8',
    timeout: 60_000,
  }).trim();
}

const SUPERVISOR = ['/bin/sh', '-c', 'while :; do "$@"; sleep 0.5; done', 'supervisor'] as const;

/** Not ready yet when it returns: see `waitUntilReady`. */
export function startWorker(app: CeleryApp, options: WorkerOptions = {}): Worker {
  const args = [
    '-m',
    'celery',
    '--app=celery_app',
    'worker',
    '--loglevel=INFO',
    // Both only concern other workers, and cost a second at the start.
    '--without-mingle',
    ...(options.gossip === true ? [] : ['--without-gossip']),
    `--pool=${options.pool ?? 'prefork'}`,
    `--concurrency=${options.concurrency ?? 1}`,
    `--queues=${(options.queues ?? app.queues).join(',')}`,
    `--hostname=${options.name ?? 'worker'}@%h`,
    ...(options.args ?? []),
  ];
  const supervisor = options.supervised === true ? SUPERVISOR : [];
  return start(app, [...supervisor, findPython().path, ...args]);
}

/** Runs Python with the app as `app` until it is stopped, as an API does. */
export function startPython(app: CeleryApp, script: string): Worker {
  return start(app, [findPython().path, '-c', `from celery_app import *\n${script}`]);
}

function start(app: CeleryApp, [program = '', ...args]: readonly string[]): Worker {
  const child = spawn(program, args, {
    cwd: workingDirectory(app),
    env: environment(app),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  killAtExit(child);
  let log = '';
  child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  child.on('error', (error) => (log += error.message));

  const waitForLog = async (text: string, timeout = 60_000): Promise<void> => {
    const end = Date.now() + timeout;
    while (!log.includes(text)) {
      if (hasEnded(child) || Date.now() > end) {
        throw new Error(`The worker did not log "${text}":\n${log}`);
      }
      await sleep(20);
    }
  };
  return {
    pid: child.pid ?? 0,
    log: () => log,
    waitForLog,
    waitUntilReady: async () => await waitForLog(' ready.'),
    stop: async (how = 'warm') => {
      if (!hasEnded(child) && child.pid !== undefined) {
        if (how === 'kill') process.kill(-child.pid, 'SIGKILL');
        else child.kill(how === 'warm' ? 'SIGTERM' : 'SIGQUIT');
      }
      await ended(child);
    },
  };
}

function workingDirectory(app: CeleryApp): string {
  const directory = join(app.folder, 'celery');
  mkdirSync(directory, { recursive: true });
  return directory;
}

function environment(app: CeleryApp): Record<string, string> {
  const prefix = app.globalKeyPrefix === undefined ? {} : { global_keyprefix: app.globalKeyPrefix };
  const options = {
    broker: app.broker,
    results: app.results ?? app.broker,
    jobs: app.jobs ?? app.broker,
    queues: app.queues,
    keyPrefix: app.keyPrefix,
    acksLate: app.acksLate ?? false,
    rejectOnWorkerLost: app.rejectOnWorkerLost ?? false,
    prefetchMultiplier: app.prefetchMultiplier ?? 4,
    outputDirectory: app.outputDirectory ?? null,
    remoteControl: app.remoteControl ?? true,
    pickle: app.pickle ?? false,
    savesRevoked: app.savesRevoked ?? false,
    storesRevoked: app.storesRevoked ?? false,
    runsFile: app.runsFile ?? null,
    settings: app.settings ?? {},
    resultTransport: prefix,
    transport: {
      ...prefix,
      ...(app.prioritySteps === undefined ? {} : { priority_steps: app.prioritySteps }),
      ...(app.visibilityTimeout === undefined ? {} : { visibility_timeout: app.visibilityTimeout }),
      ...app.transport,
    },
  };
  return {
    PATH: '/usr/bin:/bin',
    HOME: workingDirectory(app),
    TMPDIR: workingDirectory(app),
    LANG: 'C.UTF-8',
    PYTHONPATH: [MODULES, ...(app.packages ?? [])].join(delimiter),
    ...(app.libraries === undefined ? {} : { LD_LIBRARY_PATH: app.libraries.join(delimiter) }),
    // The app lies in the checkout, which tests leave as it was.
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONUNBUFFERED: '1',
    ...(app.pickle === true ? { C_FORCE_ROOT: '1' } : {}),
    CELERY_TEST: JSON.stringify(options),
  };
}
