import type { CannotStart, StopReason } from '../errors.ts';
import { errorLine, errorLines, joinFailures, withCount } from './failures.ts';
import { megabytes, reportMessage, totalsOf } from './totals.ts';
import { worst } from './diagnosis.ts';
import type { Diagnosis } from './diagnosis.ts';
import { MAX_LISTED } from './types.ts';
import type {
  ServiceCensus,
  Kind,
  ServiceReport,
  TaskCensus,
  WipeReport,
  Workers,
} from './types.ts';

/** The JSON documents of the contract, section 4: names and order of the fields are exact. */

export function reportJson(report: WipeReport) {
  const totals = totalsOf(report.services);
  const failures = joinFailures(report.services.map((service) => service.failures));
  const warnings = [...report.warnings, ...report.services.flatMap((service) => service.warnings)];
  return {
    version: 1,
    cleanup_id: report.cleanupId,
    status: report.status,
    message: reportMessage(report),
    dry_run: report.dryRun,
    ...(report.olderThan === undefined ? {} : { older_than_s: report.olderThan / 1000 }),
    started_at: report.startedAt.toISOString(),
    finished_at: report.finishedAt.toISOString(),
    duration_ms: report.finishedAt.getTime() - report.startedAt.getTime(),
    jobs_removed: totals.jobsRemoved,
    tasks_purged: totals.tasksQueued + totals.tasksInFlight,
    tasks_cancelled: totals.tasksCancelled,
    files_deleted: totals.filesDeleted,
    models_deleted: totals.modelsDeleted,
    space_freed_mb: megabytes(totals.bytesFreed),
    verified: totals.verified && !report.dryRun,
    errors: withCount(failures.first.map(errorLine), totals.errors, 'error'),
    warnings: withCount(warnings, warnings.length, 'warning'),
    services: Object.fromEntries(
      report.services.map((service) => [service.name, serviceJson(service)]),
    ),
    file_systems: report.fileSystems.map((one) => ({
      mount: one.mount,
      type: one.type,
      bytes_freed: one.bytesFreed,
      inodes_freed: one.inodesFreed,
      bytes_held_open: one.bytesHeldOpen,
      free_bytes_before: one.freeBefore.bytes,
      free_bytes_after: one.freeAfter.bytes,
      free_inodes_before: one.freeBefore.inodes,
      free_inodes_after: one.freeAfter.inodes,
      note: one.note ?? null,
    })),
    redis_servers: report.redisServers.map((one) => ({
      server: one.server,
      services: one.services,
      items_removed: one.removed,
      used_memory_before: one.usedBefore,
      used_memory_after: one.usedAfter ?? null,
      memory_freed_bytes: one.usedAfter === undefined ? null : one.usedBefore - one.usedAfter,
      still_freeing: one.isStillFreeing,
      on_disk: one.onDisk,
    })),
  };
}

function serviceJson(service: ServiceReport) {
  const { failures } = service;
  return {
    redis: service.redis ?? null,
    jobs_removed: service.jobsRemoved,
    results_removed: service.resultsRemoved,
    index_keys_removed: service.indexKeysRemoved,
    tasks_purged: { queued: service.tasksPurged.queued, in_flight: service.tasksPurged.inFlight },
    tasks_cancelled: service.tasksCancelled,
    files_deleted: service.filesDeleted,
    models_deleted: service.modelsDeleted,
    space_freed_mb: megabytes(service.bytesFreed),
    bytes_freed: service.bytesFreed,
    bytes_held_open: service.bytesHeldOpen,
    verified: service.verified,
    unknown: service.unknown,
    not_configured: service.notConfigured,
    remaining: remainingJson(service),
    errors: errorLines(failures),
    warnings: withCount(service.warnings, service.warnings.length, 'warning'),
    failures: failures.first.map(({ target, item, code, reason, hint }) => ({
      target,
      item,
      code,
      reason,
      hint,
    })),
    ...(failures.total > failures.first.length
      ? { failures_omitted: failures.total - failures.first.length }
      : {}),
    directories: service.directories.map((directory) => ({
      name: directory.name,
      path: directory.path,
      kind: directory.kind,
      deleted: directory.deleted,
      bytes_freed: directory.bytesFreed,
      inodes_freed: directory.inodesFreed,
      bytes_held_open: directory.bytesHeldOpen,
    })),
    came_back: { ...service.cameBack },
    inodes_freed: service.directories.reduce((sum, one) => sum + one.inodesFreed, 0),
    ...(service.notBegun.length > 0 ? { not_begun: service.notBegun } : {}),
  };
}

