import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { WipeRequest } from '../commands/request.ts';
import { notKeptWarning } from '../commands/run-warnings.ts';
import type { Surroundings } from '../commands/surroundings.ts';
import type { BegunRun, Handover, RunStart } from '../commands/wipe.ts';
import { errorCode, EXIT_CODE } from '../errors.ts';
import type { CannotStart } from '../errors.ts';
import type { LogFile } from '../outputs/log-file.ts';
import type { Ping } from '../outputs/ping.ts';
import { logJson, logLine } from '../report/log-line.ts';
import type { LogEntry, Observer } from '../report/observer.ts';
import { NOTHING_REMOVED } from '../report/run-types.ts';
import type { Removed, RunRecord } from '../report/run-types.ts';
import { systemReason } from '../report/system-reason.ts';
import { totalsOf } from '../report/totals.ts';
import type { WipeReport } from '../report/types.ts';
import { openOutput, startBackground } from '../runs/background.ts';
import { cleanupId } from '../runs/cleanup-id.ts';
import { claimRun } from '../runs/history.ts';
import { startRecorder } from '../runs/recorder.ts';
import type { Recorder } from '../runs/recorder.ts';

/**
 * Where a wipe tells of itself besides its terminal: history, log file, report file, metrics, ping.
 * What fails of these is a warning, never a failed wipe.
 */
export interface RunOutputs {
  readonly observer: Observer;
  begin(start: RunStart): BegunRun;
  /** @param started is told the pid, before that process does anything. */
  detach(handover: Handover, started: (pid: number) => void): Promise<void>;
  /** Writes what the report is written to. @returns warnings. */
  finish(end: RunEnd): Promise<readonly string[]>;
  /** Tells whoever waits for a ping, the last thing of all. @returns a warning. */
  ping(exitCode: number, body: () => Promise<string> | string): Promise<string | undefined>;
  /** The process ends now: what can be noted at once. */
  abandon(exitCode: number, message: string): void;
}

/** How a run ended: with a report, or before anything was touched. */
export type RunEnd =
  | {
      readonly report: WipeReport;
      readonly exitCode: number;
      readonly message: string;
      readonly json: string;
      /** For the report file: made only when there is one. */
      readonly text: () => Promise<string>;
    }
  | {
      readonly error: CannotStart;
      readonly status: RunRecord['status'];
      readonly exitCode: number;
      readonly json: string;
    };

