import { NO_WORKERS, NOTHING_LEFT } from './types.ts';
import type { Kind, ServiceCensus, ServiceReport, WipeReport } from './types.ts';
import { tasksInHand } from './workers-text.ts';

/** The dry run's report: what would be removed, and all of it still there. */
export function plannedReport(
  run: {
    readonly cleanupId: string;
    readonly kinds: readonly Kind[];
    readonly olderThan: number | undefined;
    readonly cancelRunning: boolean;
    readonly startedAt: Date;
    readonly finishedAt: Date;
  },
  services: readonly ServiceCensus[],
): WipeReport {
  return {
    cleanupId: run.cleanupId,
    status: 'planned',
    dryRun: true,
    kinds: run.kinds,
    olderThan: run.olderThan,
    startedAt: run.startedAt,
    finishedAt: run.finishedAt,
    services: services.map((service) => plannedService(chosenOf(service, run.kinds), run)),
    fileSystems: [],
    redisServers: [],
    warnings: [],
  };
}

/** The part of a census that these kinds would remove. */
export function chosenOf(census: ServiceCensus, kinds: readonly Kind[]): ServiceCensus {
  const both = kinds.includes('files') && kinds.includes('models');
  const directories = census.directories.filter((directory) => kinds.includes(directory.kind));
  return {
    ...census,
    workers: kinds.includes('queue') ? census.workers : NO_WORKERS,
    jobs: kinds.includes('jobs') ? census.jobs : 0,
    indexKeys: kinds.includes('jobs') ? census.indexKeys : 0,
    tasks: kinds.includes('queue') ? census.tasks : { queued: 0, inFlight: 0 },
    files: kinds.includes('files') ? census.files : 0,
    models: kinds.includes('models') ? census.models : 0,
    // A file with names in two directories counts once in the census, and in each directory.
    bytes: both ? census.bytes : directories.reduce((sum, directory) => sum + directory.bytes, 0),
    directories,
  };
}

function plannedService(
  census: ServiceCensus,
  run: { readonly cancelRunning: boolean },
): ServiceReport {
  return {
    name: census.name,
    redis: census.redis,
    jobsRemoved: census.jobs,
    resultsRemoved: census.results,
    indexKeysRemoved: census.indexKeys,
    unknown: census.unknown,
    notConfigured: census.notConfigured,
    tasksPurged: census.tasks,
    tasksCancelled: run.cancelRunning ? tasksInHand(census.workers) : 0,
    cameBack: NOTHING_LEFT,
    filesDeleted: census.files,
    modelsDeleted: census.models,
    bytesFreed: census.bytes,
    bytesHeldOpen: 0,
    verified: false,
    remaining: {
      jobs: census.jobs,
      tasks: census.tasks.queued + census.tasks.inFlight,
      files: census.files,
      models: census.models,
    },
    unseen: census.unknown,
    notBegun: [],
    failures: census.failures,
    warnings: census.warnings,
    directories: census.directories.map((directory) => ({
      name: directory.name,
      path: directory.path,
      kind: directory.kind,
      deleted: directory.files,
      bytesFreed: directory.bytes,
      inodesFreed: directory.inodes,
      bytesHeldOpen: 0,
    })),
  };
}
