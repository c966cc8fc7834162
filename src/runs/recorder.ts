import { userInfo } from 'node:os';
import { errorCode } from '../errors.ts';
import { userId } from '../files/process-wide.ts';
import { logJson } from '../report/log-line.ts';
import type { LogEntry, Observer, Progress } from '../report/observer.ts';
import { NOTHING_REMOVED } from '../report/run-types.ts';
import type { Removed, RunProgress, RunRecord } from '../report/run-types.ts';
import { appendRunFile, pruneRuns, recordText, touchRun, writeRunFile } from './history.ts';
import { identify } from './process-identity.ts';

/**
 * Writes down a run while it goes on. Nothing that fails here fails the wipe: on a full disk it is
 * tried again with each step, since the wipe makes room.
 */
export interface Recorder extends Observer {
  /** Another process goes on with the run: this one writes no more of it. */
  handOver(pid: number): void;
  /** Of the end; `report` is the JSON document. */
  finish(
    end: Pick<RunRecord, 'status' | 'exitCode' | 'message' | 'removed' | 'errors'>,
    report: string | undefined,
  ): void;
  /** The code of what could not be written; undefined: all is kept. */
  problem(): string | undefined;
}

export interface RecorderOptions {
  readonly stateDirectory: string;
  readonly run: Pick<
    RunRecord,
    'cleanupId' | 'targets' | 'kinds' | 'olderThan' | 'configFile' | 'detached' | 'startedAt'
  >;
  readonly pid: number;
}

const WRITE_EVERY_MS = 500;
/** Steps that tell nothing for minutes are no death: history.ts waits for six of these. */
const SIGN_EVERY_MS = 15_000;
/** A million failures are a million lines: those after this many bytes are left out. */
const MOST_LOG_BYTES = 10 * 2 ** 20;

export function startRecorder({ stateDirectory, run, pid }: RecorderOptions): Recorder {
  const { cleanupId } = run;
  let identity = identify(pid);
  let isOurs = true;
  let problem: string | undefined;
  let removed: () => Removed = () => NOTHING_REMOVED;
  let current: Current | undefined;
  let written = 0;
  let logged = 0;

  const attempt = (write: () => void): boolean => {
    if (!isOurs) return true;
    try {
      write();
      return true;
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined) throw error;
      problem ??= code;
      return false;
    }
  };
  const write = (name: 'run.json' | 'progress.json' | 'report.json', text: string): boolean =>
    attempt(() => {
      writeRunFile(stateDirectory, cleanupId, name, text);
    });
  const record = (end?: Partial<RunRecord>): boolean => {
    const { targets, kinds, olderThan, configFile, detached, startedAt } = run;
    const full: RunRecord = {
      cleanupId,
      status: 'processing',
      targets,
      kinds,
      olderThan,
      configFile,
      detached,
      user: userName(),
      host: identity.host,
      pid: identity.pid,
      startedAt,
      finishedAt: undefined,
      exitCode: undefined,
      message: undefined,
      removed: NOTHING_REMOVED,
      errors: 0,
      ...end,
    };
    return write('run.json', recordText(full, identity));
  };
  const save = (now: number): void => {
    written = now;
    if (current === undefined) return;
    const progress: RunProgress = { ...current, updatedAt: new Date(now), removed: removed() };
    write('progress.json', `${JSON.stringify(progress)}\n`);
  };

  let isRecorded = record();
  prune(stateDirectory);
  const signs = setInterval(() => {
    if (!isRecorded) return;
    attempt(() => {
      touchRun(stateDirectory, cleanupId);
    });
  }, SIGN_EVERY_MS).unref();

  return {
    log(entry) {
      if (entry.level === 'DEBUG') return;
      const now = Date.now();
      const line = logLineOf(entry, now, logged);
      logged += line?.length ?? 0;
      if (line !== undefined) {
        attempt(() => {
          appendRunFile(stateDirectory, cleanupId, 'log.jsonl', line);
        });
      }
      if (!isRecorded) isRecorded = record();
      // What is told of next is another step.
      current = current === undefined ? undefined : { ...current, done: 0, bytes: 0 };
      if (now - written >= WRITE_EVERY_MS) save(now);
    },
    progress(progress) {
      const now = Date.now();
      current = { ...progress, stepStartedAt: sinceWhen(current, progress, now) };
      if (now - written >= WRITE_EVERY_MS) save(now);
    },
    watch(soFar) {
      removed = soFar;
    },
    handOver(other) {
      identity = identify(other);
      record();
      isOurs = false;
      clearInterval(signs);
    },
    finish(end, report) {
      clearInterval(signs);
      problem = undefined;
      if (report !== undefined) write('report.json', report);
      record({ ...end, finishedAt: new Date() });
    },
    problem: () => problem,
  };
}

/** That something old cannot be removed is no fault of this run. */
function prune(stateDirectory: string): void {
  try {
    pruneRuns(stateDirectory);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}

type Current = Progress & { readonly stepStartedAt: Date };

function sinceWhen(current: Current | undefined, next: Progress, now: number): Date {
  const isSame = current?.service === next.service && current.step === next.step;
  return isSame ? current.stepStartedAt : new Date(now);
}

function logLineOf(entry: LogEntry, now: number, logged: number): string | undefined {
  if (logged > MOST_LOG_BYTES) return undefined;
  const line = `${logJson(entry, new Date(now))}\n`;
  if (logged + line.length <= MOST_LOG_BYTES) return line;
  const message = 'The log is full: what follows is not in it';
  return `${logJson({ level: 'WARNING', step: 'log', message }, new Date(now))}\n`;
}

/** A user without a passwd entry has a number alone. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${userId() ?? '?'}`;
  }
}
