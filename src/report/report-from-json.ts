import type { reportJson } from './json.ts';
import { KINDS } from './types.ts';
import type { Kind, ServiceReport, WipeReport } from './types.ts';

export type ReportDocument = ReturnType<typeof reportJson>;

/** What `reportJson` has written, read back. @param kinds which the document does not tell. */
export function reportFromJson(document: ReportDocument, kinds: readonly Kind[]): WipeReport {
  const services = Object.entries(document.services).map(([name, one]) => serviceOf(name, one));
  const ofServices = services.reduce((sum, { warnings }) => sum + warnings.length, 0);
  return {
    cleanupId: document.cleanup_id,
    status: document.status,
    dryRun: document.dry_run,
    kinds,
    olderThan: document.older_than_s === undefined ? undefined : document.older_than_s * 1000,
    startedAt: new Date(document.started_at),
    finishedAt: new Date(document.finished_at),
    services,
    fileSystems: document.file_systems.map((one) => ({
      mount: one.mount,
      type: one.type,
      bytesFreed: one.bytes_freed,
      inodesFreed: one.inodes_freed,
      bytesHeldOpen: one.bytes_held_open,
      freeBefore: { bytes: one.free_bytes_before, inodes: one.free_inodes_before },
      freeAfter: { bytes: one.free_bytes_after, inodes: one.free_inodes_after },
      note: one.note ?? undefined,
    })),
    redisServers: document.redis_servers.map((one) => ({
      server: one.server,
      services: one.services,
      removed: one.items_removed,
      usedBefore: one.used_memory_before,
      usedAfter: one.used_memory_after ?? undefined,
      isStillFreeing: one.still_freeing,
      onDisk: one.on_disk,
    })),
    warnings: document.warnings.slice(0, Math.max(0, document.warnings.length - ofServices)),
  };
}

function serviceOf(name: string, one: ReportDocument['services'][string]): ServiceReport {
  // Reports of earlier versions lack some fields.
  const older: Partial<typeof one> = one;
  const { remaining } = one;
  return {
    name,
    redis: older.redis ?? undefined,
    jobsRemoved: one.jobs_removed,
    resultsRemoved: one.results_removed,
    indexKeysRemoved: older.index_keys_removed ?? 0,
    unknown: older.unknown ?? [],
    notConfigured: older.not_configured ?? [],
    tasksPurged: { queued: one.tasks_purged.queued, inFlight: one.tasks_purged.in_flight },
    tasksCancelled: one.tasks_cancelled,
    cameBack: one.came_back,
    filesDeleted: one.files_deleted,
    modelsDeleted: one.models_deleted,
    bytesFreed: one.bytes_freed,
    bytesHeldOpen: one.bytes_held_open,
    verified: one.verified,
    remaining: {
      jobs: remaining.jobs ?? 0,
      tasks: remaining.tasks ?? 0,
      files: remaining.files ?? 0,
      models: remaining.models ?? 0,
    },
    unseen: KINDS.filter((kind) => remaining[kind === 'queue' ? 'tasks' : kind] === null),
    notBegun: one.not_begun ?? [],
    failures: { first: one.failures, total: one.failures.length + (one.failures_omitted ?? 0) },
    warnings: one.warnings,
    directories: one.directories.map((directory) => ({
      name: directory.name,
      path: directory.path,
      kind: directory.kind,
      deleted: directory.deleted,
      bytesFreed: directory.bytes_freed,
      inodesFreed: directory.inodes_freed,
      bytesHeldOpen: directory.bytes_held_open,
    })),
  };
}
