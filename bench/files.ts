import { execFile } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { JsonReport } from '../test/support/config-file.ts';
import { startConfined } from '../test/support/confine.ts';
import { REPOSITORY, TOOL, toolEnvironment } from '../test/support/tool.ts';
import { entryList } from '../test/support/witness.ts';
import type { Bench, Contender, Contest, Target } from './bench.ts';
import { peakMemory } from './peak-memory.ts';
import { makePlaces, type Place } from './places.ts';
import { timed } from './timed.ts';

interface Shape {
  readonly directories: number;
  /** In each directory. */
  readonly files: number;
  readonly bytes: number;
}

interface Peer {
  readonly name: string;
  /** @param path of the directory that has `data/below`. */
  readonly command: (path: string) => readonly string[];
  /** Ours should take at most so many times its time. */
  readonly limit?: number;
}

const KIB = 1024;
const MIB = 1024 ** 2;
const LARGE = 4 * MIB;
const MEMORY_LIMIT = 250e6;
/** Files that are made in some milliseconds. */
const SLICE = 100;

const execute = promisify(execFile);

const SHAPES: readonly Shape[] = [
  { directories: 1, files: 200_000, bytes: 4 * KIB },
  { directories: 200, files: 1000, bytes: 4 * KIB },
  { directories: 20_000, files: 10, bytes: 4 * KIB },
  { directories: 1, files: 12, bytes: 512 * MIB },
];
const IMAGE_SHAPES: readonly Shape[] = [
  { directories: 1, files: 100_000, bytes: 4 * KIB },
  { directories: 100, files: 1000, bytes: 4 * KIB },
];
const MEMORY_SHAPES: readonly Shape[] = [
  { directories: 1, files: 1_000_000, bytes: 0 },
  { directories: 10_000, files: 100, bytes: 0 },
];
const SMALL_SHAPES: readonly Shape[] = [
  { directories: 1, files: 200, bytes: 4 * KIB },
  { directories: 20, files: 10, bytes: 4 * KIB },
  { directories: 1, files: 2, bytes: LARGE },
];
const SMALL_MEMORY_SHAPES: readonly Shape[] = [
  { directories: 1, files: 1000, bytes: 0 },
  { directories: 10, files: 100, bytes: 0 },
];

/**
 * The whole process that removes everything below one directory, against what else does that, and
 * the memory it takes. In full it takes hours, up to 6 GB of memory and as much of the disk: see
 * main.ts for how to choose contests.
 */
export const files: Bench = {
  name: 'files',
  rounds: 7,
  open: (folder, { small }) => {
    mkdirSync(join(folder, 'home'));
    const places = makePlaces(folder, { images: !small });
    const memoryShapes = small ? SMALL_MEMORY_SHAPES : MEMORY_SHAPES;
    const contests = [
      ...places.flatMap((place) =>
        shapesOn(place, small).map((shape) => timeContest(folder, place, shape)),
      ),
      ...places
        .filter(({ kind }) => kind === 'tmpfs')
        .flatMap((place) => memoryShapes.map((shape) => memoryContest(folder, place, shape))),
    ];
    return Promise.resolve({ contests, close: () => Promise.resolve() });
  },
};

function shapesOn(place: Place, small: boolean): readonly Shape[] {
  if (small) return SMALL_SHAPES;
  return place.kind === 'image' ? IMAGE_SHAPES : SHAPES;
}

function timeContest(folder: string, place: Place, shape: Shape): Contest {
  const contender = (
    name: string,
    command: (path: string) => readonly string[],
    checkOutput?: (stdout: string) => void,
  ): Contender => {
    const path = join(place.path, name.replaceAll(/\W+/g, '-'));
    const make = async (): Promise<void> => await makeFiles(path, shape);
    return {
      name,
      ...(isMadeFirst(place, shape) ? { make } : {}),
      run: async () => {
        if (!isMadeFirst(place, shape)) await make();
        const environment = toolEnvironment(folder);
        const { milliseconds, stdout } = await timed(command(path), folder, environment);
        checkGone(name, path);
        checkOutput?.(stdout);
        return milliseconds;
      },
    };
  };
  const peers = peersOn(place, shape);
  return {
    title: `files on ${place.name}: ${nameOf(shape)}`,
    ours: contender(
      'media-cleanup',
      (path) => ourCommand(folder, path),
      (stdout) => checkReport(stdout, shape),
    ),
    peers: peers.map(({ name, command }) => contender(name, command)),
    target: timeTarget(place, shape, peers),
  };
}

/**
 * ext4 gives no number of a file that was just deleted to a new one, and looks for others for a
 * millisecond: what is made between the deletions takes ten times as long as they do.
 */
function isMadeFirst({ kind }: Place, { bytes }: Shape): boolean {
  return kind === 'disk' && bytes < LARGE;
}

