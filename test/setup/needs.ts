/** What tests and the demo need from the system, how to see that it is there, who packages it. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface Need {
  readonly name: string;
  /** Debian and Ubuntu package. */
  readonly package: string;
  /** Only makes more tests possible: installed along where we may install, else not asked for. */
  readonly optional: boolean;
  readonly present: () => boolean;
}

const MODULES = ['celery', 'redis', 'fusepy'];

export const NEEDS: readonly Need[] = [
  command('redis-server', 'redis-server'),
  command('redis-cli', 'redis-tools'),
  pythonModule('celery', 'python3-celery'),
  pythonModule('redis', 'python3-redis'),
  pythonModule('fusepy', 'python3-fusepy'),
  command('fusermount', 'fuse'),
  command('unshare', 'util-linux'),
  command('setpriv', 'util-linux'),
  command('mount', 'mount'),
  command('chattr', 'e2fsprogs'),
  command('mkfs.ext4', 'e2fsprogs'),
  command('git', 'git'),
  command('jq', 'jq'),
  command('promtool', 'prometheus'),
  command('systemd-analyze', 'systemd'),
  command('cron', 'cron'),
  command('ansible-playbook', 'ansible-core'),
  command('docker-compose', 'docker-compose'),
  command('zsh', 'zsh'),
  command('fish', 'fish'),
  command('man', 'man-db'),
  command('mandoc', 'mandoc'),
  { ...command('tmux', 'tmux'), optional: true },
];

/** Absolute path of a command, also of those for administrators that a user's PATH lacks. */
export function findCommand(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  for (const folder of [...folders, '/usr/bin', '/usr/sbin', '/sbin']) {
    const path = join(folder, name);
    if (folder !== '' && isExecutable(path)) return path;
  }
  return undefined;
}

interface Python {
  readonly path: string;
  readonly modules: ReadonlySet<string>;
}

let complete: Python | undefined;

/**
 * The Python that has most of the modules. Distributions install them for /usr/bin/python3, which
 * a version manager's python3 earlier in PATH hides.
 */
export function findPython(): Python {
  if (complete !== undefined) return complete;
  let best: Python = { path: '/usr/bin/python3', modules: new Set() };
  for (const path of new Set(['/usr/bin/python3', findCommand('python3') ?? ''])) {
    const modules = isExecutable(path) ? modulesOf(path) : new Set<string>();
    if (modules.size > best.modules.size) best = { path, modules };
    // Remembered only when nothing is missing: an installation may follow.
    if (modules.size === MODULES.length) return (complete = best);
  }
  return best;
}

function modulesOf(python: string): ReadonlySet<string> {
  // find_spec and not import: importing celery takes longer than this whole check may.
  const script = `import importlib.util as u; print(*[m for m in ${JSON.stringify(MODULES)} if u.find_spec(m)])`;
  const { stdout, status } = spawnSync(python, ['-c', script], { encoding: 'utf8' });
  return new Set(status === 0 ? stdout.split(/\s+/).filter((name) => name !== '') : []);
}

function command(name: string, packageName: string): Need {
  return {
    name,
    package: packageName,
    optional: false,
    present: () => findCommand(name) !== undefined,
  };
}

function pythonModule(module: string, packageName: string): Need {
  return {
    name: `Python module ${module}`,
    package: packageName,
    optional: false,
    present: () => findPython().modules.has(module),
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
