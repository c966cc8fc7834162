import { lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../errors.ts';
import type { Run, RunRecord } from '../report/run-types.ts';
import { cleanupId, isCleanupId } from './cleanup-id.ts';
import {
  appendToOwnFile,
  readOwnFile,
  removeFile,
  touchOwnFile,
  writeOwnFile,
} from './own-file.ts';
import { stillRuns } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';
import { makePrivateDirectory } from './state-directory.ts';
import { storedProgress, storedRun } from './stored-run.ts';

/**
 * The runs so far, each a directory of its own: `run.json`, `progress.json`, `report.json`,
 * `log.jsonl`, and `output` of a process in the background. Files 0600, directories 0700.
 */

/** Older ones that have ended are removed. */
const KEPT = 50;
const FILES = ['run.json', 'progress.json', 'report.json', 'log.jsonl', 'output'] as const;
export type RunFile = (typeof FILES)[number];

/** Of a run that goes on while others ask for an id, each takes the next second. */
const MOST_SECONDS = 1000;

export function runsDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'runs');
}

/**
 * Makes the directory of a new run, whose name nobody else has: of the starting second, or of the
 * next one that is free. @throws the system error.
 */
export function claimRun(stateDirectory: string, startedAt: Date): string {
  const runs = makePrivateDirectory(stateDirectory, 'runs');
  for (let second = 0; second < MOST_SECONDS; second += 1) {
    const id = cleanupId(new Date(startedAt.getTime() + second * 1000));
    try {
      mkdirSync(join(runs, id), { mode: 0o700 });
      return id;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  }
  throw Object.assign(new Error('No id is free'), { code: 'EEXIST' });
}

/** Whole or not at all. @throws the system error. */
export function writeRunFile(
  stateDirectory: string,
  id: string,
  name: RunFile,
  text: string,
): void {
  const file = join(runsDirectory(stateDirectory), id, name);
  const temporary = `${file}.new`;
  writeOwnFile(temporary, text);
  renameSync(temporary, file);
}

/** @throws the system error. */
export function appendRunFile(
  stateDirectory: string,
  id: string,
  name: RunFile,
  text: string,
): void {
  appendToOwnFile(join(runsDirectory(stateDirectory), id, name), text);
}

/** A sign that the run goes on, for those who cannot see its process. @throws the system error. */
export function touchRun(stateDirectory: string, id: string): void {
  const name: RunFile = 'run.json';
  touchOwnFile(join(runsDirectory(stateDirectory), id, name));
}

export function recordText(record: RunRecord, process: ProcessIdentity): string {
  return `${JSON.stringify({ ...record, process }, null, 2)}\n`;
}

/** Undefined when there is none. @throws the system error of one that cannot be read. */
export function readRunFile(stateDirectory: string, id: string, name: RunFile): string | undefined {
  try {
    return readOwnFile(join(runsDirectory(stateDirectory), id, name)).text;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

/**
 * Newest first; without those that nothing can be told of. @throws the system error of a directory
 * that cannot be read.
 */
export function readRuns(stateDirectory: string): readonly Run[] {
  return runIds(stateDirectory)
    .map((id) => readable(stateDirectory, id))
    .filter((run) => run !== undefined)
    .toSorted((a, b) => b.record.startedAt.getTime() - a.record.startedAt.getTime());
}

/**
 * Undefined: no such run, or one of which nothing was written yet, or whose file is spoilt.
 * @throws the system error.
 */
export function readRun(stateDirectory: string, id: string): Run | undefined {
  const stored = storedRun(readRunFile(stateDirectory, id, 'run.json'), id);
  if (stored === undefined) return undefined;
  const { record, process } = stored;
  return {
    record,
    isAlive: record.status === 'processing' ? isThere(stateDirectory, id, process) : false,
    progress: storedProgress(readRunFile(stateDirectory, id, 'progress.json')),
  };
}

/** One that is in the way of none of the others. */
function readable(stateDirectory: string, id: string): Run | undefined {
  try {
    return readRun(stateDirectory, id);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}

/** The id of a run that was not started yet has an empty directory. */
export function runIds(stateDirectory: string): readonly string[] {
  try {
    return readdirSync(runsDirectory(stateDirectory)).filter(isCleanupId).toSorted().toReversed();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Removes all but the newest of those that have ended. */
export function pruneRuns(stateDirectory: string): void {
  const old = runIds(stateDirectory).slice(KEPT);
  for (const id of old) {
    const run = readable(stateDirectory, id);
    const directory = join(runsDirectory(stateDirectory), id);
    const goesOn = run === undefined ? isFresh(directory) : run.isAlive !== false;
    if (!goesOn) removeRun(directory);
  }
}

/** So long after its last sign a run whose process cannot be seen is taken for dead. */
const SILENT_MS = 90_000;

function isThere(
  stateDirectory: string,
  id: string,
  process: ProcessIdentity,
): boolean | undefined {
  const seen = stillRuns(process);
  if (seen !== undefined) return seen;
  return Date.now() - lastSign(stateDirectory, id) < SILENT_MS ? undefined : false;
}

function lastSign(stateDirectory: string, id: string): number {
  const directory = join(runsDirectory(stateDirectory), id);
  return Math.max(0, ...FILES.map((name) => modifiedAt(join(directory, name))));
}

function modifiedAt(path: string): number {
  try {
    return lstatSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

function isFresh(directory: string): boolean {
  return Date.now() - modifiedAt(directory) < SILENT_MS;
}

/** Only what we have written ourselves: anything else in there stays, and the directory with it. */
function removeRun(directory: string): void {
  try {
    if (!lstatSync(directory).isDirectory()) return;
    for (const name of FILES) {
      for (const file of [join(directory, name), join(directory, `${name}.new`)]) removeFile(file);
    }
    rmdirSync(directory);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}
