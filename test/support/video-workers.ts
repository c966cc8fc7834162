/** The video-downloader of the stack with real workers at real tasks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { startWorker, type CeleryApp, type Worker, type WorkerOptions } from './celery.ts';
import type { Result } from './confine.ts';
import { liveStack, type LiveStack } from './live-stack.ts';
import { redisCounts } from './redis-census.ts';
import { celeryApp, directoryOf, SERVICES, type ServiceName } from './stack.ts';
import { startTool, type ToolOptions } from './tool.ts';
import { entryList } from './witness.ts';

export const VIDEO = 'video-downloader';
export const VIDEO_QUEUE = SERVICES[VIDEO].queue;

export interface VideoStack extends LiveStack {
  readonly app: CeleryApp;
  /** redis-cli in the service's database. */
  cli(...args: readonly string[]): string;
  /** Ends with the test. */
  worker(options?: WorkerOptions): Promise<Worker>;
  /** Everything of the service that is there, by redis-cli and find: empty after a wipe. */
  left(): object;
  /** Polls until it says so. @throws Error after `timeout` ms, 60 000 by default. */
  until(what: string, condition: () => boolean, timeout?: number): Promise<void>;
}

export async function videoStack(options: Partial<CeleryApp> = {}): Promise<VideoStack> {
  const stack = await liveStack();
  const app: CeleryApp = {
    ...celeryApp(stack.folder, stack.redis, VIDEO),
    outputDirectory: directoryOf(stack.folder, VIDEO, 'downloads'),
    ...options,
  };
  return {
    ...stack,
    app,
    cli: (...args) => stack.redis.cli('-n', String(SERVICES[VIDEO].db), ...args),
    worker: async (worker) => await readyWorker(app, worker),
    left: () => leftOf(stack, VIDEO),
    until,
  };
}

export async function readyWorker(app: CeleryApp, options?: WorkerOptions): Promise<Worker> {
  const worker = startWorker(app, options);
  onTestFinished(async () => await worker.stop('kill'));
  await worker.waitUntilReady();
  return worker;
}

export function leftOf(stack: LiveStack, name: ServiceName): object {
  const files = SERVICES[name].directories.flatMap((directory) =>
    entryList(directoryOf(stack.folder, name, directory)),
  );
  return { ...redisCounts(stack.redis, name), files };
}

export const NOTHING_LEFT = { jobs: 0, results: 0, queued: 0, inFlight: 0, files: [] };

export async function until(
  what: string,
  condition: () => boolean,
  timeout = 60_000,
): Promise<void> {
  const end = Date.now() + timeout;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`It did not come: ${what}`);
    await sleep(30);
  }
}

/** The part of the JSON report that these tests read. */
export interface WorkerReport {
  readonly status: string;
  readonly verified: boolean;
  readonly tasks_cancelled: number;
  readonly services: Readonly<Record<ServiceName, WorkerServiceReport>>;
}

export interface WorkerServiceReport {
  readonly jobs_removed: number;
  readonly tasks_purged: { readonly queued: number; readonly in_flight: number };
  readonly tasks_cancelled: number;
  readonly came_back: Readonly<Record<string, number>>;
  readonly remaining: Readonly<Record<string, number>>;
  readonly verified: boolean;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

export interface WorkerRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
  readonly report: WorkerReport;
  /** Of the video-downloader. */
  readonly service: WorkerServiceReport;
}

/** `video-downloader --yes --json`, and further arguments. */
export async function wipeVideo(
  stack: LiveStack,
  args: readonly string[] = [],
  options: Partial<ToolOptions> = {},
): Promise<WorkerRun> {
  return await startWipeVideo(stack, args, options).result;
}

/** As `wipeVideo`, for a test that does something meanwhile. */
export function startWipeVideo(
  stack: LiveStack,
  args: readonly string[] = [],
  options: Partial<ToolOptions> = {},
): StartedVideoWipe {
  const run = startTool([VIDEO, '--yes', '--json', ...args], {
    ...{ folder: stack.folder, env: stack.env, timeout: 90_000 },
    ...options,
  });
  run.endInput();
  const result = run.result.then(readRun);
  // A failure shows where the result is awaited.
  result.catch(() => undefined);
  return { result, stderr: run.stderr, kill: run.kill };
}

export interface StartedVideoWipe {
  /** Fails when there is no JSON on stdout. */
  readonly result: Promise<WorkerRun>;
  /** What it has said so far. */
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
}

function readRun(result: Result): WorkerRun {
  if (result.stdout === '') throw new Error(`no report:\n${result.stderr}`);
  const report = JSON.parse(result.stdout) as WorkerReport;
  return { ...result, report, service: report.services[VIDEO] };
}
