/**
 * Every guard through the built command, as root, confined: exit 3, one sentence with path, reason
 * and remedy, nothing touched and nothing connected. And for every guard the proof that it is this
 * one that refuses: in a copy of the tool without it the sentence does not come.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { confine, type Mount, type Result } from './support/confine.ts';
import { createFolder, testFolder } from './support/folder.ts';
import { startRedis, type TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { REPOSITORY, runTool, toolEnvironment } from './support/tool.ts';
import { treeHash } from './support/witness.ts';

type Services = Readonly<Record<string, object>>;

interface Case {
  readonly name: string;
  /** The directory (or entry) of the service `bad`; FOLDER stands for the test's folder. */
  readonly directory?: string | object;
  /** Instead of `directory`: all services beside `good`. */
  readonly services?: Services;
  /** The whole sentence; FOLDER as above. */
  readonly sentence: string;
  /** The guard in dist/files/guards.js, and what stands there without it. */
  readonly guard: readonly [string | RegExp, string];
  readonly mounts?: readonly Mount[];
  readonly prepare?: string;
  readonly setUp?: (folder: string) => void;
  readonly node?: string;
  readonly cwd?: string;
  readonly config?: string;
}

const OWN = 'configure a directory of the service itself';
const DEEPER = 'configure a deeper directory';
const ONE_ENTRY = 'give each directory to one entry of the config only.';
const TREE = ['tree !== undefined', 'false'] as const;
const PLACE = ['found === undefined', 'true'] as const;
const HOME = [/const found = system\.homeIn\(name\)/, 'const found = undefined'] as const;
const ALREADY = ['other === undefined || !within(other, path)', 'true'] as const;
const INSTALLATION = ['ownParts.some((own) => within(path, own))', 'false'] as const;
const OVERLAP = ['overlap(target, known)', 'undefined'] as const;

function tree(directory: string, system = directory): Case {
  return {
    name: `in or equal to ${system}: ${directory}`,
    directory,
    sentence: `Refusing to empty ${directory} for bad: it belongs to the system directory ${system}; ${OWN}.`,
    guard: TREE,
  };
}

function place(directory: string, system = directory): Case {
  const is = directory === system ? 'it is' : 'it contains';
  return {
    name: `${is} the place ${system}: ${directory}`,
    directory,
    sentence: `Refusing to empty ${directory} for bad: ${is} the system directory ${system}; ${OWN}.`,
    guard: PLACE,
  };
}

function inFolder(
  name: string,
  directory: string | object,
  reason: string,
  guard: Case['guard'],
  more: Partial<Case> = {},
): Case {
  const path = typeof directory === 'string' ? directory : (directory as { path: string }).path;
  const shown = `FOLDER${path === '.' ? '' : `/${path}`}`;
  const absolute = typeof directory === 'string' ? shown : { ...directory, path: `FOLDER/${path}` };
  const sentence = `Refusing to empty ${shown} for bad: ${reason}`;
  return { name, directory: absolute, sentence, guard, ...more };
}

const PLACES: readonly Case[] = [
  {
    name: 'the root of the file system',
    directory: '/',
    sentence: `Refusing to empty / for bad: it is the root of the file system; ${OWN}.`,
    guard: ["within('/', path)", 'false'],
  },
  {
    name: 'the root by way of ..',
    directory: '/usr/../..//',
    sentence: `Refusing to empty / for bad: it is the root of the file system; ${OWN}.`,
    guard: ["within('/', path)", 'false'],
  },
  {
    name: 'a top-level directory, missing',
    directory: '/uploads',
    sentence: `Refusing to empty /uploads for bad: it is a top-level directory; ${OWN}, at least one level deeper.`,
    guard: ['parts.length < 2', 'false'],
  },
  ...['/etc', '/proc', '/root', '/sys', '/boot'].map((directory) => tree(directory)),
  ...['/usr/bin', '/usr/lib', '/usr/share', '/usr/sbin', '/usr/local/bin'].map((directory) =>
    tree(directory),
  ),
  tree('/etc/media-cleanup/data', '/etc'),
  tree('/usr/lib/x/uploads', '/usr/lib'),
  tree('/proc/sys/kernel', '/proc'),
  tree('/var/lib/dpkg/info', '/var/lib/dpkg'),
  {
    name: 'in /dev',
    directory: '/dev/uploads',
    sentence: `Refusing to empty /dev/uploads for bad: it belongs to the system directory /dev; ${OWN}.`,
    guard: TREE,
  },
  ...['/home', '/srv', '/opt', '/mnt', '/media', '/tmp', '/var', '/run', '/usr'].map((directory) =>
    place(directory),
  ),
  ...['/var/lib', '/var/log', '/var/tmp', '/var/cache', '/usr/local', '/dev/shm'].map((directory) =>
    place(directory),
  ),
  place('/nix', '/nix/store'),
  {
    name: 'any home below /home',
    directory: '/home/somebody',
    sentence:
      'Refusing to empty /home/somebody for bad: it is a home directory; configure a directory inside it.',
    guard: HOME,
  },
];

