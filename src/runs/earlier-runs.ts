import { asRecord } from '../celery/message.ts';
import { readRunFile, runIds } from './history.ts';

/** A run that deleted something in a directory. */
export interface EarlierWipe {
  readonly cleanupId: string;
  readonly deleted: number;
}

/** The newest of the kept runs that deleted files below a path; undefined: none is known. */
export type EarlierWipes = (path: string) => EarlierWipe | undefined;

/**
 * Reads the kept reports when it is first asked. What cannot be read is no evidence: then nothing is
 * known of earlier runs.
 */
export function earlierWipes(stateDirectory: string): EarlierWipes {
  let known: ReadonlyMap<string, EarlierWipe> | undefined;
  return (path) => (known ??= readWipes(stateDirectory)).get(path);
}

function readWipes(stateDirectory: string): ReadonlyMap<string, EarlierWipe> {
  const found = new Map<string, EarlierWipe>();
  for (const cleanupId of orNothing(() => runIds(stateDirectory)) ?? []) {
    const text = orNothing(() => readRunFile(stateDirectory, cleanupId, 'report.json'));
    const report = text === undefined ? undefined : orNothing(() => JSON.parse(text) as unknown);
    for (const service of Object.values(asRecord(asRecord(report)?.['services']) ?? {})) {
      const directories = asRecord(service)?.['directories'];
      for (const directory of Array.isArray(directories) ? (directories as unknown[]) : []) {
        const { path, deleted } = asRecord(directory) ?? {};
        if (typeof path !== 'string' || typeof deleted !== 'number' || deleted <= 0) continue;
        if (!found.has(path)) found.set(path, { cleanupId, deleted });
      }
    }
  }
  return found;
}

/** A directory of another user, or a file that somebody has spoilt. */
function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
