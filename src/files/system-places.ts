import { realPath } from './real-path.ts';
import type { Mount } from './mounts.ts';
import { createPathIndex } from './path-index.ts';

/** Never emptied themselves, and neither is what contains them; directories below them may be. */
const SYSTEM_PLACES = [
  ...['/dev/shm', '/home', '/media', '/mnt', '/opt', '/run', '/srv', '/tmp', '/var'],
  ...['/run/lock', '/run/user', '/run/shm'],
  ...['/usr', '/usr/games', '/usr/local', '/usr/local/games', '/usr/local/man', '/usr/src'],
  ...['/usr/local/etc', '/usr/local/include', '/usr/local/share', '/usr/local/src'],
  ...['/var/backups', '/var/cache', '/var/lib', '/var/local', '/var/lock', '/var/log', '/var/mail'],
  ...['/var/home', '/var/mnt', '/var/opt', '/var/run', '/var/spool', '/var/srv', '/var/tmp'],
  ...['/var/www'],
  ...['/Users', '/Volumes', '/private', '/private/tmp', '/private/var', '/cores'],
];

/** Never emptied, nor anything in them. */
const SYSTEM_TREES = [
  ...['/bin', '/boot', '/efi', '/etc', '/lib', '/lib32', '/lib64', '/libx32', '/lost+found'],
  ...['/dev', '/proc', '/root', '/sbin', '/sys', '/nix/store', '/ostree', '/snap', '/sysroot'],
  ...['/usr/bin', '/usr/include', '/usr/lib', '/usr/lib32', '/usr/lib64', '/usr/libexec'],
  ...['/usr/libx32', '/usr/sbin', '/usr/share', '/usr/local/bin', '/usr/local/lib'],
  ...['/usr/local/sbin', '/run/systemd', '/run/udev', '/run/dbus', '/run/docker'],
  ...['/run/containerd', '/run/containers', '/var/lib/apt', '/var/lib/dpkg', '/var/lib/pacman'],
  ...['/var/lib/rpm', '/var/lib/systemd', '/var/roothome', '/var/spool/cron'],
  // Of containers and virtual machines: their systems, and what runs them.
  ...['/var/lib/docker', '/var/lib/containers', '/var/lib/containerd', '/var/lib/kubelet'],
  ...['/var/lib/etcd', '/var/lib/cni', '/var/lib/crio', '/var/lib/machines', '/var/lib/portables'],
  ...['/var/lib/lxc', '/var/lib/lxd', '/var/lib/incus'],
  ...['/private/etc', '/private/var/root', '/Applications', '/Library', '/System'],
];

/** What in a tree is no part of the system: the data of a volume of Docker, shared memory. */
const NOT_SYSTEM: Readonly<Record<string, RegExp>> = {
  '/dev': /^shm(?:\/|$)/,
  '/var/lib/docker': /^volumes\/[^/]+\/_data(?:\/|$)/,
};

/** Each directory in these is a home. */
const PARENTS_OF_HOMES = ['/home', '/var/home', '/Users'];

/** In a home: keys, and the stores of containers that run without root. */
const TREE_IN_HOME =
  /^(?:\.ssh|\.gnupg|\.local(?:\/share(?:\/(?:docker|containers)(?:\/.*)?)?)?)$/s;
const VOLUME_IN_HOME =
  /^\.local\/share\/(?:docker|containers\/storage)\/volumes\/[^/]+\/_data(?:\/|$)/;

/** What a path has to do with the places that belong to the system; undefined: nothing. */
export interface SystemPlaces {
  /** The system directory whose every part is the system's, and that the path is or lies in. */
  treeAround(path: string): string | undefined;
  /** The system directory that the path is or contains. */
  placeIn(path: string): { readonly place: string; readonly is: boolean } | undefined;
  /** The home that the path is (`home` is undefined) or contains. */
  homeIn(path: string): { readonly home: string | undefined } | undefined;
  /** The home in whose own part, such as `.ssh`, the path lies. */
  homeAround(path: string): string | undefined;
}

/**
 * The system's places by their names and by where links have moved them: reads the links once.
 * @param homes as passwd(5) names them.
 */
export function createSystemPlaces(
  homes: readonly string[],
  mounts: readonly Mount[] | undefined,
): SystemPlaces {
  const indexOf = (paths: readonly string[]) => {
    const index = createPathIndex<string>(mounts);
    for (const path of paths) index.add(path, path);
    for (const path of paths) if (realPath(path) !== path) index.add(realPath(path), path);
    return index;
  };
  const trees = indexOf(SYSTEM_TREES);
  const places = indexOf([...SYSTEM_PLACES, ...SYSTEM_TREES]);
  // A user whose home is `/` has no home directory to protect.
  const ofUsers = indexOf(homes.filter((home) => home !== '/'));
  const parents = indexOf(PARENTS_OF_HOMES);
  return {
    treeAround: (path) =>
      trees.around(path).find(({ value, rest }) => NOT_SYSTEM[value]?.test(rest) !== true)?.value,
    placeIn(path) {
      const same = places.around(path).find(({ rest }) => rest === '');
      if (same !== undefined) return { place: same.value, is: true };
      const inner = places.inside(path);
      return inner && { place: inner.value, is: false };
    },
    homeIn(path) {
      if (ofUsers.around(path).some(({ rest }) => rest === '')) return { home: undefined };
      const inner = ofUsers.inside(path);
      if (inner !== undefined) return { home: inner.value };
      const isHome = parents.around(path).some(({ rest }) => rest !== '' && !rest.includes('/'));
      return isHome ? { home: undefined } : undefined;
    },
    homeAround(path) {
      const found = [
        ...ofUsers.around(path),
        ...parents.around(path).map(({ value, rest }) => ({
          value: `${value}/${rest.split('/')[0] ?? ''}`,
          rest: rest.split('/').slice(1).join('/'),
        })),
      ];
      return found.find(({ rest }) => TREE_IN_HOME.test(rest) && !VOLUME_IN_HOME.test(rest))?.value;
    },
  };
}
