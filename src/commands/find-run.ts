import { CannotStart, errorCode } from '../errors.ts';
import type { ReportDocument } from '../report/report-from-json.ts';
import type { Run } from '../report/run-types.ts';
import { systemReason } from '../report/system-reason.ts';
import { readRun, readRunFile, readRuns, runIds } from '../runs/history.ts';
import { isCleanupId } from '../runs/cleanup-id.ts';

/** Looks into the runs that are kept. Each throws CannotStart('usage') when it may not. */

export function allRuns(stateDirectory: string): readonly Run[] {
  return readable(stateDirectory, () => readRuns(stateDirectory));
}

/** @param id undefined: the newest. */
export function findRun(stateDirectory: string, id: string | undefined): Run {
  const run = readable(stateDirectory, () => {
    if (id === undefined) return readRuns(stateDirectory)[0];
    return isCleanupId(id) ? readRun(stateDirectory, id) : undefined;
  });
  if (run !== undefined) return run;
  const ids = readable(stateDirectory, () => runIds(stateDirectory));
  if (id !== undefined && ids.includes(id)) {
    const message = `Of the run ${id} in ${stateDirectory} nothing can be told: its run.json is missing or spoilt.`;
    throw new CannotStart('usage', message);
  }
  const [newest] = ids;
  const known = newest === undefined ? 'there are none' : `the newest is ${newest}`;
  const name = id === undefined ? 'No run' : `No run ${JSON.stringify(id)}`;
  throw new CannotStart('usage', `${name} is kept in ${stateDirectory}: ${known}.`);
}

export function readReport(stateDirectory: string, { record }: Run): ReportDocument | undefined {
  const text = readable(stateDirectory, () =>
    readRunFile(stateDirectory, record.cleanupId, 'report.json'),
  );
  if (text === undefined) return undefined;
  try {
    const document: unknown = JSON.parse(text);
    // Of a run that could not start there is no report.
    return isReport(document) ? document : undefined;
  } catch {
    return undefined;
  }
}

/** As far as what somebody has spoilt could be in the way of whoever shows it. */
function isReport(document: unknown): document is ReportDocument {
  if (!isObject(document) || !isObject(document['services'])) return false;
  return (
    ['file_systems', 'redis_servers', 'warnings'].every((name) => Array.isArray(document[name])) &&
    Object.values(document['services']).every(
      (service) =>
        isObject(service) &&
        ['failures', 'warnings', 'directories'].every((name) => Array.isArray(service[name])) &&
        ['tasks_purged', 'remaining', 'came_back'].every((name) => isObject(service[name])),
    )
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** What its process wrote when nothing else could be told. */
export function readOutput(stateDirectory: string, { record }: Run): string | undefined {
  return readable(stateDirectory, () => readRunFile(stateDirectory, record.cleanupId, 'output'));
}

/** The lines of its log from a byte on, and the byte that follows them. */
export function readLog(stateDirectory: string, { record }: Run): string {
  return (
    readable(stateDirectory, () => readRunFile(stateDirectory, record.cleanupId, 'log.jsonl')) ?? ''
  );
}

function readable<T>(stateDirectory: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    const message = `The runs in ${stateDirectory} cannot be read: ${systemReason(code)}. They are their owner's alone: ask as that user, or with sudo.`;
    throw new CannotStart('usage', message, [], error);
  }
}
