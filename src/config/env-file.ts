import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { CannotStart, errorCode, errorMessage } from '../errors.ts';
import { expandEnvFile, parseDotenv } from './dotenv.ts';
import type { Environment } from './find.ts';

/** No env file is this long; a longer file was named by mistake. */
const MAX_BYTES = 2 ** 20;

/** A variable that two env files define differently: neither value is certain to be the wanted one. */
export interface EnvConflict {
  /** The variable that differs: the conflicting variable itself, or one that its value uses. */
  readonly variable: string;
  /** As they were named. */
  readonly files: readonly [string, string];
}

export interface Variables {
  readonly env: Environment;
  /** By name; an error only where the config uses the variable. */
  readonly conflicts: ReadonlyMap<string, EnvConflict>;
  /** Of variables of env files: the file, as it was named. */
  readonly origins: ReadonlyMap<string, string>;
}

/**
 * The variables for `${…}` of a config: those of the process, and below them those of env files as
 * Docker Compose reads them. Nothing else of an env file is used: not the place of the config, not
 * the state directory.
 * @throws CannotStart('config') for a file that is missing or cannot be read; no value is shown.
 */
export function readEnvFiles(
  files: readonly string[],
  { workingDirectory, env }: { readonly workingDirectory: string; readonly env: Environment },
): Variables {
  const values = new Map<string, string>();
  const origins = new Map<string, string>();
  const conflicts = new Map<string, EnvConflict>();
  for (const file of files) {
    if (file === '') throw new CannotStart('usage', '--env-file names no file: give it a path.');
    const parsed = parseDotenv(readEnvText(resolve(workingDirectory, file)));
    const outer = (name: string): string | undefined => own(env, name) ?? values.get(name);
    const expanded = [...expandEnvFile(parsed, outer)].filter(
      ([name]) => !Object.hasOwn(env, name),
    );
    for (const [name, { text }] of expanded) {
      const earlier = origins.get(name);
      if (earlier === undefined || values.get(name) === text) continue;
      conflicts.set(name, { variable: name, files: [earlier, file] });
    }
    for (const [name, { text, pieces }] of expanded) {
      // Inside a value an earlier file's variable is used, even where this file has its own.
      const inside = pieces.flatMap(({ variable }) => conflicts.get(variable ?? '') ?? [])[0];
      if (inside !== undefined && !conflicts.has(name)) conflicts.set(name, inside);
      values.set(name, text);
      origins.set(name, file);
    }
  }
  if (files.length === 0) return { env, conflicts, origins };
  return { env: { ...Object.fromEntries(values), ...env }, conflicts, origins };
}

function own(env: Environment, name: string): string | undefined {
  return Object.hasOwn(env, name) ? env[name] : undefined;
}

function readEnvText(file: string): string {
  const fail = (reason: string, cause?: unknown): CannotStart =>
    new CannotStart('config', `cannot read the env file ${file}: ${reason}`, [], cause);
  try {
    const status = statSync(file);
    // A pipe could be read once only, and a background run reads the file again.
    if (!status.isFile()) throw fail('it is not a file');
    if (status.size > MAX_BYTES) throw fail('it is larger than 1 MiB');
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    if (error instanceof CannotStart) throw error;
    if (error instanceof TypeError) throw fail('it is not UTF-8 text', error);
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'it does not exist',
      ENOTDIR: 'it does not exist',
      EACCES: 'permission denied, run as a user who may read it',
    };
    throw fail(reasons[errorCode(error) ?? ''] ?? errorMessage(error), error);
  }
}
