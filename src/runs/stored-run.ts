import type { Removed, RunProgress, RunRecord } from '../report/run-types.ts';
import type { ProcessIdentity } from './process-identity.ts';

/** Reads back what was stored of a run. A file that a crash or somebody has spoilt counts as none. */

export interface StoredRun {
  readonly record: RunRecord;
  readonly process: ProcessIdentity;
}

export function storedRun(text: string | undefined, cleanupId: string): StoredRun | undefined {
  const found = parse(text);
  const { process, ...record } = found;
  const finishedAt = record['finishedAt'] === undefined ? undefined : dateOf(record['finishedAt']);
  const startedAt = dateOf(record['startedAt']);
  const isWhole =
    hasAll(record, 'string', ['status', 'configFile', 'user', 'host']) &&
    hasAll(record, 'number', ['pid', 'errors']) &&
    [record['targets'], record['kinds']].every(Array.isArray) &&
    isRemoved(record['removed']) &&
    hasAll(process, 'number', ['pid']) &&
    hasAll(process, 'string', ['started', 'realm', 'host']) &&
    (finishedAt !== undefined) === (record['finishedAt'] !== undefined);
  if (!isWhole || startedAt === undefined) return undefined;
  return {
    record: { ...(record as unknown as RunRecord), cleanupId, startedAt, finishedAt },
    process: process as ProcessIdentity,
  };
}

export function storedProgress(text: string | undefined): RunProgress | undefined {
  const found = parse(text);
  const stepStartedAt = dateOf(found['stepStartedAt']);
  const updatedAt = dateOf(found['updatedAt']);
  const isWhole =
    hasAll(found, 'string', ['service', 'step']) &&
    hasAll(found, 'number', ['done', 'bytes']) &&
    isRemoved(found['removed']);
  if (!isWhole || stepStartedAt === undefined || updatedAt === undefined) return undefined;
  return { ...(found as unknown as RunProgress), stepStartedAt, updatedAt };
}

function isRemoved(value: unknown): value is Removed {
  return hasAll(value, 'number', ['jobs', 'tasks', 'files', 'models', 'bytes']);
}

function hasAll(value: unknown, type: 'string' | 'number', names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === type);
}

function dateOf(value: unknown): Date | undefined {
  const date = new Date(typeof value === 'string' ? value : Number.NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function parse(text: string | undefined): Readonly<Record<string, unknown>> {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? { ...value } : {};
  } catch {
    return {};
  }
}
