/** The demo's stack: what the services left behind, and what belongs to others beside it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { enqueue, startWorker } from '../support/celery.ts';
import type { CeleryApp, Job, Worker } from '../support/celery.ts';
import type { TestRedis } from '../support/redis.ts';
import {
  celeryApp,
  directoryOf,
  fillDirectory,
  makeStack,
  SERVICE_NAMES,
  SERVICES,
} from '../support/stack.ts';
import type { ServiceName } from '../support/stack.ts';

/** Another program's queue in the database of video-downloader; the config says so. */
export const OTHER_QUEUE = 'billing_queue';
const PRIORITIES = [0, 3, 6, 9];

/** The directory of somebody else's files, beside those of the services. */
export function neighbourDirectory(folder: string): string {
  return join(folder, 'neighbour');
}

/** The service whose worker is alive and at work. */
export const AT_WORK = 'audio-normalization';

/** @returns a worker in the middle of its work: two tasks run, others are in its hands. */
export async function fillStack(folder: string, redis: TestRedis): Promise<Worker> {
  makeStack(folder);
  nameOtherQueue(join(folder, 'cleanup.config.json'));
  const neighbour = neighbourDirectory(folder);
  mkdirSync(neighbour);
  writeFileSync(join(neighbour, 'invoices.db'), 'worth keeping\n'.repeat(1000));
  for (const name of SERVICE_NAMES) {
    for (const directory of SERVICES[name].directories) {
      const path = directoryOf(folder, name, directory);
      fillDirectory(path, neighbour);
      addMedia(path, directory === 'models' ? 12 : 2);
    }
    redis.cli('-n', String(SERVICES[name].db), 'SET', 'session:42', 'of another program');
  }
  enqueue(celeryApp(folder, redis, 'audio-transcriber'), waiting('audio-transcriber', 6));
  await crashAWorker(folder, redis);
  enqueue(videoApp(folder, redis), waiting('video-downloader', 8));
  return await keepAWorkerBusy(folder, redis);
}

/** Unnamed, the queue would be a warning: the tool cannot know whose messages those are. */
function nameOtherQueue(file: string): void {
  const config = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly services: Record<string, { foreignKeyPrefixes?: readonly string[] }>;
  };
  const service = config.services['video-downloader'];
  if (service === undefined) throw new Error('cleanup.config.json: no video-downloader');
  service.foreignKeyPrefixes = [OTHER_QUEUE];
  writeFileSync(file, JSON.stringify(config, undefined, 2));
}

async function keepAWorkerBusy(folder: string, redis: TestRedis): Promise<Worker> {
  const app = celeryApp(folder, redis, AT_WORK);
  const running = ['normalize-1', 'normalize-2'];
  const worker = startWorker(app, { concurrency: 2, name: 'normalizer' });
  await worker.waitUntilReady();
  enqueue(
    app,
    running.map((id) => ({ id, task: 'sleep', args: [3600] })),
  );
  for (const id of running) await worker.waitForLog(`[${id}] received`);
  enqueue(app, waiting(AT_WORK, 6));
  await worker.waitForLog(`[${AT_WORK}-5] received`);
  return worker;
}

/** It had done four tasks and had three in hand: those are in flight until somebody takes them back. */
async function crashAWorker(folder: string, redis: TestRedis): Promise<void> {
  const app = videoApp(folder, redis);
  const held: readonly Job[] = [
    { id: 'video-held-1', countdown: 3600 },
    { id: 'video-held-2', countdown: 3600 },
    { id: 'bill-held', countdown: 3600, queue: OTHER_QUEUE, save: false },
  ];
  const done = ['1', '2', '3', '4'].map((number) => ({ id: `video-done-${number}` }));
  const worker = startWorker(app, { args: ['--prefetch-multiplier=8'] });
  enqueue(app, [...held, ...done]);
  for (const { id } of held) await worker.waitForLog(`[${id}] received`);
  for (const { id } of done) await worker.waitForLog(`[${id}] succeeded`);
  await worker.stop('kill');
  enqueue(app, [{ id: 'bill-waiting', queue: OTHER_QUEUE, save: false }]);
}

function videoApp(folder: string, redis: TestRedis): CeleryApp {
  const app = celeryApp(folder, redis, 'video-downloader');
  return { ...app, queues: [...app.queues, OTHER_QUEUE] };
}

function waiting(name: ServiceName, count: number): Job[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `${name}-${index}`,
    priority: PRIORITIES[index % PRIORITIES.length] ?? 0,
  }));
}

function addMedia(directory: string, megabytes: number): void {
  const script = 'for n in 1 2 3; do head -c "$1"M /dev/urandom > "media-$n.bin"; done';
  execFileSync('/bin/bash', ['-ec', script, 'media', String(megabytes)], { cwd: directory });
}