const OWN_PLACES: readonly Case[] = [
  inFolder(
    'a home of /etc/passwd',
    'accounts/media',
    'it is a home directory; configure a directory inside it.',
    HOME,
    {
      setUp: passwd,
      prepare: 'mount --bind passwd /etc/passwd',
    },
  ),
  inFolder(
    'what contains a home of /etc/passwd',
    'accounts',
    'it contains FOLDER/accounts/media, a home directory; configure a directory inside it.',
    HOME,
    { setUp: passwd, prepare: 'mount --bind passwd /etc/passwd' },
  ),
  inFolder('$HOME', 'home', 'it is a home directory; configure a directory inside it.', HOME),
  inFolder(
    'the working directory',
    'cwd/deep',
    'it is the working directory; start media-cleanup from another directory, or configure a deeper one.',
    ALREADY,
  ),
  inFolder(
    'a parent of the working directory',
    'cwd',
    'it contains the working directory (FOLDER/cwd/deep); start media-cleanup from another directory, or configure a deeper one.',
    ALREADY,
  ),
  inFolder(
    "the config's directory",
    'conf/own',
    `it is the config file's own directory; ${DEEPER}.`,
    ALREADY,
  ),
  inFolder(
    "a parent of the config's directory",
    'conf',
    `it contains the config file's own directory (FOLDER/conf/own); ${DEEPER}.`,
    ALREADY,
  ),
  inFolder(
    'the directory of a link that is the config',
    'linked',
    `it is the config file's own directory; ${DEEPER}.`,
    ALREADY,
    {
      config: 'linked/cleanup.config.json',
      setUp(folder) {
        mkdirSync(join(folder, 'linked'));
        symlinkSync('../conf/own/cleanup.config.json', join(folder, 'linked/cleanup.config.json'));
      },
    },
  ),
  inFolder(
    "the tool's installation",
    'opt/tool',
    `it is media-cleanup's own installation; ${DEEPER}.`,
    ALREADY,
  ),
  inFolder(
    "a parent of the tool's installation",
    'opt',
    `it contains media-cleanup's own installation (FOLDER/opt/tool); ${DEEPER}.`,
    ALREADY,
  ),
  ...['dist', 'dist/files', 'bin'].map((part) =>
    inFolder(
      `the installation's ${part}`,
      `opt/tool/${part}`,
      `it is part of a program's installation (media-cleanup's own, or a node_modules); ${OWN}.`,
      INSTALLATION,
    ),
  ),
  inFolder(
    'a node_modules',
    'web/node_modules/x',
    `it is part of a program's installation (media-cleanup's own, or a node_modules); ${OWN}.`,
    [/\/\\\/node_modules\(\\\/\|\$\)\/\.test\(path\)/, 'false'],
    { setUp: (folder) => mkdirSync(join(folder, 'web/node_modules/x'), { recursive: true }) },
  ),
  inFolder(
    'what contains the Node.js that runs it',
    'node',
    `it contains the Node.js that runs media-cleanup (FOLDER/node/bin/node); ${DEEPER}.`,
    ALREADY,
    {
      node: 'FOLDER/node/bin/node',
      mounts: [{ kind: 'bind', at: 'FOLDER/node/bin', from: dirname(process.execPath) }],
    },
  ),
];

