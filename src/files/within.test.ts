import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mountAt, testFolder } from '../../test/support/folder.ts';
import { requireOrSkip } from '../../test/support/requirements.ts';
import { readMounts } from './mounts.ts';
import { createWithin } from './within.ts';

test.each([
  ['/a/b', '/a/b', true],
  ['/a/b/c', '/a/b', true],
  ['/a/bc', '/a/b', false],
  ['/a', '/a/b', false],
  ['/a', '/', true],
  ['/', '/', true],
  ['/', '/a', false],
])('%s within %s: %s', (inner, outer, expected) => {
  expect(createWithin([])(inner, outer)).toBe(expected);
  expect(createWithin(undefined)(inner, outer)).toBe(expected);
});

test('two mounts that only share a name are two places', () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'one/in'), { recursive: true });
  mkdirSync(join(folder, 'other/in'), { recursive: true });
  // As NFS shows two exports of one server.
  const within = createWithin([
    { device: '0:9', root: '/', point: join(folder, 'one'), type: 'ext4', pointBytes: '' },
    { device: '0:9', root: '/', point: join(folder, 'other'), type: 'ext4', pointBytes: '' },
  ]);
  expect(within(join(folder, 'one'), join(folder, 'other'))).toBe(false);
  expect(within(join(folder, 'one/in'), join(folder, 'other'))).toBe(false);
});

describe.skipIf(!requireOrSkip('root', 'mount'))('through a bind mount', () => {
  test('the same directory, one inside it and one that contains it', () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'data/a/b'), { recursive: true });
    mountAt(join(folder, 'view'), ['--bind', join(folder, 'data/a')]);
    const within = createWithin(readMounts());
    expect(within(join(folder, 'view'), join(folder, 'data/a'))).toBe(true);
    expect(within(join(folder, 'data/a'), join(folder, 'view'))).toBe(true);
    expect(within(join(folder, 'view/b'), join(folder, 'data/a'))).toBe(true);
    expect(within(join(folder, 'data/a/b'), join(folder, 'view'))).toBe(true);
    expect(within(join(folder, 'view'), join(folder, 'data'))).toBe(true);
    expect(within(join(folder, 'data'), join(folder, 'view'))).toBe(false);
    expect(within(join(folder, 'data/a'), join(folder, 'view/b'))).toBe(false);
  });
});
