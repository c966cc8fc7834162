/**
 * Versions of Celery and of the Redis server: the system's own, those in a folder, and those of
 * newer Debian releases, which are fetched into the folder by the machine's own apt and mirror.
 * Nothing is installed. The folder holds `celery/<version>/` (Python packages), `gevent/` (Python
 * packages, with shared libraries in `gevent/lib/`) and `servers/<name>/redis-server` (a program).
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { findCommand, findPython } from '../setup/needs.ts';

export interface CeleryVersion {
  readonly name: string;
  /** Before the system's Python packages; with gevent where that is there. */
  readonly packages: readonly string[];
  readonly libraries: readonly string[];
  readonly hasGevent: boolean;
}

export interface ServerVersion {
  readonly name: string;
  /** Takes redis-server's arguments. */
  readonly program: string;
}

export interface Versions {
  readonly celery: readonly CeleryVersion[];
  /** The system's first. */
  readonly servers: readonly ServerVersion[];
}

/** Debian's releases after the one whose Celery the tests use. */
const RELEASES = ['trixie', 'sid'];
const SERVERS = ['redis-server', 'valkey-server'];

export function findVersions(folder: string): Versions {
  const gevent = join(folder, 'gevent');
  const hasGevent = existsSync(join(gevent, 'gevent'));
  const celery = (name: string, packages: readonly string[]): CeleryVersion => ({
    name,
    packages: hasGevent ? [...packages, gevent] : packages,
    libraries: hasGevent ? [join(gevent, 'lib')] : [],
    hasGevent,
  });
  const folders = namesIn(join(folder, 'celery')).map((name) =>
    celery(name, [join(folder, 'celery', name)]),
  );
  const servers = namesIn(join(folder, 'servers')).map((name) => ({
    name,
    program: join(folder, 'servers', name, 'redis-server'),
  }));
  return {
    celery: [celery(systemCelery(), []), ...folders].toSorted(byVersion),
    servers: [systemServer(), ...servers],
  };
}

function byVersion(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name.localeCompare(other.name, 'en', { numeric: true });
}

function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder).toSorted() : [];
}

function systemCelery(): string {
  const script = 'import celery; print(celery.__version__)';
  return run(findPython().path, ['-c', script]).trim();
}

function systemServer(): ServerVersion {
  const program = findCommand('redis-server') ?? 'redis-server';
  const version = /v=([\d.]+)/.exec(run(program, ['--version']))?.[1] ?? '';
  return { name: `redis-${version}`, program };
}

/** Fills the folder; what is there stays. @throws Error where apt has no Debian mirror configured. */
export function fetchVersions(folder: string, say: (line: string) => void): void {
  const mirror = debianMirror();
  for (const release of RELEASES) {
    if (existsSync(join(folder, `${release}.fetched`))) continue;
    const apt = privateApt(folder, release, mirror);
    try {
      const celery = fetchCelery(folder, apt);
      const servers = SERVERS.map((name) => fetchServer(folder, apt, name));
      say(`${release}: Celery ${celery}, ${servers.join(', ')}`);
      writeFileSync(join(folder, `${release}.fetched`), '');
    } finally {
      rmSync(apt.folder, { recursive: true });
    }
  }
  if (!existsSync(join(folder, 'gevent'))) fetchGevent(folder);
}

/** Of the main archive, from apt's own configuration. */
function debianMirror(): string {
  const filter = ['Created-By: Packages', 'Origin: Debian', 'Label: Debian'];
  const [mirror = ''] = run('apt-get', ['indextargets', '--format', '$(REPO_URI)', ...filter])
    .split('\n')
    .map((line) => line.trim());
  if (mirror !== '') return mirror;
  throw new Error('apt knows no Debian mirror (apt-get update): put the versions into the folder');
}

interface Apt {
  readonly folder: string;
  /** apt's configuration: lists, cache and an empty list of installed packages of its own. */
  readonly config: string;
}