const KINDS_AND_MARKS: readonly Case[] = [
  inFolder(
    'a path that is a file',
    'data/file',
    'it is not a directory; configure the directory that holds it.',
    ["target.state.is !== 'other'", 'true'],
    { setUp: (folder) => writeFileSync(join(folder, 'data/file'), 'x') },
  ),
  inFolder(
    'mustBeMounted, and it is not',
    { path: 'data/a', mustBeMounted: true },
    'mustBeMounted is set and nothing is mounted on it; mount it, or remove mustBeMounted.',
    ['!target.config.mustBeMounted', 'true'],
  ),
  inFolder(
    'mustBeMounted, and what contains it is',
    { path: 'disk/uploads', mustBeMounted: true },
    'mustBeMounted is set and nothing is mounted on it; mount it, or remove mustBeMounted.',
    ['!target.config.mustBeMounted', 'true'],
    {
      mounts: [{ kind: 'tmpfs', at: 'FOLDER/disk', size: '1m' }],
      prepare: 'mkdir disk/uploads',
    },
  ),
  inFolder(
    'mustBeMounted, and only itself is mounted on it',
    { path: 'data/b', mustBeMounted: true },
    'mustBeMounted is set and nothing is mounted on it; mount it, or remove mustBeMounted.',
    [
      'isMountedOver(target.path, context.mounts)',
      'context.mounts.some((mount) => mount.point === target.path)',
    ],
    {
      setUp: (folder) => mkdirSync(join(folder, 'data/b'), { recursive: true }),
      mounts: [{ kind: 'bind', at: 'FOLDER/data/b', from: 'FOLDER/data/b' }],
    },
  ),
  inFolder(
    'a missing directory that must be mounted',
    { path: 'data/gone', mustBeMounted: true },
    'mustBeMounted is set and nothing is mounted on it; mount it, or remove mustBeMounted.',
    ['!target.config.mustBeMounted', 'true'],
  ),
  inFolder(
    'the marker is missing',
    { path: 'data/a', marker: '.media-cleanup' },
    'its marker file .media-cleanup is not in it, so it may be the wrong disk; mount the right one, or create the marker with: touch FOLDER/data/a/.media-cleanup',
    ['marker === undefined', 'true'],
  ),
];

const OVERLAPS: readonly Case[] = [
  inFolder(
    "another service's directory",
    'good/uploads',
    `it is the same directory as FOLDER/good/uploads, which belongs to good; ${ONE_ENTRY}`,
    OVERLAP,
  ),
  inFolder(
    "inside another service's directory",
    'good/uploads/deep',
    `it is inside FOLDER/good/uploads, which belongs to good; ${ONE_ENTRY}`,
    OVERLAP,
  ),
  inFolder(
    "around another service's directory",
    'good',
    `it contains FOLDER/good/uploads, which belongs to good; ${ONE_ENTRY}`,
    OVERLAP,
  ),
  {
    name: 'files and models of one service',
    services: { bad: { directories: ['FOLDER/data'], models: ['FOLDER/data/a'] } },
    sentence: `Refusing to empty FOLDER/data/a for bad: it is inside its own files directory FOLDER/data; ${ONE_ENTRY}`,
    guard: OVERLAP,
  },
  {
    name: 'through a symbolic link',
    directory: 'FOLDER/link',
    sentence: `Refusing to empty FOLDER/good/uploads (FOLDER/link leads there) for bad: it is the same directory as FOLDER/good/uploads, which belongs to good; ${ONE_ENTRY}`,
    guard: OVERLAP,
    setUp: (folder) => symlinkSync('good/uploads', join(folder, 'link')),
  },
  inFolder(
    'through a bind mount: the same',
    'view',
    `it is the same directory as FOLDER/good/uploads, which belongs to good; ${ONE_ENTRY}`,
    OVERLAP,
    { mounts: [{ kind: 'bind', at: 'FOLDER/view', from: 'FOLDER/good/uploads' }] },
  ),
  inFolder(
    'through a bind mount: inside',
    'view/deep',
    `it is inside FOLDER/good/uploads, which belongs to good; ${ONE_ENTRY}`,
    OVERLAP,
    { mounts: [{ kind: 'bind', at: 'FOLDER/view', from: 'FOLDER/good/uploads' }] },
  ),
  inFolder(
    'through a bind mount: around',
    'view',
    `it contains FOLDER/good/uploads, which belongs to good; ${ONE_ENTRY}`,
    OVERLAP,
    { mounts: [{ kind: 'bind', at: 'FOLDER/view', from: 'FOLDER/good' }] },
  ),
];

