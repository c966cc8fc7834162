import type { ReportDocument } from './report-from-json.ts';
import { statusOf } from './run-types.ts';
import type { Run } from './run-types.ts';
import { megabytes } from './totals.ts';

/** Runs as JSON: `status --json`. */

export function runsJson(runs: readonly Run[]) {
  return { version: 1, runs: runs.map(runJson) };
}

export function oneRunJson(run: Run, report: ReportDocument | undefined) {
  return { version: 1, ...runJson(run), report: report ?? null };
}

function runJson(run: Run) {
  const { record, progress, isAlive } = run;
  const isRunning = statusOf(run) === 'processing';
  const removed =
    record.finishedAt === undefined ? (progress?.removed ?? record.removed) : record.removed;
  return {
    cleanup_id: record.cleanupId,
    status: statusOf(run),
    message: record.message ?? null,
    targets: record.targets,
    kinds: record.kinds,
    config: record.configFile,
    detached: record.detached,
    user: record.user,
    host: record.host,
    pid: record.pid,
    process: !isRunning ? 'gone' : isAlive === undefined ? 'unseen' : 'running',
    started_at: record.startedAt.toISOString(),
    finished_at: record.finishedAt?.toISOString() ?? null,
    duration_ms:
      record.finishedAt === undefined
        ? null
        : record.finishedAt.getTime() - record.startedAt.getTime(),
    exit_code: record.exitCode ?? null,
    jobs_removed: removed.jobs,
    tasks_purged: removed.tasks,
    files_deleted: removed.files,
    models_deleted: removed.models,
    space_freed_mb: megabytes(removed.bytes),
    errors: record.errors,
    progress:
      !isRunning || progress === undefined
        ? null
        : {
            service: progress.service,
            step: progress.step,
            done: progress.done,
            bytes: progress.bytes,
            step_started_at: progress.stepStartedAt.toISOString(),
            updated_at: progress.updatedAt.toISOString(),
          },
  };
}
