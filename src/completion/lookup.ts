import { statSync } from 'node:fs';
import type { Surroundings } from '../commands/surroundings.ts';
import { findConfigFile } from '../config/find.ts';
import { readConfigText } from '../config/read-text.ts';
import { RESERVED_NAMES, SERVICE_NAME } from '../config/types.ts';
import { CannotStart, errorCode } from '../errors.ts';
import { printable } from '../report/printable.ts';
import { statusOf } from '../report/run-types.ts';
import { readRuns } from '../runs/history.ts';
import { stateDirectory } from '../runs/state-directory.ts';
import type { Lookup, Word } from './suggest.ts';

/**
 * Looks up service names and runs for the shell. Reads files and nothing else; what is broken,
 * closed or not there has no names, since an error has no place in the middle of a line.
 */
export function lookupIn(surroundings: Surroundings): Lookup {
  const { env, workingDirectory } = surroundings;
  return {
    services: (flag) =>
      orNone(() => serviceWords(findConfigFile({ flag, env, cwd: workingDirectory }))),
    runs: (flag) => orNone(() => runWords(stateDirectory({ ...surroundings, flag }))),
  };
}

/**
 * Only names that a service may have: they need no quotes in any shell, and a config that says
 * `$(reboot)` puts nothing onto a command line.
 */
function serviceWords(file: string): readonly Word[] {
  // Reading a pipe would take what is in it, or wait for ever.
  if (!statSync(file).isFile()) return [];
  const document: unknown = JSON.parse(readConfigText(file).replace(/^\uFEFF/, ''));
  if (!isObject(document) || !isObject(document['services'])) return [];
  const reserved: readonly string[] = RESERVED_NAMES;
  const description = `service of ${printable(file)}`;
  return Object.keys(document['services'])
    .filter((name) => SERVICE_NAME.test(name) && !reserved.includes(name))
    .map((value) => ({ value, description }));
}

function runWords(directory: string): readonly Word[] {
  return readRuns(directory).map((run) => {
    const { cleanupId, targets } = run.record;
    const status = statusOf(run).replaceAll('_', ' ');
    return { value: cleanupId, description: printable(`${status}: ${targets.join(' ')}`) };
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function orNone(look: () => readonly Word[]): readonly Word[] {
  try {
    return look();
  } catch (error) {
    const isExpected = error instanceof CannotStart || error instanceof SyntaxError;
    if (!isExpected && errorCode(error) === undefined) throw error;
    return [];
  }
}
