import { lstatSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Outputs } from '../commands/request.ts';
import { findConfigFile } from '../config/find.ts';
import type { Environment } from '../config/find.ts';
import { CannotStart } from '../errors.ts';
import { userId } from '../files/process-wide.ts';
import { realPlace } from '../files/real-path.ts';

interface NamedFile {
  readonly name: string;
  readonly path: string;
}

/**
 * Refuses outputs that would overwrite what this run reads, or each other: with `--report-file .env`
 * the secrets of the stack are gone. The same file by another path counts as well.
 * @throws CannotStart('usage').
 */
export function refuseOutputsOverInputs(
  request: {
    readonly outputs: Outputs;
    readonly envFiles: readonly string[];
    readonly configFile: string | undefined;
  },
  { workingDirectory, env }: { readonly workingDirectory: string; readonly env: Environment },
): void {
  const at = (path: string): string => resolve(workingDirectory, path);
  const known = new Map<string, NamedFile>();
  const config = configFile(request.configFile, workingDirectory, env);
  for (const input of [
    ...(config === undefined ? [] : [{ name: 'the config file', path: config }]),
    ...request.envFiles.map((path) => ({ name: 'the file of --env-file', path: at(path) })),
  ]) {
    known.set(identityOf(input.path), input);
  }
  const { logFile, reportFile, metricsFile } = request.outputs;
  for (const [name, path] of [
    ['--log-file', logFile],
    ['--report-file', reportFile],
    ['--metrics-file', metricsFile],
  ] as const) {
    if (path === undefined || isStream(at(path)) || isStrangersLink(at(path))) continue;
    const identity = identityOf(at(path));
    const other = known.get(identity);
    if (other !== undefined) {
      throw new CannotStart('usage', `${name} ${path} is ${other.name}: give it another file.`);
    }
    known.set(identity, { name: `the file of ${name} as well`, path: at(path) });
  }
}

/** Undefined when there is none, which the run tells later. */
function configFile(flag: string | undefined, cwd: string, env: Environment): string | undefined {
  try {
    return findConfigFile({ flag, env, cwd });
  } catch (error) {
    if (error instanceof CannotStart) return undefined;
    throw error;
  }
}

/** A terminal, pipe or socket, to which several may write. */
function isStream(path: string): boolean {
  const found = orNothing(() => statSync(path));
  return found !== undefined && !found.isFile();
}

/** Is not followed when the output is opened, and is no reason to refuse a run. */
function isStrangersLink(path: string): boolean {
  const found = orNothing(() => lstatSync(path));
  return found?.isSymbolicLink() === true && found.uid !== 0 && found.uid !== userId();
}

/** What is not there is known by its path with links resolved. */
function identityOf(path: string): string {
  const found = orNothing(() => statSync(path));
  return found === undefined ? realPlace(path) : `${found.dev}:${found.ino}`;
}

function orNothing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