const DISGUISES: readonly Case[] = [
  {
    name: 'a link to a system directory',
    directory: 'FOLDER/link',
    sentence: `Refusing to empty /etc (FOLDER/link leads there) for bad: it belongs to the system directory /etc; ${OWN}.`,
    guard: TREE,
    setUp: (folder) => symlinkSync('/etc', join(folder, 'link')),
  },
  {
    name: 'a dangling link into a system directory',
    directory: 'FOLDER/link/below',
    sentence: `Refusing to empty /etc/not-there/below (FOLDER/link/below leads there) for bad: it belongs to the system directory /etc; ${OWN}.`,
    guard: TREE,
    setUp: (folder) => symlinkSync('/etc/not-there', join(folder, 'link')),
  },
  inFolder(
    'a bind mount of a system directory',
    'view',
    `it belongs to the system directory /etc; ${OWN}.`,
    TREE,
    { mounts: [{ kind: 'bind', at: 'FOLDER/view', from: '/etc' }] },
  ),
  inFolder(
    'a bind mount of the root',
    'view',
    `it is the root of the file system; ${OWN}.`,
    ["within('/', path)", 'false'],
    { mounts: [{ kind: 'bind', at: 'FOLDER/view', from: '/' }] },
  ),
  inFolder(
    "a bind mount of the config's directory",
    'view',
    `it is the config file's own directory; ${DEEPER}.`,
    ALREADY,
    { mounts: [{ kind: 'bind', at: 'FOLDER/view', from: 'FOLDER/conf/own' }] },
  ),
  {
    name: 'a pattern that matches a forbidden one among others',
    directory: 'FOLDER/c*/*',
    sentence: `Refusing to empty FOLDER/conf/own for bad: it is the config file's own directory; ${DEEPER}.`,
    guard: ALREADY,
  },
  {
    name: 'a pattern over system directories',
    directory: '/us[r]/*',
    sentence: `Refusing to empty /usr/local for bad: it is the system directory /usr/local; ${OWN}.`,
    guard: PLACE,
  },
];

let redis: TestRedis;
const shared = createFolder();

const possible = requireOrSkip('redis', 'root', 'mount');

beforeAll(async () => {
  if (!possible) return;
  for (const part of ['bin', 'package.json']) {
    cpSync(join(REPOSITORY, part), join(shared.path, 'tool', part), { recursive: true });
  }
  // One file a module, so that a guard can be taken out of its own; dist/ holds all in few.
  execFileSync(
    join(REPOSITORY, 'node_modules/.bin/tsc'),
    ['-p', 'tsconfig.build.json', '--outDir', join(shared.path, 'tool/dist')],
    { cwd: REPOSITORY, stdio: 'pipe' },
  );
  symlinkSync(join(REPOSITORY, 'node_modules'), join(shared.path, 'tool/node_modules'));
  redis = await startRedis(shared.path);
});
afterAll(async () => {
  if (possible) await redis.stop();
  shared.remove();
});

function passwd(folder: string): void {
  mkdirSync(join(folder, 'accounts/media'), { recursive: true });
  const line = `media:x:1:1::${folder}/accounts/media:/bin/false\n`;
  writeFileSync(join(folder, 'passwd'), `root:x:0:0::/root:/bin/bash\n${line}`);
}

