import { KINDS, NO_WORKERS } from '../../src/report/types.ts';
import type {
  Failure,
  FailureList,
  ServiceCensus,
  ServiceReport,
  WipeReport,
} from '../../src/report/types.ts';

/** Reports and censuses of the shipped stack, for golden texts. */

const NO_FAILURES = { first: [], total: 0 };
const NONE = { jobs: 0, tasks: 0, files: 0, models: 0 };

export const DENIED: Failure = {
  target: 'Uploads',
  item: 'file123.mp3',
  code: 'EACCES',
  reason: 'Permission denied',
  hint: 'run as the owner or with sudo',
};

export const REFUSED: Failure = {
  target: 'Redis',
  item: '127.0.0.1:6379/1',
  code: 'ECONNREFUSED',
  reason: 'Connection refused',
  hint: 'start the server, or correct host and port in the config',
};

export function failed(...first: Failure[]): FailureList {
  return { first, total: first.length };
}

export const TRANSCRIBER: ServiceReport = {
  name: 'audio-transcriber',
  redis: '127.0.0.1:6379/3',
  jobsRemoved: 15,
  resultsRemoved: 15,
  indexKeysRemoved: 0,
  unknown: [],
  notConfigured: [],
  tasksPurged: { queued: 3, inFlight: 1 },
  tasksCancelled: 1,
  cameBack: NONE,
  unseen: [],
  filesDeleted: 49,
  modelsDeleted: 3,
  bytesFreed: 1725118054,
  bytesHeldOpen: 0,
  verified: true,
  remaining: NONE,
  notBegun: [],
  failures: NO_FAILURES,
  warnings: [],
  directories: [
    {
      name: 'Uploads',
      path: '/srv/media/services/audio-transcriber/uploads',
      kind: 'files',
      deleted: 23,
      bytesFreed: 152253235,
      inodesFreed: 24,
      bytesHeldOpen: 0,
    },
  ],
};

export function emptyService(name: string): ServiceReport {
  return {
    ...TRANSCRIBER,
    name,
    jobsRemoved: 0,
    resultsRemoved: 0,
    tasksPurged: { queued: 0, inFlight: 0 },
    tasksCancelled: 0,
    filesDeleted: 0,
    modelsDeleted: 0,
    bytesFreed: 0,
    directories: [],
  };
}

export function reportOf(
  services: readonly ServiceReport[],
  changes: Partial<WipeReport> = {},
): WipeReport {
  return {
    cleanupId: 'cleanup_total_20251027_143022',
    status: 'completed',
    dryRun: false,
    kinds: KINDS,
    olderThan: undefined,
    startedAt: new Date('2025-10-27T14:30:22.104Z'),
    finishedAt: new Date('2025-10-27T14:30:25.310Z'),
    services,
    fileSystems: [],
    redisServers: [],
    warnings: [],
    ...changes,
  };
}

/** One service went well, one has an error, one has no Redis. */
export const TROUBLED = reportOf(
  [
    TRANSCRIBER,
    {
      ...emptyService('audio-normalization'),
      jobsRemoved: 1204,
      tasksPurged: { queued: 12, inFlight: 0 },
      filesDeleted: 3411,
      bytesFreed: 9_876_543_210,
      bytesHeldOpen: 52_428_800,
      verified: false,
      remaining: { ...NONE, files: 1 },
      failures: failed(DENIED),
      warnings: [
        'processed/nfs is a mount point: left alone (unmount it, or give it its own entry)',
      ],
    },
    {
      ...emptyService('video-downloader'),
      filesDeleted: 8,
      bytesFreed: 4_194_304,
      verified: false,
      unknown: ['jobs', 'queue'],
      notConfigured: ['models'],
      failures: failed(REFUSED),
    },
  ],
  { status: 'completed_with_errors' },
);

export const CENSUS: readonly ServiceCensus[] = [
  census('audio-transcriber', 3, { jobs: 15, queued: 3, inFlight: 1, models: 3 }, [
    ['Uploads', 'uploads', 'files', 23, 152_253_235],
    ['Transcriptions', 'transcriptions', 'files', 20, 1_048_576],
    ['Temp', 'temp', 'files', 6, 0],
    ['Models', 'models', 'models', 3, 1_571_816_243],
  ]),
  census('audio-normalization', 2, { jobs: 1204, queued: 12, inFlight: 0, models: 0 }, [
    ['Uploads', 'uploads', 'files', 1700, 4_876_543_210],
    ['Processed', 'processed', 'files', 1711, 5_000_000_000],
    ['Temp', 'temp', 'files', 0, 0],
  ]),
  {
    ...census('video-downloader', 1, { jobs: 0, queued: 0, inFlight: 0, models: 0 }, [
      ['Cache', 'cache', 'files', 8, 4_194_304],
      ['Downloads', 'downloads', 'files', 0, 0],
      ['Temp', 'temp', 'files', 0, 0],
    ]),
    unknown: ['jobs', 'queue'],
    failures: failed(REFUSED),
  },
];

function census(
  name: string,
  db: number,
  counts: { jobs: number; queued: number; inFlight: number; models: number },
  directories: readonly [string, string, 'files' | 'models', number, number][],
): ServiceCensus {
  const sum = (kind: 'files' | 'models'): number =>
    directories.reduce((total, [, , own, files]) => total + (own === kind ? files : 0), 0);
  return {
    name,
    jobs: counts.jobs,
    jobsKept: 0,
    results: counts.jobs,
    indexKeys: 0,
    tasks: { queued: counts.queued, inFlight: counts.inFlight },
    workers: NO_WORKERS,
    files: sum('files'),
    models: sum('models'),
    bytes: directories.reduce((total, [, , , , bytes]) => total + bytes, 0),
    directories: directories.map(([title, path, kind, files, bytes]) => ({
      name: title,
      path: `/srv/media/services/${name}/${path}`,
      kind,
      files,
      bytes,
      subdirectories: 0,
      inodes: files,
    })),
    redis: `127.0.0.1:6379/${db}`,
    broker: `127.0.0.1:6379/${db}`,
    unknown: [],
    notConfigured: [],
    failures: NO_FAILURES,
    warnings: [],
  };
}

/** Interrupted among the files of the first service. */
export const INTERRUPTED = reportOf(
  [
    { ...TRANSCRIBER, verified: false, modelsDeleted: 0, notBegun: ['models'] },
    {
      ...emptyService('video-downloader'),
      verified: false,
      notBegun: KINDS,
      remaining: { ...NONE, jobs: 5 },
    },
  ],
  { status: 'interrupted' },
);
