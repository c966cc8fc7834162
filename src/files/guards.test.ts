import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../test/support/folder.ts';
import { refusals } from './guards.ts';
import type { GuardContext } from './guards.ts';
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

function refused(targets: readonly LocatedDirectory[], context = CONTEXT): readonly string[] {
  return refusals(targets, targets, context).map(({ path }) => path);
}

test.each([
  ...['/', '/x', '/home', '/home/a', '/Users/a', '/etc/x/y', '/private/etc/x', '/System/x'],
  ...['/data/people', '/data/people/ann', '/var/lib/postgresql', '/desk/here', '/desk'],
  ...['/srv/config', '/opt/media-cleanup', '/opt/media-cleanup/lib', '/opt/node', '/opt/node/bin'],
  ...['/opt/media-cleanup/lib/dist', '/opt/media-cleanup/lib/node_modules/x', '/a/node_modules'],
  ...['/lib/firmware', '/run/user', '/var/lib/docker/volumes', '/var/lib/docker/overlay2/x'],
])('%s is refused', (path) => {
  expect(refused([directory(path)])).toEqual([path]);
});

test.each([
  ...['/data/people/ann/uploads', '/home/a/uploads', '/root/uploads', '/desk/here/uploads'],
  ...['/srv/config/uploads', '/srv/uploads', '/tmp/uploads', '/var/lib/media/uploads'],
  ...['/var/lib/docker/volumes/media/_data', '/dev/shm/media', '/mnt/disk', '/etcetera/uploads'],
  ...['/opt/media-cleanup/lib/data', '/desk/hereafter', '/usr/local/media/uploads'],
])('%s is not', (path) => {
  expect(refused([directory(path)])).toEqual([]);
});

test('the working directory / keeps nothing from being wiped', () => {
  const context = { ...CONTEXT, workingDirectory: '/', homes: ['/'] };
  expect(refused([directory('/srv/uploads')], context)).toEqual([]);
});

test('overlaps are told in both directions, and names that only begin alike are none', () => {
  const [a, b, c] = [directory('/srv/a'), directory('/srv/a/b'), directory('/srv/ab')];
  expect(refused([a, b, c])).toEqual(['/srv/a', '/srv/a/b']);
});

test('only the targets are refused, whatever the others are', () => {
  const [target, other] = [directory('/srv/a'), directory('/etc', { service: 'other' })];
  expect(refusals([target], [target, other], CONTEXT)).toEqual([]);
});

test('mustBeMounted needs a system that can tell', () => {
  const config = {
    path: '/mnt/disk',
    mustBeMounted: true,
    marker: undefined,
    keep: [],
    optional: false,
  };
  const target = directory('/mnt/disk', { config });
  expect(refusals([target], [target], { ...CONTEXT, mounts: undefined })[0]?.message).toBe(
    'Refusing to empty /mnt/disk for service: mustBeMounted is set, and mounts can be told on Linux only; use a marker instead.',
  );
  const mounts = [{ point: '/mnt/disk', device: '8:1', root: '/', type: 'ext4', pointBytes: '' }];
  expect(refused([target], { ...CONTEXT, mounts })).toEqual([]);
});

test('a marker that is there satisfies', () => {
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
  expect(refused([target])).toEqual([path]);
  writeFileSync(join(path, '.media-cleanup'), '');
  expect(refused([target])).toEqual([]);
});
