import { statSync } from 'node:fs';
import { join, sep } from 'node:path';
import type { Problem } from '../errors.ts';
import { isMountedOver } from './mounts.ts';
import type { Mount } from './mounts.ts';
import type { LocatedDirectory } from './resolve.ts';
import { createWithin, isSameFile } from './within.ts';
import type { Within } from './within.ts';

/** What the machine looks like to the guards; real paths. */
export interface GuardContext {
  readonly workingDirectory: string | undefined;
  /** Where the config file is, and where it is named when that is a link. */
  readonly configDirectories: readonly string[];
  /** The tool's own package directory. */
  readonly installation: string;
  /** The Node that runs it. */
  readonly interpreter: string;
  /** Where this run writes of itself: log, report, metrics, state. */
  readonly outputs: readonly OwnPlace[];
  readonly homes: readonly string[];
  /** Undefined where mounts cannot be told (not Linux). */
  readonly mounts: readonly Mount[] | undefined;
}

export interface OwnPlace {
  /** Absolute, links resolved. */
  readonly path: string;
  /** E.g. `--log-file`. */
  readonly flag: string;
}

/** Never emptied themselves, and neither is what contains them; directories below them may be. */
const SYSTEM_PLACES = [
  ...['/dev/shm', '/home', '/media', '/mnt', '/opt', '/root', '/run', '/srv', '/tmp', '/var'],
  ...['/run/lock', '/run/user', '/run/shm'],
  ...['/usr', '/usr/games', '/usr/local', '/usr/local/games', '/usr/local/man', '/usr/src'],
  ...['/usr/local/etc', '/usr/local/include', '/usr/local/share', '/usr/local/src'],
  ...['/var/backups', '/var/cache', '/var/lib', '/var/local', '/var/lock', '/var/log', '/var/mail'],
  ...['/var/opt', '/var/run', '/var/spool', '/var/tmp', '/var/www'],
  ...['/var/lib/docker', '/var/lib/docker/volumes', '/var/lib/containers', '/var/lib/containerd'],
  ...['/Users', '/Volumes', '/private', '/private/tmp', '/private/var', '/cores'],
];

/** Never emptied, nor anything in them. */
const SYSTEM_TREES = [
  ...['/bin', '/boot', '/efi', '/etc', '/lib', '/lib32', '/lib64', '/libx32', '/lost+found'],
  ...['/proc', '/sbin', '/sys', '/nix/store', '/snap'],
  ...['/usr/bin', '/usr/include', '/usr/lib', '/usr/lib32', '/usr/lib64', '/usr/libexec'],
  ...['/usr/libx32', '/usr/sbin', '/usr/share', '/usr/local/bin', '/usr/local/lib'],
  ...['/usr/local/sbin', '/run/systemd', '/run/udev', '/run/dbus'],
  ...['/var/lib/apt', '/var/lib/dpkg', '/var/lib/pacman', '/var/lib/rpm', '/var/lib/systemd'],
  ...['/var/lib/docker/overlay2', '/var/lib/docker/image', '/var/lib/docker/containers'],
  ...['/var/spool/cron', '/private/etc', '/Applications', '/Library', '/System'],
];

/**
 * Every reason not to empty one of `targets`, each one sentence with the path, why, and what to
 * change. `all` are the directories of every configured service, targets included. Reads only.
 */
export function refusals(
  targets: readonly LocatedDirectory[],
  all: readonly LocatedDirectory[],
  context: GuardContext,
): readonly Problem[] {
  const problems: Problem[] = [];
  const within = createWithin(context.mounts);
  for (const target of targets) {
    const why =
      forbiddenPlace(target, context, within) ??
      overlap(target, all, within) ??
      wrongKind(target) ??
      notMounted(target, context) ??
      noMarker(target);
    if (why !== undefined) {
      problems.push({ path: target.path, message: `${describe(target)} ${why}` });
    }
  }
  return problems;
}

function describe(target: LocatedDirectory): string {
  const link =
    target.path === target.configuredPath ? '' : ` (${target.configuredPath} leads there)`;
  return `Refusing to empty ${target.path}${link} for ${target.service}:`;
}