/** A folder with a copy of the tool, a good service with files and jobs, and a config. */
function makeScene(what: Case): { folder: string; run: (args: string[]) => Promise<Result> } {
  const folder = testFolder();
  const real = <T>(value: T): T =>
    JSON.parse(JSON.stringify(value).replaceAll('FOLDER', folder)) as T;
  for (const name of ['good/uploads/deep', 'data/a', 'cwd/deep', 'conf/own', 'home', 'opt/tool']) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'precious'), name);
  }
  execFileSync('cp', ['-a', `${shared.path}/tool/.`, join(folder, 'opt/tool')]);
  what.setUp?.(folder);
  const services = {
    good: {
      redis: redis.url(1),
      keyPrefix: 'job:',
      directories: [join(folder, 'good/uploads')],
    },
    ...(what.services ?? { bad: { directories: [what.directory] } }),
  };
  writeFileSync(
    join(folder, 'conf/own/cleanup.config.json'),
    JSON.stringify({ services: real(services) }),
  );
  const run = async (args: string[]): Promise<Result> =>
    await confine(
      [
        what.node?.replace('FOLDER', folder) ?? process.execPath,
        join(folder, 'opt/tool/bin/media-cleanup.js'),
        '--config',
        join(folder, what.config ?? 'conf/own/cleanup.config.json'),
        ...args,
      ],
      {
        folder,
        cwd: join(folder, what.cwd ?? 'cwd/deep'),
        env: toolEnvironment(folder),
        mounts: real(what.mounts ?? []),
        ...(what.prepare === undefined ? {} : { prepare: what.prepare }),
      },
    );
  // Mount points are made before the first look at the folder, or they would look like changes.
  for (const mount of real(what.mounts ?? [])) mkdirSync(mount.at, { recursive: true });
  return { folder, run };
}

function connections(): number {
  return Number(/total_connections_received:(\d+)/.exec(redis.cli('INFO', 'stats'))?.[1]);
}

/** Takes a guard out of the copied tool. @throws when it is not there any more. */
function takeOut(folder: string, [find, replacement]: Case['guard']): void {
  const file = join(folder, 'opt/tool/dist/files/guards.js');
  const text = readFileSync(file, 'utf8');
  const changed = text.replace(find, replacement);
  if (changed === text) throw new Error(`the guard is written differently now: ${String(find)}`);
  writeFileSync(file, changed);
}

describe.skipIf(!possible)('refuses', () => {
  test.each([...PLACES, ...OWN_PLACES, ...KINDS_AND_MARKS, ...OVERLAPS, ...DISGUISES])(
    '$name',
    async (what) => {
      const { folder, run } = makeScene(what);
      const sentence = what.sentence.replaceAll('FOLDER', folder);
      const before = [treeHash(folder), connections()] as const;
      const result = await run(['all', '--yes', '--json']);
      expect(result.stderr.split('\n')).toContainEqual(
        expect.stringMatching(new RegExp(`^(media-cleanup: )?${escape(sentence)}$`)),
      );
      expect(result.code).toBe(3);
      // The only new connection is the one that asks.
      expect([treeHash(folder), connections() - 1]).toEqual(before);
      const report = JSON.parse(result.stdout) as Record<string, unknown>;
      expect(report).toMatchObject({
        version: 1,
        status: 'refused',
        error: {
          code: 'refused',
          problems: expect.arrayContaining([
            { path: expect.stringContaining('/') as string, message: sentence },
          ]) as object,
        },
      });

      takeOut(folder, what.guard);
      // Nothing is opened by a dry run of models; the guards look at all directories all the same.
      const mutant = await run(['all', '--dry-run', '--only', 'models']);
      expect(mutant.stderr).not.toContain('internal error');
      expect(mutant.stderr).not.toContain(sentence);
    },
  );

  test('the build as shipped refuses the same, all at once', async () => {
    const places = [...new Map(PLACES.map((what) => [what.sentence, what])).values()];
    const folder = testFolder();
    const file = join(folder, 'cleanup.config.json');
    const directories = places.map(({ directory }) => directory);
    writeFileSync(file, JSON.stringify({ services: { bad: { directories } } }));
    const { code, stderr } = await runTool(['all', '--yes', '-c', file], { folder });
    for (const { sentence } of places) expect(stderr).toContain(`${sentence}\n`);
    expect(code).toBe(3);
  });

  test('one bad directory of one service keeps all others from being touched', async () => {
    const { folder, run } = makeScene({ ...(OVERLAPS[1] as Case), directory: '/etc' });
    redis.cli('-n', '1', 'SET', 'job:1', '{}');
    const before = [treeHash(folder), redis.dump(1)];
    for (const args of [
      ['all', '--yes'],
      ['bad', 'good', '--yes'],
      ['all', '--dry-run'],
    ]) {
      const result = await run(args);
      expect(result).toMatchObject({ code: 3, stdout: '' });
    }
    expect([treeHash(folder), redis.dump(1)]).toEqual(before);
  });

  test('all refusals at once, a line each; that of the service inside one of them too', async () => {
    const services = { bad: { directories: ['/', '/etc', 'FOLDER/opt', '/tmp'] } };
    const { run } = makeScene({ ...(OVERLAPS[0] as Case), services });
    const { stderr } = await run(['all', '--yes']);
    expect(stderr.match(/^(media-cleanup: )?Refusing to empty .*\.$/gm)).toHaveLength(5);
  });

  test("an overlap with a service that is no target, and not that service's own", async () => {
    const { folder, run } = makeScene(OVERLAPS[1] as Case);
    const before = treeHash(folder);
    expect(await run(['bad', '--yes'])).toMatchObject({ code: 3 });
    expect(treeHash(folder)).toBe(before);
  });
});

