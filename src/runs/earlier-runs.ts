import { asRecord } from '../celery/message.ts';
import { whyForeign } from '../outputs/safe-place.ts';
import { readRunFile, runIds } from './history.ts';

/** What the kept reports tell of earlier runs. */
export interface EarlierRuns {
  /** The newest run that deleted something in a directory; undefined: none is known. */
  filesIn(path: string): EarlierWipe | undefined;
  /** Whether a verified run removed jobs of the service from a database, by its `host:port/db`. */
  removedJobs(service: string, database: string): boolean;
}

export interface EarlierWipe {
  readonly cleanupId: string;
  readonly deleted: number;
}

export const NO_EARLIER_RUNS: EarlierRuns = {
  filesIn: () => undefined,
  removedJobs: () => false,
};

interface Known {
  readonly files: Map<string, EarlierWipe>;
  readonly jobs: Set<string>;
}

/**
 * Reads the kept reports when it is first asked. What cannot be read is no evidence: then nothing is
 * known of earlier runs.
 */
export function earlierRuns(stateDirectory: string): EarlierRuns {
  let known: Known | undefined;
  const all = (): Known => (known ??= readReports(stateDirectory));
  return {
    filesIn: (path) => all().files.get(path),
    removedJobs: (service, database) => all().jobs.has(JSON.stringify([service, database])),
  };
}

function readReports(stateDirectory: string): Known {
  const known: Known = { files: new Map(), jobs: new Set() };
  // What others could have written there is no evidence.
  if (whyForeign(stateDirectory) !== undefined) return known;
  for (const cleanupId of orNothing(() => runIds(stateDirectory)) ?? []) {
    const text = orNothing(() => readRunFile(stateDirectory, cleanupId, 'report.json'));
    const report = text === undefined ? undefined : orNothing(() => JSON.parse(text) as unknown);
    const services = asRecord(asRecord(report)?.['services']) ?? {};
    for (const [name, value] of Object.entries(services)) {
      const { directories, jobs_removed: jobs, redis, verified } = asRecord(value) ?? {};
      const isProven = typeof jobs === 'number' && jobs > 0 && verified === true;
      if (isProven) known.jobs.add(JSON.stringify([name, redis]));
      for (const directory of Array.isArray(directories) ? (directories as unknown[]) : []) {
        const { path, deleted } = asRecord(directory) ?? {};
        if (typeof path !== 'string' || typeof deleted !== 'number' || deleted <= 0) continue;
        if (!known.files.has(path)) known.files.set(path, { cleanupId, deleted });
      }
    }
  }
  return known;
}

/** A directory of another user, or a file that somebody has spoilt. */
function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