function privateApt(parent: string, release: string, mirror: string): Apt {
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'apt-'));
  for (const name of ['parts', 'lists/partial', 'cache', 'state']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  writeFileSync(join(folder, 'sources.list'), `deb ${mirror} ${release} main\n`);
  writeFileSync(join(folder, 'state/status'), '');
  const config = join(folder, 'apt.conf');
  const lines = [
    `Dir::Etc::sourcelist "${folder}/sources.list";`,
    `Dir::Etc::sourceparts "${folder}/parts";`,
    `Dir::Etc::preferencesparts "${folder}/parts";`,
    `Dir::State "${folder}/state";`,
    `Dir::State::status "${folder}/state/status";`,
    `Dir::State::lists "${folder}/lists";`,
    `Dir::Cache "${folder}/cache";`,
    'APT::Install-Recommends "false";',
    'APT::Sandbox::User "root";',
    // A mirror that is some weeks behind has an expired index; it is signed all the same.
    'Acquire::Check-Valid-Until "false";',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  run('apt-get', ['-q', 'update'], { APT_CONFIG: config });
  return { folder, config };
}

/** Packages that depend on no Python version: they run on the system's. @returns the version. */
function fetchCelery(folder: string, apt: Apt): string {
  const files = closure(apt, ['python3-celery', 'python3-redis']);
  const pure = files.filter((file) => /^python3-.*_all\.deb$/.test(file));
  const tree = unpack(apt, pure);
  const packages = join(tree, 'usr/lib/python3/dist-packages');
  const script = 'import celery; print(celery.__version__)';
  const version = run(findPython().path, ['-c', script], { PYTHONPATH: packages }).trim();
  cpSync(packages, join(folder, 'celery', version), { recursive: true });
  return version;
}

/** With all its libraries and their loader, since the system's may be older. @returns the name. */
function fetchServer(folder: string, apt: Apt, name: string): string {
  const tree = unpack(apt, closure(apt, [name]));
  const program = '$root/usr/bin/' + name;
  const script = `#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
libraries=$root/usr/lib/$(uname -m)-linux-gnu
for loader in "$root"/usr/lib*/ld-linux-*.so.* "$libraries"/ld-linux-*.so.*; do
  [ -e "$loader" ] && exec "$loader" --library-path "$libraries" "${program}" "$@"
done
echo "no loader in $root" >&2
exit 127
`;
  const staging = mkdtempSync(join(apt.folder, 'server-'));
  cpSync(tree, join(staging, 'root'), { recursive: true, verbatimSymlinks: true });
  const start = join(staging, 'redis-server');
  writeFileSync(start, script, { mode: 0o755 });
  const version = /v=([\d.]+)/.exec(run(start, ['--version']))?.[1] ?? '';
  const title = `${name.replace('-server', '')}-${version}`;
  cpSync(staging, join(folder, 'servers', title), { recursive: true, verbatimSymlinks: true });
  return title;
}

/** Of the system's own release: its modules are built for the system's Python. */
function fetchGevent(folder: string): void {
  const work = mkdtempSync(join(folder, 'apt-'));
  try {
    const apt = { folder: work, config: '' };
    const names = ['python3-gevent', 'python3-greenlet', 'python3-zope.event'];
    const libraries = ['python3-zope.interface', 'libev4', 'libc-ares2'];
    const tree = unpack(apt, download(apt, [...names, ...libraries]));
    cpSync(join(tree, 'usr/lib/python3/dist-packages'), join(folder, 'gevent'), {
      recursive: true,
    });
    const library = readdirSync(join(tree, 'usr/lib')).find((name) => name.endsWith('-linux-gnu'));
    cpSync(join(tree, 'usr/lib', library ?? ''), join(folder, 'gevent/lib'), {
      recursive: true,
      verbatimSymlinks: true,
    });
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** Downloads the packages with all that they depend on. @returns the files' names. */
function closure(apt: Apt, names: readonly string[]): readonly string[] {
  const plan = run('apt-get', ['--yes', '--print-uris', 'install', ...names], {
    APT_CONFIG: apt.config,
  });
  const packages = [...plan.matchAll(/^'\S+' ([^_\s]+)_/gm)].map(([, name = '']) => name);
  return download(apt, packages);
}

function download(apt: Apt, names: readonly string[]): readonly string[] {
  const folder = join(apt.folder, 'packages');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const env = apt.config === '' ? {} : { APT_CONFIG: apt.config };
  run('apt-get', ['-q', 'download', ...names], env, folder);
  return readdirSync(folder);
}

/** @returns the folder of the unpacked tree. */
function unpack(apt: Apt, files: readonly string[]): string {
  const tree = mkdtempSync(join(apt.folder, 'tree-'));
  for (const file of files) run('dpkg', ['-x', join(apt.folder, 'packages', file), tree]);
  return tree;
}

function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = '/',
): string {
  return execFileSync(program, args, {
    cwd,
    env: { ...process.env, LC_ALL: 'C', ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 600_000,
    maxBuffer: 2 ** 26,
  });
}