export async function openOutputs(
  request: WipeRequest,
  surroundings: Surroundings,
  stateDirectory: string,
  handover: Handover | undefined,
  hurry: AbortSignal,
): Promise<RunOutputs> {
  const { outputs, dryRun } = request;
  const { pid, workingDirectory, interpreter, argv } = surroundings;
  const startedAt = new Date();
  const fileAt = (file: string): string => resolve(workingDirectory, file);
  // Opened with the first line, which comes after the guards.
  const openLog = await logOpener(outputs.logFile && fileAt(outputs.logFile));
  let logFile: LogFile | undefined;
  let recorder: Recorder | undefined;
  let ping: Ping | undefined;
  let removed: () => Removed = () => NOTHING_REMOVED;
  let detached = false;
  let hasEnded = false;

  const writeLine = (entry: LogEntry): void => {
    const now = new Date();
    logFile ??= openLog?.();
    logFile?.write(outputs.logFormat === 'json' ? logJson(entry, now) : logLine(entry, now));
  };
  const observer: Observer = {
    log(entry) {
      recorder?.log(entry);
      if (entry.level !== 'DEBUG' || request.verbose) writeLine(entry);
    },
    progress(progress) {
      recorder?.progress(progress);
    },
    watch(soFar) {
      removed = soFar;
      recorder?.watch?.(soFar);
    },
    ...(openLog === undefined || !request.verbose
      ? {}
      : {
          item: (service: string, step: string, name: string) => {
            const message = `${service}: ${step}: ${name}`;
            writeLine({ level: 'DEBUG', service, step, message });
          },
        }),
  };
  return {
    observer,
    begin(start) {
      let id: string;
      let problem: string | undefined;
      try {
        id = handover?.cleanupId ?? claimRun(stateDirectory, start.startedAt);
      } catch (error) {
        problem = errorCode(error);
        if (problem === undefined) throw error;
        id = cleanupId(start.startedAt);
      }
      if (problem === undefined) {
        const { targets, kinds, olderThan, detach } = request;
        const isDetached = detach || handover !== undefined;
        const { configFile } = start;
        const run = { cleanupId: id, targets, kinds, olderThan, configFile, detached: isDetached };
        recorder = startRecorder({
          stateDirectory,
          run: { ...run, startedAt: start.startedAt },
          pid,
        });
      }
      if (!request.detach) void startPing();
      // What the recorder could not write yet it tries again.
      return { cleanupId: id, problem };
    },
    async detach(over, started) {
      await startBackground({
        interpreter,
        program: surroundings.program,
        // Before the rest, which may hold `--`.
        args: ['--background', '--yes', ...argv],
        workingDirectory,
        handover: over,
        output: recorder === undefined ? 'ignore' : openOutput(stateDirectory, over.cleanupId),
        started: (child) => {
          detached = true;
          recorder?.handOver(child);
          started(child);
        },
      });
    },
    async finish(end) {
      hasEnded = true;
      const warnings: string[] = [];
      if ('error' in end) {
        const { status, exitCode, error, json } = end;
        recorder?.finish(
          { status, exitCode, message: error.message, removed: removed(), errors: 1 },
          json,
        );
      } else {
        const { report, exitCode, message, json } = end;
        const errors = totalsOf(report.services).errors;
        const { status } = report;
        recorder?.finish({ status, exitCode, message, removed: removedIn(report), errors }, json);
      }
      const kept = recorder?.problem();
      if (kept !== undefined) warnings.push(notKeptWarning(kept, stateDirectory));
      await warned('--report-file', warnings, async () => {
        if (outputs.reportFile === undefined || isRefused('--report-file', end)) return;
        const { writeAtomically } = await import('../outputs/atomic-file.ts');
        await writeAtomically(
          fileAt(outputs.reportFile),
          'text' in end ? await end.text() : end.json,
          0o600,
        );
      });
      await warned('--metrics-file', warnings, async () => {
        if (outputs.metricsFile === undefined || dryRun) return;
        if (isRefused('--metrics-file', end)) return;
        const { writeMetrics } = await import('../outputs/metrics-file.ts');
        await writeMetrics(fileAt(outputs.metricsFile), {
          startedAt,
          finishedAt: new Date(),
          exitCode: end.exitCode,
          services: 'report' in end ? end.report.services : undefined,
        });
      });
      const lost = logFile?.problem();
      if (lost !== undefined) warnings.push(`--log-file: ${lost}`);
      return warnings;
    },
    async ping(exitCode, body) {
      // Of a run that was refused before it began nobody has heard.
      await startPing();
      return ping && (await ping.finish(exitCode, await body()));
    },
    abandon(exitCode, message) {
      if (detached || hasEnded) return;
      const status = exitCode === EXIT_CODE.failed ? 'failed' : 'interrupted';
      recorder?.finish({ status, exitCode, message, removed: removed(), errors: 0 }, undefined);
    },
  };

  async function startPing(): Promise<void> {
    if (outputs.pingUrl === undefined || dryRun || ping !== undefined) return;
    const { createPing } = await import('../outputs/ping.ts');
    ping ??= createPing({ url: outputs.pingUrl.href, runId: randomUUID(), hurry });
    ping.start();
  }
}

async function logOpener(file: string | undefined): Promise<(() => LogFile) | undefined> {
  if (file === undefined) return undefined;
  const { openLogFile } = await import('../outputs/log-file.ts');
  return () => openLogFile(file);
}

/** The guards have said of this very place that it lies in what is emptied. */
function isRefused(flag: string, end: RunEnd): boolean {
  return 'error' in end && end.error.problems.some(({ message }) => message.includes(`${flag} (`));
}

async function warned(flag: string, warnings: string[], write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    warnings.push(`${flag} could not be written: ${systemReason(code)} (${code})`);
  }
}

function removedIn({ services }: WipeReport): Removed {
  const totals = totalsOf(services);
  return {
    jobs: totals.jobsRemoved,
    tasks: totals.tasksQueued + totals.tasksInFlight,
    files: totals.filesDeleted,
    models: totals.modelsDeleted,
    bytes: totals.bytesFreed,
  };
}