function forbiddenPlace(
  target: LocatedDirectory,
  context: GuardContext,
  within: Within,
): string | undefined {
  const { path } = target;
  const remedy = 'configure a directory of the service itself';
  const parts = path.split(sep).filter((part) => part !== '');
  if (within('/', path)) return `it is the root of the file system; ${remedy}.`;
  const tree = SYSTEM_TREES.find((system) => within(path, system));
  if (tree !== undefined) return `it belongs to the system directory ${tree}; ${remedy}.`;
  if (within(path, '/dev') && (path === '/dev' || !within(path, '/dev/shm'))) {
    return `it belongs to the system directory /dev; ${remedy}.`;
  }
  const place = [...SYSTEM_PLACES, ...SYSTEM_TREES].find((system) => within(system, path));
  if (place !== undefined) {
    const is = within(path, place) ? 'it is' : 'it contains';
    return `${is} the system directory ${place}; ${remedy}.`;
  }
  if (parts.length < 2) return `it is a top-level directory; ${remedy}, at least one level deeper.`;
  const home = context.homes.find((other) => within(other, path));
  if (home !== undefined || (parts.length === 2 && /^(home|Users)$/.test(parts[0] ?? ''))) {
    const is = home === undefined || within(path, home) ? 'it is' : `it contains ${home},`;
    return `${is} a home directory; configure a directory inside it.`;
  }
  for (const [other, what] of [
    [context.workingDirectory, 'the working directory'],
    ...context.configDirectories.map(
      (directory) => [directory, "the config file's own directory"] as const,
    ),
    [context.installation, "media-cleanup's own installation"],
    [context.interpreter, 'the Node.js that runs media-cleanup'],
  ] as const) {
    if (other === undefined || !within(other, path)) continue;
    const is = within(path, other) ? `it is ${what}` : `it contains ${what} (${other})`;
    const change =
      what === 'the working directory'
        ? 'start media-cleanup from another directory, or configure a deeper one'
        : 'configure a deeper directory';
    return `${is}; ${change}.`;
  }
  const written = context.outputs.find((output) => within(output.path, path));
  if (written !== undefined) {
    return `${written.flag} (${written.path}) lies in it; name another place.`;
  }
  const ownParts = ['bin', 'dist', 'node_modules', 'src'].map((part) =>
    join(context.installation, part),
  );
  if (ownParts.some((own) => within(path, own)) || /\/node_modules(\/|$)/.test(path)) {
    return "it is part of a program's installation (media-cleanup's own, or a node_modules); configure a directory of the service itself.";
  }
  return undefined;
}

function overlap(
  target: LocatedDirectory,
  all: readonly LocatedDirectory[],
  within: Within,
): string | undefined {
  for (const other of all) {
    if (other === target) continue;
    const owner =
      other.service === target.service
        ? `its own ${other.kind} directory ${other.path}`
        : `${other.path}, which belongs to ${other.service}`;
    const remedy = 'give each directory to one entry of the config only.';
    const [isIn, holds] = [within(target.path, other.path), within(other.path, target.path)];
    if ((isIn && holds) || isSameFile(target.path, other.path)) {
      return `it is the same directory as ${owner}; ${remedy}`;
    }
    if (isIn) return `it is inside ${owner}; ${remedy}`;
    if (holds) return `it contains ${owner}; ${remedy}`;
  }
  return undefined;
}

function wrongKind(target: LocatedDirectory): string | undefined {
  if (target.state.is !== 'other') return undefined;
  return 'it is not a directory; configure the directory that holds it.';
}

function notMounted(target: LocatedDirectory, context: GuardContext): string | undefined {
  if (!target.config.mustBeMounted) return undefined;
  if (context.mounts === undefined) {
    return 'mustBeMounted is set, and mounts can be told on Linux only; use a marker instead.';
  }
  if (isMountedOver(target.path, context.mounts)) return undefined;
  return 'mustBeMounted is set and nothing is mounted on it; mount it, or remove mustBeMounted.';
}

function noMarker(target: LocatedDirectory): string | undefined {
  const { marker } = target.config;
  if (marker === undefined) return undefined;
  const file = join(target.path, marker);
  if (isFile(file)) return undefined;
  return `its marker file ${marker} is not in it, so it may be the wrong disk; mount the right one, or create the marker with: touch ${file}`;
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
