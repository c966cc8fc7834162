import { lstatSync, opendirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What a system's own disk has at its top, one of each line: the root of another system, of a backup
 * of one, of a container, of a chroot. The first line is absent from most other directories.
 */
const LINUX: readonly (readonly string[])[] = [
  ['etc'],
  ['etc/passwd', 'etc/os-release', 'usr/lib/os-release', 'etc/fstab', 'etc/hostname'],
  ['bin', 'usr/bin', 'sbin', 'usr/sbin', 'nix/store'],
  ['lib', 'usr/lib', 'lib64', 'usr/lib64', 'proc', 'nix/store'],
];
const MACOS = [['System/Library/CoreServices']];
const WINDOWS = [['Windows/System32', 'WINDOWS/system32']];

/** Where runtimes of containers keep the root of one, in its folder. */
const ROOTS_OF_CONTAINERS = ['rootfs', 'merged', 'diff', 'fs'];
/** A folder of chroots or containers has few entries; one of uploads may have millions. */
const MOST_ENTRIES = 100;

/**
 * Where in a directory a whole system lies: `.` for itself, or a path below, as in a folder of
 * chroots or containers. Below it must belong to root, so that no upload can make a service's
 * directory look like one. Undefined: nowhere. Reads only.
 */
export function systemRootIn(directory: string): string | undefined {
  if ([LINUX, MACOS, WINDOWS].some((system) => isRootOf(system, directory))) return '.';
  const names = firstDirectories(directory);
  const below = names.flatMap((name) =>
    ROOTS_OF_CONTAINERS.includes(name) ? [name] : [name, join(name, 'rootfs')],
  );
  return below.find((path) => {
    const root = join(directory, path);
    return isRootOf(LINUX, root) && isRoots(join(root, 'etc'));
  });
}

function isRootOf(system: readonly (readonly string[])[], directory: string): boolean {
  return system.every((alternatives) =>
    alternatives.some((path) => isThere(join(directory, path))),
  );
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

function isRoots(path: string): boolean {
  try {
    return lstatSync(path).uid === 0;
  } catch {
    return false;
  }
}

function firstDirectories(path: string): readonly string[] {
  const names: string[] = [];
  try {
    const directory = opendirSync(path, { bufferSize: MOST_ENTRIES });
    try {
      for (let count = 0; count < MOST_ENTRIES; count += 1) {
        const entry = directory.readSync();
        if (entry === null) break;
        if (entry.isDirectory()) names.push(entry.name);
      }
    } finally {
      directory.closeSync();
    }
  } catch {
    // A directory that cannot be read is reported when it is emptied.
  }
  return names;
}
