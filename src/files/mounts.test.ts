import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isMountedOver, mountIdOf, parseMountInfo, readMounts } from './mounts.ts';

test('takes device, root and mount point, with octal escapes and bytes undone', () => {
  const text = [
    '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
    '40 27 254:0 /srv/a\\040b /mnt/with\\040space\\011\\012\\134x rw shared:1 - ext4 /dev/vda rw',
    '41 27 0:44 / /mnt/\u00c3\u00a4 ro - tmpfs none ro',
    '',
  ].join('\n');
  expect(parseMountInfo(text)).toEqual([
    { device: '254:0', root: '/', point: '/', pointBytes: '/', type: 'ext4' },
    {
      device: '254:0',
      root: '/srv/a b',
      point: '/mnt/with space\t\n\\x',
      pointBytes: '/mnt/with space\t\n\\x',
      type: 'ext4',
    },
    { device: '0:44', root: '/', point: '/mnt/ä', pointBytes: '/mnt/Ã¤', type: 'tmpfs' },
  ]);
});

test('what is no line of mountinfo is no mount', () => {
  expect(parseMountInfo('')).toEqual([]);
  expect(parseMountInfo('garbage\n1 2 3:4 /\n')).toEqual([]);
});

test.runIf(process.platform === 'linux')('this machine has a root and tells mounts apart', () => {
  expect(readMounts()?.some((mount) => mount.point === '/')).toBe(true);
  const [root, proc] = [openSync('/', 'r'), openSync('/proc', 'r')];
  try {
    expect(mountIdOf(root)).toBeTypeOf('number');
    expect(mountIdOf(proc)).not.toBe(mountIdOf(root));
  } finally {
    closeSync(root);
    closeSync(proc);
  }
  expect(mountIdOf(root + 1000)).toBeUndefined();
});

test.runIf(process.platform === 'linux')('a number that comes again is told anew', () => {
  const root = openSync('/', 'r');
  const id = mountIdOf(root);
  closeSync(root);
  expect(mountIdOf(root)).toBeUndefined();
  const proc = openSync('/proc', 'r');
  try {
    expect(proc).toBe(root);
    expect(mountIdOf(proc)).toBeTypeOf('number');
    expect(mountIdOf(proc)).not.toBe(id);
  } finally {
    closeSync(proc);
  }
});

test.each([
  ['a disk', ['8:1 / /', '8:2 / /srv/data'], true],
  ['nothing', ['8:1 / /'], false],
  ['only what contains it', ['8:1 / /', '8:2 / /srv'], false],
  ['itself', ['8:1 / /', '8:1 /srv/data /srv/data'], false],
  ['itself, on a disk', ['8:1 / /', '8:2 / /srv', '8:2 /data /srv/data'], false],
  ['another directory of the same disk', ['8:1 / /', '8:1 /disks/a /srv/data'], true],
  ['itself over a disk', ['8:1 / /', '8:2 / /srv/data', '8:2 / /srv/data'], true],
  ['a subvolume', ['0:30 /@ /', '0:30 /@data /srv/data'], true],
  [
    'a neighbour of almost its name',
    ['8:1 / /', '8:2 / /srv/dat', '8:1 /srv/data /srv/data'],
    false,
  ],
] as const)('mounted over: %s', (_, lines, expected) => {
  const mounts = parseMountInfo(
    lines.map((line, index) => `${index} 1 ${line} rw - ext4 x rw`).join('\n'),
  );
  expect(isMountedOver('/srv/data', mounts)).toBe(expected);
});
