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
import { pathToFileURL } from 'node:url';
import type { InitRequest } from '../commands/request.ts';
import { writeNewFile } from '../commands/write-new-file.ts';
import { readEnvFiles } from '../config/env-file.ts';
import type { Environment } from '../config/find.ts';
import { loadConfig } from '../config/load.ts';
import { CannotStart, errorCode, errorMessage } from '../errors.ts';
import type { Problem } from '../errors.ts';
import type { InitOutcome } from '../report/initial-config.ts';
import { nearPath } from '../report/near-path.ts';
import { askRedis } from './ask-redis.ts';
import { configText } from './config-text.ts';
import type { ProjectPlaces } from './data-directories.ts';
import { chooseDeployments } from './deployments.ts';
import type { AskDeployment, Candidate } from './deployments.ts';
import { baseOf, findProjects } from './find-projects.ts';
import { examine } from './group-services.ts';
import type { Part } from './group-services.ts';
import { KNOWN_SERVICES } from './known-services.ts';
import type { NeededVariable, Note, Proposal, ProposedService } from './proposal.ts';
import { missedFolders } from './missed-folders.ts';
import { propose } from './propose.ts';
import { questionsFor } from './questions.ts';
import { lookAtFolder } from './read-folder.ts';
import type { Found } from './read-projects.ts';
import type { RedisAnswer } from './redis-answer.ts';
import { createSecretNames, envFilesOf } from './secret-names.ts';
import { uniqueNames } from './service-names.ts';

export interface InitSurroundings {
  readonly workingDirectory: string;
  readonly env: Environment;
  /** The directory of media-cleanup's own package. */
  readonly installation: string;
}

export interface InitIo {
  /** Undefined: nobody can be asked. */
  readonly ask: AskDeployment | undefined;
  readonly signal: AbortSignal;
}

const SCHEMA = 'cleanup.config.schema.json';
/** Milliseconds for one server, all its databases together. */
const REDIS_MS = 2_000;

/**
 * Writes a config made from compose and .env files, and from what Redis says where it answers.
 * Changes nothing but that one file.
 * @throws CannotStart for a file that is there already, that cannot be read or written, or when
 *   nothing is found and no example is asked for.
 */
export async function init(
  request: InitRequest,
  surroundings: InitSurroundings,
  io: InitIo,
): Promise<InitOutcome> {
  const { workingDirectory, env } = surroundings;
  if (request.file === '') throw new CannotStart('usage', '--config names no file: give it a path');
  const file = resolve(workingDirectory, request.file ?? 'cleanup.config.json');
  const isThere = checkTarget(file, request);
  const from = checkFrom(resolve(workingDirectory, request.from ?? '.'));
  const base = baseOf(statSync(from).isDirectory() ? from : dirname(from));
  // Read before anything else is done: a file that cannot be read is a mistake in the command.
  readEnvFiles(request.envFiles, surroundings);
  const envFiles = request.envFiles.map((path) => resolve(workingDirectory, path));
  const places: ProjectPlaces = {
    base,
    realBase: realpathSync(base),
    kept: withRealPaths([dirname(file), base, workingDirectory]),
    home: env['HOME'],
  };
  const place = statSync(from).isDirectory() ? base : from;
  const found = await findProjects(place, { env, envFiles, places });
  const chosen = await chosenServices(found, places, io.ask);
  const mayAsk = !request.offline;
  const asked = mayAsk ? await answersFor(chosen.candidates, request, io.signal) : NO_ANSWERS;
  const wouldBeNamed = [
    ...envFiles,
    ...envFilesOf(chosen.candidates.map(({ group }) => group)),
  ].filter((path, index, all) => all.indexOf(path) === index);
  const secrets = createSecretNames(
    readEnvFiles(wouldBeNamed, { workingDirectory, env: {} }),
    (path) => nearPath(path, workingDirectory),
  );
  const proposed = propose(chosen.candidates, {
    ...{ configDirectory: dirname(file), look: lookAtFolder, answers: asked.answers, secrets },
  });
  const missed = missedFolders(found, chosen.parts, base, lookAtFolder);
  const notes = [...found.notes, ...missed, ...chosen.notes, ...asked.notes, ...proposed.notes];
  const isTemplate = proposed.services.length === 0;
  const [unread] = found.unread;
  if (isTemplate && unread !== undefined) throw unread;
  if (isTemplate && !request.example) throw nothingFound(from, found, notes);
  const proposal = isTemplate ? template(base, dirname(file)) : proposed;
  const schema = schemaFor(dirname(file), surroundings.installation);
  const text = configText(schema, proposal.services);
  const used = [...new Set(proposal.variables.flatMap(({ envFile }) => envFile ?? []))];
  const problems = check(text, proposal.variables, [...envFiles, ...used], surroundings);
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
    envFiles: [...new Set([...envFiles, ...used])],
    workingDirectory,
    notes: isTemplate ? [...notes, ...proposal.notes] : notes,
    problems,
  };
}

