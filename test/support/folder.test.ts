import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createFolder, mountAt } from './folder.ts';
import { requireOrSkip } from './requirements.ts';

test('a fresh folder, deep enough for the guards, gone afterwards', () => {
  const one = createFolder();
  const two = createFolder();
  expect(one.path).not.toBe(two.path);
  expect(one.path.split('/').length).toBeGreaterThan(3);
  one.remove();
  one.remove();
  expect(existsSync(dirname(one.path))).toBe(false);
  expect(existsSync(two.path)).toBe(true);
  two.remove();
});

test('removes closed directories and odd names', () => {
  const folder = createFolder();
  mkdirSync(join(folder.path, 'closed/inner'), { recursive: true });
  writeFileSync(join(folder.path, 'closed/inner/a\nb'), '');
  writeFileSync(Buffer.concat([Buffer.from(`${folder.path}/`), Buffer.from([0xff, 0xfe])]), '');
  chmodSync(join(folder.path, 'closed'), 0o000);
  folder.remove();
  expect(existsSync(dirname(folder.path))).toBe(false);
});

describe.skipIf(!requireOrSkip('root', 'mount', 'chattr'))('as root', () => {
  test('removes immutable files and mounts, and nothing that was mounted', () => {
    const kept = createFolder();
    writeFileSync(join(kept.path, 'file'), '');
    const folder = createFolder();
    mountAt(join(folder.path, 'bound'), ['--bind', kept.path]);
    mountAt(join(folder.path, 'small disk'), ['-t', 'tmpfs', '-o', 'size=1m', 'none']);
    mountAt(join(folder.path, 'small disk/inner'), ['-t', 'tmpfs', '-o', 'size=1m', 'none']);
    writeFileSync(join(folder.path, 'fixed'), '');
    execFileSync('chattr', ['+i', join(folder.path, 'fixed')]);
    folder.remove();
    expect(existsSync(dirname(folder.path))).toBe(false);
    expect(existsSync(join(kept.path, 'file'))).toBe(true);
    kept.remove();
  });

  test('mounts nowhere else', () => {
    expect(() => mountAt('/mnt', ['-t', 'tmpfs', 'none'])).toThrow('not in a test folder');
  });
});