function memoryContest(folder: string, place: Place, shape: Shape): Contest {
  const path = join(place.path, 'memory');
  return {
    title: `files memory: ${nameOf(shape)}`,
    unit: 'MB',
    ours: {
      name: 'media-cleanup',
      run: async () => {
        await makeFiles(path, shape);
        const running = startConfined(ourCommand(folder, path), {
          folder,
          env: toolEnvironment(folder),
          timeout: 600_000,
        });
        const peak = await peakMemory(running);
        checkGone('media-cleanup', path);
        checkReport(running.stdout(), shape);
        return peak / 1e6;
      },
    },
    peers: [],
    target: { text: 'at most 250 MB', met: ({ max }) => max * 1e6 <= MEMORY_LIMIT },
  };
}

/** Writes the config beside the data, which it is not allowed to be in. */
function ourCommand(folder: string, root: string): readonly [string, ...string[]] {
  const config = join(folder, 'config.json');
  const media = { root, directories: ['data'] };
  writeFileSync(config, JSON.stringify({ services: { media } }));
  const options = ['--yes', '--json', '--only', 'files', '--config', config];
  return [process.execPath, TOOL, 'media', ...options];
}

function peersOn(place: Place, shape: Shape): readonly Peer[] {
  const data = (path: string): string => join(path, 'data');
  const below = (path: string): string => join(path, 'data/below');
  const script = (name: string): string => join(REPOSITORY, 'node_modules', name);
  const node = process.execPath;
  const rm = `require('node:fs').promises.rm(process.argv[1], { recursive: true })`;
  return [
    {
      name: 'rm -rf',
      command: (path) => ['rm', '-rf', below(path)],
      limit: limitToRm(place, shape),
    },
    { name: 'find -delete', command: (path) => ['find', data(path), '-mindepth', '1', '-delete'] },
    {
      name: 'rimraf',
      command: (path) => [node, script('rimraf/dist/esm/bin.mjs'), below(path)],
      limit: 0.55,
    },
    {
      name: 'del-cli',
      command: (path) => [node, script('del-cli/cli.js'), '--force', below(path)],
    },
    { name: 'fs.rm', command: (path) => [node, '-e', rm, below(path)], limit: 0.55 },
  ];
}

function limitToRm({ discards }: Place, { directories }: Shape): number {
  if (discards) return 0.5;
  return directories > 1 ? 1 : 1.15;
}

function timeTarget(place: Place, shape: Shape, peers: readonly Peer[]): Target {
  const aim = place.kind === 'tmpfs' ? 0.9 : 0.75;
  const limits = peers.flatMap(({ name, limit }) => {
    if (limit === undefined) return [];
    const hope = name === 'rm -rf' && !place.discards && shape.directories > 1;
    return [`${limit} of ${name}${hope ? ` (aim: ${aim})` : ''}`];
  });
  return {
    text: `at most ${limits.join(', ')}`,
    met: ({ ratios }) =>
      ratios.every((ratio, index) => ratio <= (peers[index]?.limit ?? Number.POSITIVE_INFINITY)),
  };
}

function nameOf({ directories, files, bytes }: Shape): string {
  const size = bytes < MIB ? `${bytes / KIB}KiB` : `${bytes / MIB}MiB`;
  return `${directories}x${files} ${bytes === 0 ? 'empty' : `of ${size}`}`;
}

/**
 * All below one directory, so that `rm -rf` needs no list of names. In slices: tsx kills what does
 * not answer a signal at once, and then nobody removes the folder.
 */
async function makeFiles(path: string, { directories, files, bytes }: Shape): Promise<void> {
  const below = join(path, 'data', 'below');
  mkdirSync(below, { recursive: true });
  writeFileSync(join(path, 'neighbour'), 'stays');
  const content = Buffer.alloc(bytes < LARGE ? bytes : 0, 'media');
  for (let index = 0; index < directories; index++) {
    const directory = directories === 1 ? below : join(below, `directory-${index}`);
    mkdirSync(directory, { recursive: true });
    for (let file = 0; file < files; file++) {
      if (file % SLICE === 0) await setImmediate();
      const name = `${directory}/file-${file}.mp3`;
      if (bytes < LARGE) writeFileSync(name, content);
      else await allocateFile(name, bytes);
    }
  }
  // What is not on the disk yet costs nothing to remove, and what is being written slows it down.
  await execute('sync', ['--file-system', path]);
}

/** Takes the blocks without writing to them. */
async function allocateFile(path: string, bytes: number): Promise<void> {
  await execute('fallocate', ['--length', String(bytes), path]);
  const allocated = statSync(path).blocks * 512;
  if (allocated < bytes) throw new Error(`${path} has ${allocated} of ${bytes} bytes`);
}

function checkGone(who: string, path: string): void {
  const left = entryList(path);
  if (left.join(' ') === 'data neighbour') return;
  throw new Error(`${who}: ${path} has ${left.length} entries: ${left.slice(0, 10).join(' ')}`);
}

function checkReport(stdout: string, { directories, files }: Shape): void {
  const report = JSON.parse(stdout) as JsonReport;
  if (report.verified && report.files_deleted === directories * files) return;
  throw new Error(`media-cleanup should have deleted ${directories * files} files:\n${stdout}`);
}
