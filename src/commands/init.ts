import {
  existsSync,
  lstatSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { configText } from '../init/config-text.ts';
import type { ProjectPlaces } from '../init/data-directories.ts';
import type { Environment } from '../config/find.ts';
import { examine } from '../init/group-services.ts';
import { KNOWN_SERVICES } from '../init/known-services.ts';
import { loadConfig } from '../config/load.ts';
import { propose } from '../init/propose.ts';
import type { NeededVariable, Note, Proposal, ProposedService } from '../init/propose.ts';
import { CannotStart, errorCode, errorMessage } from '../errors.ts';
import type { Problem } from '../errors.ts';
import type { InitOutcome } from '../report/initial-config.ts';
import { findProjects, lookAtFolder } from '../init/find-projects.ts';
import type { InitRequest } from './request.ts';
import { writeNewFile } from './write-new-file.ts';

export interface InitSurroundings {
  readonly workingDirectory: string;
  readonly env: Environment;
}

const SCHEMA = 'cleanup.config.schema.json';

/**
 * Writes a config made from compose and .env files. Reads those, looks at the folders they mount,
 * and writes that one file; nothing is connected.
 * @throws CannotStart for a file that is there already, or that cannot be read or written.
 */
export async function init(
  request: InitRequest,
  surroundings: InitSurroundings,
): Promise<InitOutcome> {
  const { workingDirectory, env } = surroundings;
  if (request.file === '') throw new CannotStart('usage', '--config names no file: give it a path');
  const file = resolve(workingDirectory, request.file ?? 'cleanup.config.json');
  const isThere = checkTarget(file, request);
  const from = checkFrom(resolve(workingDirectory, request.from ?? '.'));
  const base = statSync(from).isDirectory() ? from : dirname(from);
  const places: ProjectPlaces = {
    base,
    realBase: realpathSync(base),
    kept: withRealPaths([dirname(file), base, workingDirectory]),
    home: env['HOME'],
  };
  const found = await findProjects(from, env, places);
  const contexts = found.projects.flatMap(({ directory, services }) => [
    directory,
    ...services.flatMap(({ service: { build } }) =>
      build === undefined ? [] : [resolve(directory, build.context)],
    ),
  ]);
  const keptPlaces = { ...places, kept: [...places.kept, ...withRealPaths(contexts)] };
  const parts = found.projects.flatMap((project) =>
    project.services.flatMap(
      (service) => examine(service, project, found.projects, keptPlaces, lookAtFolder) ?? [],
    ),
  );
  const proposed = propose(parts, dirname(file));
  const isTemplate = proposed.services.length === 0;
  const proposal = isTemplate ? template(base, dirname(file), proposed) : proposed;
  const text = configText(schemaFor(dirname(file)), proposal.services);
  const problems = check(text, proposal.variables);
  if (!request.dryRun) write(file, text, request.force);
  return {
    file,
    isFound: file === join(workingDirectory, 'cleanup.config.json'),
    text,
    state: request.dryRun ? 'shown' : isThere ? 'replaced' : 'written',
    isTemplate,
    read: found.read,
    services: proposal.services,
    variables: proposal.variables,
    notes: [...found.notes, ...proposal.notes],
    problems,
  };
}

/** @returns whether there is a file, which then may be replaced. */
function checkTarget(file: string, request: InitRequest): boolean {
  const parent = dirname(file);
  if (!existsSync(parent)) {
    throw new CannotStart(
      'usage',
      `cannot write ${file}: the folder ${parent} does not exist; create it first`,
    );
  }
  try {
    // A link that leads nowhere is there as well.
    const status = lstatSync(file);
    if (status.isDirectory()) {
      throw new CannotStart('usage', `cannot write ${file}: it is a directory; name a file in it`);
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    if (error instanceof CannotStart) throw error;
    throw cannotWrite(file, error);
  }
  if (!request.force && !request.dryRun) throw isThereAlready(file);
  return true;
}

function isThereAlready(file: string): CannotStart {
  return new CannotStart(
    'usage',
    `${file} exists already: pass --force to replace it, --dry-run to only see the new one, or --config <file> to write another`,
  );
}

function checkFrom(from: string): string {
  try {
    const status = statSync(from);
    if (status.isDirectory() || status.isFile()) return from;
  } catch (error) {
    const reason = errorCode(error) === 'ENOENT' ? 'it does not exist' : errorMessage(error);
    throw new CannotStart('usage', `cannot read ${from}: ${reason}`, [], error);
  }
  throw new CannotStart('usage', `cannot read ${from}: name a compose file or a folder`);
}

function write(file: string, text: string, force: boolean): void {
  let written: boolean;
  try {
    written = writeNewFile(file, text, force);
  } catch (error) {
    throw cannotWrite(file, error);
  }
  // Made by somebody else meanwhile.
  if (!written) throw isThereAlready(file);
}

function cannotWrite(file: string, error: unknown): CannotStart {
  const reasons: Readonly<Record<string, string>> = {
    EACCES: 'permission denied; choose another place with --config <file>',
    EROFS: 'the file system is read-only; choose another place with --config <file>',
    ENOSPC: 'no space left on the device',
    ENOTDIR: 'a part of its path is not a folder',
  };
  const reason = reasons[errorCode(error) ?? ''] ?? errorMessage(error);
  return new CannotStart('usage', `cannot write ${file}: ${reason}`, [], error);
}

/** The shipped file's services, those of which there is a folder when there is any. */
function template(base: string, configDirectory: string, found: Proposal): Proposal {
  const there = KNOWN_SERVICES.filter(({ name }) => existsSync(join(base, 'services', name)));
  const relation = base === configDirectory ? '' : `${base}/`;
  const services = (there.length === 0 ? KNOWN_SERVICES : there).map((known): ProposedService => ({
    name: known.name,
    from: ['the example that comes with media-cleanup'],
    redis: known.url.replace('redis://', ''),
    broker: undefined,
    entry: {
      redis: `\${${known.variable}:-${known.url}}`,
      keyPrefix: known.keyPrefix,
      celery: { queues: [known.queue] },
      root: `${relation}services/${known.name}`,
      directories: known.directories,
      ...(known.models.length === 0 ? {} : { models: known.models }),
    },
  }));
  const message =
    there.length === 0
      ? 'nothing here says what the services are: this is only an example, change every line of it before use'
      : `nothing here says where Redis is: the values are those of the media stack, for the services that have a folder (${there.map(({ name }) => name).join(', ')})`;
  const notes: readonly Note[] = [...found.notes, { service: undefined, message }];
  return { services, variables: [], notes };
}

function schemaFor(directory: string): string {
  const beside = `./${SCHEMA}`;
  const installed = `./node_modules/media-cleanup/${SCHEMA}`;
  return !existsSync(join(directory, beside)) && existsSync(join(directory, installed))
    ? installed
    : beside;
}

/** What the next command would say of the file, once the variables are set. */
function check(text: string, variables: readonly NeededVariable[]): readonly Problem[] | undefined {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(tmpdir(), 'media-cleanup-init-'));
    const file = join(folder, 'cleanup.config.json');
    writeFileSync(file, text, { mode: 0o600 });
    loadConfig({
      file,
      env: Object.fromEntries(variables.map(({ name, stand }) => [name, stand])),
    });
    return [];
  } catch (error) {
    if (error instanceof CannotStart) return error.problems;
    if (errorCode(error) === undefined) throw error;
    return undefined;
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

function withRealPaths(paths: readonly string[]): readonly string[] {
  return paths.flatMap((path) => {
    try {
      return [path, realpathSync(path)];
    } catch {
      return [path];
    }
  });
}
