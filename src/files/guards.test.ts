import { chownSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../../test/support/folder.ts';
import { refusals } from './guards.ts';
import type { GuardContext } from './guards.ts';
import { createPathNames } from './path-names.ts';
import type { LocatedDirectory } from './resolve.ts';

/** The refusals through the built command are in test/guards.test.ts; here is what needs no disk. */

const CONTEXT: GuardContext = {
  workingDirectory: '/desk/here',
  configDirectories: ['/srv/config'],
  installation: '/opt/media-cleanup/lib',
  interpreter: '/opt/node/bin/node',
  outputs: [{ path: '/srv/logs/cleanup.log', flag: '--log-file' }],
  homes: ['/var/lib/postgresql/home', '/data/people/ann'],
  mounts: [],
};

function directory(path: string, more: Partial<LocatedDirectory> = {}): LocatedDirectory {
  return {
    service: 'service',
    kind: 'files',
    config: { path, mustBeMounted: false, marker: undefined, keep: [], optional: false },
    name: 'Directory',
    configuredPath: path,
    path,
    state: { is: 'missing' },
    ...more,
  };
}

async function refused(
  targets: readonly LocatedDirectory[],
  context = CONTEXT,
): Promise<readonly string[]> {
  return (await refusals(targets, targets, context)).map(({ path }) => path);
}

/** What is said of a directory that is there, as it is found. */
async function sentence(path: string): Promise<string | undefined> {
  const target = directory(path, { path: realpathSync(path), state: { is: 'directory' } });
  return (await refusals([target], [target], CONTEXT))[0]?.message;
}

test.each([
  ...['/', '/x', '/home', '/home/a', '/Users/a', '/etc/x/y', '/private/etc/x', '/System/x'],
  ...['/data/people', '/data/people/ann', '/var/lib/postgresql', '/desk/here', '/desk'],
  ...['/srv/config', '/opt/media-cleanup', '/opt/media-cleanup/lib', '/opt/node', '/opt/node/bin'],
  ...['/opt/media-cleanup/lib/dist', '/opt/media-cleanup/lib/node_modules/x', '/a/node_modules'],
  ...['/lib/firmware', '/run/user', '/dev', '/dev/x/uploads', '/root', '/root/media/uploads'],
  ...['/var/home', '/var/home/bob', '/home/a/.ssh', '/home/a/.local', '/home/a/.local/share'],
  ...['/home/a/.local/share/docker/overlay2', '/var/home/bob/.local/share/containers/storage'],
  ...['/data/people/ann/.local/share/docker/volumes', '/home/a/.local/share/docker/volumes/x'],
  ...['docker', 'docker/volumes', 'docker/volumes/x', 'docker/overlay2/x', 'docker/new-store/x'],
  ...['containers', 'containers/storage/volumes/x/_data', 'containerd/io.x', 'kubelet/pods/x'],
  ...['etcd/member', 'machines/debian', 'lxc/web/rootfs/srv', 'incus/x', 'crio/x', 'cni/x'],
])('%s is refused', async (text) => {
  const path = text.startsWith('/') ? text : `/var/lib/${text}`;
  expect(await refused([directory(path)])).toEqual([path]);
});

test.each([
  ...['/data/people/ann/uploads', '/home/a/uploads', '/var/home/bob/uploads', '/desk/here/uploads'],
  ...['/srv/config/uploads', '/srv/uploads', '/tmp/uploads', '/var/lib/media/uploads'],
  ...[
    '/var/lib/docker/volumes/media/_data/uploads',
    '/dev/shm/media',
    '/mnt/disk',
    '/etcetera/uploads',
  ],
  ...['/var/lib/docker/volumes/media/_data', '/home/a/.local/share/docker/volumes/m/_data'],
  ...['/home/a/.local/share/containers/storage/volumes/m/_data', '/home/a/.local/share/media'],
  ...[
    '/var/lib/dockers/x',
    '/rooted/uploads',
    '/opt/media-cleanup/lib/data',
    '/desk/hereafter',
    '/usr/local/media/uploads',
  ],
])('%s is not', async (path) => {
  expect(await refused([directory(path)])).toEqual([]);
});

test('the working directory / keeps nothing from being wiped', async () => {
  const context = { ...CONTEXT, workingDirectory: '/', homes: ['/'] };
  expect(await refused([directory('/srv/uploads')], context)).toEqual([]);
});

test('overlaps are told in both directions, and names that only begin alike are none', async () => {
  const [a, b, c] = [directory('/srv/a'), directory('/srv/a/b'), directory('/srv/ab')];
  expect(await refused([a, b, c])).toEqual(['/srv/a', '/srv/a/b']);
});

test('only the targets are refused, whatever the others are', async () => {
  const [target, other] = [directory('/srv/a'), directory('/etc', { service: 'other' })];
  expect(await refusals([target], [target, other], CONTEXT)).toEqual([]);
});

test('mustBeMounted needs a system that can tell', async () => {
  const config = {
    path: '/mnt/disk',
    mustBeMounted: true,
    marker: undefined,
    keep: [],
    optional: false,
  };
  const target = directory('/mnt/disk', { config });
  expect((await refusals([target], [target], { ...CONTEXT, mounts: undefined }))[0]?.message).toBe(
    'Refusing to empty /mnt/disk for service: mustBeMounted is set, and mounts can be told on Linux only; use a marker instead.',
  );
  const mounts = [{ point: '/mnt/disk', device: '8:1', root: '/', type: 'ext4', pointBytes: '' }];
  expect(await refused([target], { ...CONTEXT, mounts })).toEqual([]);
});

test('a marker that is there satisfies', async () => {
  const folder = testFolder();
  const path = join(folder, 'disk');
  mkdirSync(path);
  const config = {
    path,
    mustBeMounted: false,
    marker: '.media-cleanup',
    keep: [],
    optional: false,
  };
  const target = directory(path, { config, state: { is: 'directory' } });
  expect(await refused([target])).toEqual([path]);
  writeFileSync(join(path, '.media-cleanup'), '');
  expect(await refused([target])).toEqual([]);
});

test('a link with the name of a system place is one, and so is what it leads to', async () => {
  const folder = testFolder();
  for (const path of ['disk/data', 'disk/home/bob', 'elsewhere']) {
    mkdirSync(join(folder, path), { recursive: true });
  }
  symlinkSync(join(folder, 'disk/data'), join(folder, 'link'));
  symlinkSync('/etc/../etc', join(folder, 'etc'));
  const names = createPathNames();
  expect(names(join(folder, 'link/x'))).toEqual([
    join(folder, 'link/x'),
    join(folder, 'disk/data/x'),
  ]);
  // Found under the name on the way, whatever the last link leads to.
  symlinkSync('/run/shm/elsewhere', join(folder, 'first'));
  expect(names(join(folder, 'first'))).toContain('/run/shm/elsewhere');
  const through = directory(join(folder, 'etc/x'), { path: '/srv/x' });
  expect(await refused([through])).toEqual(['/srv/x']);
  const text = directory('/var/lib/kubelet/pods', { path: join(folder, 'elsewhere') });
  expect(await refused([text])).toEqual([join(folder, 'elsewhere')]);
  const homes = [join(folder, 'people')];
  symlinkSync(join(folder, 'disk/home'), join(folder, 'people'));
  const home = directory(join(folder, 'disk/home'));
  expect(await refused([home])).toEqual([]);
  expect(await refused([home], { ...CONTEXT, homes })).toEqual([home.path]);
});

describe('a whole system', () => {
  const systems = [
    ['etc/passwd', 'bin/sh', 'lib/x'],
    ['etc/os-release', 'usr/bin/sh', 'usr/lib/x'],
    ['etc/fstab', 'usr/sbin/x', 'lib64/x'],
    ['etc/passwd', 'bin/busybox', 'proc/x'],
    ['etc/hostname', 'nix/store/x'],
    ['Windows/System32/x'],
    ['System/Library/CoreServices/x'],
  ];

  function make(folder: string, paths: readonly string[]): void {
    for (const path of paths) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), '');
    }
  }

  test.each(systems)('its root: %s, %s, %s', async (...paths) => {
    const folder = join(testFolder(), 'disk');
    make(folder, paths);
    expect(await sentence(folder)).toBe(
      `Refusing to empty ${folder} for service: a whole system lies in it (etc, bin, lib …): the root of another disk, a container or a backup; configure a directory of the service itself.`,
    );
  });

  test.each(['rootfs', 'jammy', 'web/rootfs'])('what holds one: %s', async (where) => {
    if (process.getuid?.() !== 0) return;
    const folder = join(testFolder(), 'roots');
    make(join(folder, where), ['etc/passwd', 'bin/sh', 'lib/x']);
    expect(await sentence(folder)).toContain(`a whole system lies in its ${where} `);
    // Uploads that look like one block no wipe.
    chownSync(join(folder, where, 'etc'), 65_534, 65_534);
    expect(await sentence(folder)).toBeUndefined();
  });

  test.each([[['etc/passwd']], [['etc/passwd', 'bin/sh']], [['bin/sh', 'lib/x', 'proc/x']]])(
    'parts of one are none: %s',
    async (paths) => {
      const folder = join(testFolder(), 'data');
      make(folder, paths);
      expect(await sentence(folder)).toBeUndefined();
    },
  );
});
