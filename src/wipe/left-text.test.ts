import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { testFolder } from '../../test/support/folder.ts';
import { failed, REFUSED } from '../../test/support/reports.ts';
import { locateDirectories } from '../files/resolve.ts';
import { KINDS, NO_WORKERS } from '../report/types.ts';
import type { Kind, ServiceCensus } from '../report/types.ts';
import { leftText } from './left-text.ts';
import { closeServices, openServices } from '../commands/open-services.ts';
import { noteDirectory, startStep, startTally } from '../commands/step.ts';
import type { StepContext, WipeTally } from '../commands/step.ts';

const BROKER = {
  kind: 'server',
  address: { host: '127.0.0.1', port: 1 },
  db: 0,
  credentials: undefined,
  tls: undefined,
} as const;

/** A service with jobs, a queue, `uploads`, `temp` and `models`, and how far its wipe is. */
async function stepOf(name: string, changes: Partial<WipeTally> = {}): Promise<StepContext> {
  const root = join(testFolder(), name);
  const directory = (path: string) => {
    mkdirSync(join(root, path), { recursive: true });
    return { path, mustBeMounted: false, marker: undefined, keep: [], optional: false };
  };
  const config = {
    name,
    redis: undefined,
    keyPrefixes: ['job:'],
    jobKeys: 'named',
    indexKeys: [],
    foreignKeyPrefixes: [],
    timeZone: undefined,
    celery: { queues: ['work'], broker: BROKER, results: 'own', globalKeyPrefix: '' },
    root,
    rootConfigured: true,
    directories: [directory('uploads'), directory('temp')],
    models: [directory('models')],
  } as const;
  const located = new Map([[name, await locateDirectories(config)]]);
  const { signal } = new AbortController();
  // Without jobs and queue nothing is connected.
  const services = await openServices([config], [config], located, ['files', 'models'], signal);
  onTestFinished(() => {
    closeServices(services);
  });
  const [service] = services;
  if (service === undefined) throw new Error('nothing was opened');
  const tally = { ...startTally(service), ...changes };
  const quiet = { log: () => undefined, progress: () => undefined };
  return startStep(service, tally, quiet, signal);
}

function censusOf({ service }: StepContext, changes: Partial<ServiceCensus> = {}): ServiceCensus {
  const directories = service.directories.map(({ located: { name, path, kind } }, index) => ({
    name,
    path,
    kind,
    files: (index + 1) * 10,
    bytes: 0,
    subdirectories: 0,
    inodes: 0,
  }));
  return {
    name: service.config.name,
    jobs: 148_000,
    jobsKept: 0,
    results: 0,
    indexKeys: 0,
    tasks: { queued: 3, inFlight: 1 },
    unknown: [],
    notConfigured: [],
    workers: NO_WORKERS,
    files: 30,
    models: 30,
    bytes: 0,
    directories,
    redis: '127.0.0.1:6379/3',
    broker: undefined,
    failures: failed(),
    warnings: [],
    ...changes,
  };
}

function begun(...finished: readonly Kind[]): Partial<WipeTally> {
  const order: readonly Kind[] = ['queue', 'jobs', 'files', 'models'];
  return {
    pass: 1,
    finished: new Set(finished),
    begun: new Set(order.slice(0, finished.length + 1)),
  };
}

const UNSEEN = { kinds: KINDS, isVerified: () => false };

test('by the count before the wipe', async () => {
  const audio = await stepOf('audio', { ...begun(), queued: 1, inFlight: 1 });
  const video = await stepOf('video');
  const counted = [censusOf(audio), censusOf(video, { jobs: 5 })];
  expect(leftText([audio, video], { ...UNSEEN, counted })).toBe(
    'Removed before: 0 jobs, 2 tasks, 0 files, 0 models (0 MB freed). Left: about 148,000 jobs, ' +
      '2 queued tasks, 30 files in Uploads and Temp, 30 models in Models of audio; video was not ' +
      'begun (about 5 jobs, 3 queued tasks, 1 in-flight task, 30 files in Uploads and Temp, ' +
      '30 models in Models).',
  );
});

test('with the directory at hand', async () => {
  const audio = await stepOf('audio', { ...begun('queue', 'jobs'), jobs: 148_000 });
  const [uploads, temp] = censusOf(audio).directories;
  if (uploads === undefined || temp === undefined) throw new Error('no directories');
  const done = { deleted: 10, bytesFreed: 2 ** 20, inodesFreed: 10, bytesHeldOpen: 0 };
  noteDirectory(audio.tally, { name: 'Uploads', path: uploads.path, kind: 'files', ...done });
  audio.tally.inHand = { path: temp.path, kind: 'files', deleted: 5, bytes: 2 ** 20 };
  expect(leftText([audio], { ...UNSEEN, counted: [censusOf(audio)] })).toBe(
    'Removed before: 148,000 jobs, 0 tasks, 15 files, 0 models (2 MB freed). ' +
      'Left: about 15 files in Temp, 30 models in Models of audio.',
  );
});

test('without a count: names', async () => {
  const audio = await stepOf('audio', { ...begun('queue'), jobs: 3000 });
  const video = await stepOf('video');
  expect(leftText([audio, video], { ...UNSEEN, counted: undefined })).toContain(
    'Left: jobs of audio were being removed: 3,000 gone, the rest is not counted; files in ' +
      'Uploads and Temp and models in Models of audio were not begun; video was not begun.',
  );
});

test('what could not be counted is unknown and not nothing', async () => {
  const audio = await stepOf('audio', begun());
  const counted = [
    censusOf(audio, { jobs: 0, unknown: ['jobs', 'queue'], failures: failed(REFUSED) }),
  ];
  expect(leftText([audio], { ...UNSEEN, counted })).toContain(
    'Left: an unknown number of jobs, an unknown number of tasks, 30 files in Uploads and Temp',
  );
});

test('kinds that were not selected are not left', async () => {
  const audio = await stepOf('audio', begun('queue'));
  const of = { ...UNSEEN, kinds: ['queue', 'jobs'] as const, counted: [censusOf(audio)] };
  expect(leftText([audio], of)).toContain('Left: about 148,000 jobs of audio.');
});

test('gone through is not verified', async () => {
  const audio = await stepOf('audio', begun('queue', 'jobs', 'files', 'models'));
  audio.report(REFUSED);
  const of = { ...UNSEEN, counted: [censusOf(audio)] };
  expect(leftText([audio], of)).toMatch(
    /Left: audio was gone through once and not verified\. Errors before: 1\.$/,
  );
  expect(leftText([audio], { ...of, isVerified: () => true })).toContain(
    'Left: nothing, all of it was verified.',
  );
});

test('more was removed than was counted', async () => {
  const audio = await stepOf('audio', { ...begun('queue'), jobs: 150_000 });
  const of = { ...UNSEEN, kinds: ['queue', 'jobs'] as const, counted: [censusOf(audio)] };
  expect(leftText([audio], of)).toContain(
    'Left: nothing that was counted of audio, but jobs were not finished.',
  );
});