describe.skipIf(!possible)('does not refuse', () => {
  const harmless: Case = { name: '', directory: 'FOLDER/data/a', sentence: '', guard: TREE };

  test('a service whose neighbour alone is dangerous', async () => {
    const { folder, run } = makeScene({ ...harmless, directory: '/etc' });
    const result = await run(['good', '--yes', '--skip', 'jobs,queue']);
    expect(result).toMatchObject({ code: 0 });
    expect(readdirSync(join(folder, 'good/uploads'))).toEqual([]);
  });

  test('a mount where one must be, and a marker that is there and stays', async () => {
    const directory = { path: 'FOLDER/disk', mustBeMounted: true, marker: '.media-cleanup' };
    const { folder, run } = makeScene({
      ...harmless,
      directory,
      mounts: [{ kind: 'bind', at: 'FOLDER/disk', from: 'FOLDER/data/a' }],
      setUp: (at) => writeFileSync(join(at, 'data/a/.media-cleanup'), ''),
    });
    const result = await run(['bad', '--yes', '--json']);
    expect(result).toMatchObject({ code: 0 });
    expect(readdirSync(join(folder, 'data/a'))).toEqual(['.media-cleanup']);
  });

  test('a directory inside a home, below /dev/shm or beside the working directory', async () => {
    const { folder, run } = makeScene({ ...harmless, directory: 'FOLDER/home/media' });
    mkdirSync(join(folder, 'home/media'));
    writeFileSync(join(folder, 'home/media/x'), '');
    expect(await run(['bad', '--yes'])).toMatchObject({ code: 0 });
    expect(readdirSync(join(folder, 'home/media'))).toEqual([]);
  });

  test('what a link planted in the way of a pattern leads to is not touched', async () => {
    const { folder, run } = makeScene({ ...harmless, directory: 'FOLDER/data/*' });
    mkdirSync(join(folder, 'victim'));
    writeFileSync(join(folder, 'victim/precious'), '');
    symlinkSync('../victim', join(folder, 'data/planted'));
    const hash = treeHash(join(folder, 'victim'));
    const { code, stdout, stderr } = await run(['bad', '--yes']);
    expect(code).toBe(1);
    expect(stdout + stderr).toContain(join(folder, 'data/planted'));
    expect(treeHash(join(folder, 'victim'))).toBe(hash);
    expect(readdirSync(join(folder, 'data/a'))).toEqual([]);
    unlinkSync(join(folder, 'data/planted'));
  });
});

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