/** One deployment for each service, with names that are unique. */
async function chosenServices(
  found: Found,
  places: ProjectPlaces,
  ask: AskDeployment | undefined,
): Promise<{
  readonly candidates: readonly Candidate[];
  readonly parts: readonly Part[];
  readonly notes: readonly Note[];
}> {
  const { projects } = found;
  const contexts = projects.flatMap(({ directory, folder, services }) => [
    directory,
    folder,
    ...services.flatMap(({ service: { build } }) =>
      build === undefined ? [] : [resolve(directory, build.context)],
    ),
  ]);
  const keptPlaces = { ...places, kept: [...places.kept, ...withRealPaths(contexts)] };
  const parts = projects.map((project) =>
    project.services.flatMap(
      (service) => examine(service, project, projects, keptPlaces, lookAtFolder) ?? [],
    ),
  );
  const { base } = places;
  const { candidates, notes } = await chooseDeployments(parts, { base, look: lookAtFolder, ask });
  const names = uniqueNames(candidates.map(({ name }) => name));
  return {
    ...{ notes, parts: parts.flat() },
    candidates: candidates.map((one, index) => ({ ...one, name: names[index] ?? one.name })),
  };
}

const NO_ANSWERS: {
  readonly answers: ReadonlyMap<string, RedisAnswer>;
  readonly notes: readonly Note[];
} = { answers: new Map(), notes: [] };

async function answersFor(
  candidates: readonly Candidate[],
  { dryRun }: InitRequest,
  signal: AbortSignal,
): Promise<typeof NO_ANSWERS> {
  const options = { timeout: REDIS_MS, mayWrite: !dryRun, signal };
  const answers = await askRedis(questionsFor(candidates), options);
  const silent = new Map(
    [...answers.values()].flatMap((one) =>
      one.silent.map(({ server, reason }) => [server, `Redis ${server} ${reason}`] as const),
    ),
  );
  const notes = [...silent.values()].map((text): Note => ({
    service: undefined,
    message: `${text}: prefix not looked up`,
  }));
  return { answers, notes };
}

function nothingFound(from: string, found: Found, notes: readonly Note[]): CannotStart {
  const problems = notes.map(({ service, message }) => ({
    path: service ?? 'init',
    message,
  }));
  const what =
    found.read.length === 0
      ? `no compose file (compose.yaml, docker-compose.yml, also in docker/, deploy/, deployment/, compose/ and .docker/) and no .env that names a Redis or a directory in ${from}, its services/*/ or another folder in it`
      : `the files in ${from} name no Redis, no worker and no directory that may be emptied${reasons(notes)}`;
  return new CannotStart(
    'usage',
    `Nothing found, nothing written: ${what}. Pass --from <path> to read another folder or file, or --example to write the shipped example.`,
    problems,
  );
}

function reasons(notes: readonly Note[]): string {
  const shown = notes.slice(0, 5).map(({ message }) => message);
  return shown.length === 0 ? '' : ` (${shown.join('; ')})`;
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
function template(base: string, configDirectory: string): Proposal {
  const there = KNOWN_SERVICES.filter(({ name }) => existsSync(join(base, 'services', name)));
  const relation = base === configDirectory ? '' : `${base}/`;
  const services = (there.length === 0 ? KNOWN_SERVICES : there).map((known): ProposedService => ({
    name: known.name,
    from: ['the example that comes with media-cleanup'],
    sources: [],
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
  return { services, variables: [], notes: [{ service: undefined, message }] };
}

/** Something that exists: beside the config, in its node_modules, else in the installed package. */
function schemaFor(directory: string, installation: string): string | undefined {
  const near = [`./${SCHEMA}`, `./node_modules/media-cleanup/${SCHEMA}`];
  const found = near.find((path) => existsSync(join(directory, path)));
  if (found !== undefined) return found;
  const installed = join(installation, SCHEMA);
  return existsSync(installed) ? pathToFileURL(installed).href : undefined;
}

/** What the next command would say of the file, once the variables are set. */
function check(
  text: string,
  variables: readonly NeededVariable[],
  envFiles: readonly string[],
  surroundings: InitSurroundings,
): readonly Problem[] | undefined {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(tmpdir(), 'media-cleanup-init-'));
    const file = join(folder, 'cleanup.config.json');
    writeFileSync(file, text, { mode: 0o600 });
    const unmet = variables.filter(({ envFile }) => envFile === undefined);
    const stand = Object.fromEntries(unmet.map(({ name, stand: value }) => [name, value]));
    const met = readEnvFiles(envFiles, { ...surroundings, env: {} });
    loadConfig({ file, env: { ...met.env, ...stand }, conflicts: met.conflicts });
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