/** null: none was found, and not everything could be looked at. */
function remainingJson({ remaining, unseen }: ServiceReport) {
  const of = (count: number, kind: Kind): number | null =>
    count === 0 && unseen.includes(kind) ? null : count;
  return {
    jobs: of(remaining.jobs, 'jobs'),
    tasks: of(remaining.tasks, 'queue'),
    files: of(remaining.files, 'files'),
    models: of(remaining.models, 'models'),
  };
}

/** The first tasks of each worker are named, all are counted. */
function workersJson(workers: Workers) {
  return {
    listening: workers.listening,
    waiting: workers.waiting ?? null,
    silent: workers.silent,
    silent_names: workers.silentNames,
    trouble: workers.trouble ?? null,
    workers: workers.own.map(({ name, pid, queues, tasks }) => {
      const of = (state: TaskCensus['state']): number =>
        tasks.filter((task) => task.state === state).length;
      return {
        name,
        pid: pid ?? null,
        queues,
        active: of('active'),
        reserved: of('reserved'),
        scheduled: of('scheduled'),
        tasks: tasks.slice(0, MAX_LISTED).map((task) => ({
          id: task.id,
          name: task.name,
          state: task.state,
          pid: task.pid ?? null,
          runtime_s: task.runtimeSeconds === undefined ? null : Math.round(task.runtimeSeconds),
          eta: task.eta ?? null,
        })),
      };
    }),
    held: workers.held.map(({ worker, queue }) => ({ worker, queue })),
  };
}

export function diagnosisJson(diagnosis: Diagnosis) {
  return {
    version: 1,
    status: diagnosis.status,
    config: diagnosis.configFile,
    resumed: diagnosis.resumed.map(({ worker, queue }) => ({ worker, queue })),
    services: Object.fromEntries(
      diagnosis.services.map(({ name, checks, queues, families, census }) => [
        name,
        {
          status: worst(checks),
          checks: checks.map(({ name: check, status, message, hint }) => ({
            check,
            status,
            message,
            hint,
          })),
          tasks: { queued: census.tasks.queued, in_flight: census.tasks.inFlight },
          queues: queues.map(({ name: queue, queued, consumers, held }) => ({
            name: queue,
            queued,
            consumers,
            held,
          })),
          celery: workersJson(census.workers),
          families: families.slice(0, MAX_LISTED).map((family) => ({
            prefix: family.prefix,
            keys: family.keys,
            share: Math.round(family.share * 10_000) / 10_000,
            types: family.types,
            belongs_to: family.belongsTo ?? null,
          })),
        },
      ]),
    ),
  };
}

export function statsJson(services: readonly ServiceCensus[]) {
  return {
    version: 1,
    total_jobs: services.reduce((sum, service) => sum + service.jobs, 0),
    services: Object.fromEntries(
      services.map((service) => [
        service.name,
        {
          total_jobs: service.jobs,
          tasks: { queued: service.tasks.queued, in_flight: service.tasks.inFlight },
          files: service.files,
          models: service.models,
          size_mb: megabytes(service.bytes),
          directories: service.directories.map((directory) => ({
            name: directory.name,
            path: directory.path,
            files: directory.files,
            size_mb: megabytes(directory.bytes),
          })),
          errors: errorLines(service.failures),
          ...(service.warnings.length > 0
            ? { warnings: withCount(service.warnings, service.warnings.length, 'warning') }
            : {}),
          celery: workersJson(service.workers),
        },
      ]),
    ),
  };
}

const STOP_STATUS: Readonly<Record<StopReason, 'refused' | 'declined' | 'locked' | 'interrupted'>> =
  {
    usage: 'refused',
    config: 'refused',
    refused: 'refused',
    declined: 'declined',
    locked: 'locked',
    interrupted: 'interrupted',
    timeout: 'interrupted',
  };

export function stopStatus(error: CannotStart): 'refused' | 'declined' | 'locked' | 'interrupted' {
  return STOP_STATUS[error.stop];
}

export function cannotStartJson(error: CannotStart) {
  return {
    version: 1,
    status: stopStatus(error),
    error: {
      code: error.stop,
      message: error.message,
      problems: error.problems.map(({ path, message }) => ({ path, message })),
    },
  };
}

/**
 * The document as text with a line end. DEL, C1 and bidirectional controls are written `\u009b`:
 * the same JSON, but it cannot command a terminal that it is printed on.
 */
export function jsonText(document: object): string {
  return `${harmlessJson(JSON.stringify(document, null, 2))}\n`;
}

/** The same on one line. */
export function jsonLine(document: object): string {
  return `${harmlessJson(JSON.stringify(document))}\n`;
}

function harmlessJson(text: string): string {
  return text.replace(
    /[\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
