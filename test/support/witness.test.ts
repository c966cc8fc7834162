import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from './folder.ts';
import { allocatedBytes, countFiles, entryList, fileList, treeHash } from './witness.ts';

function tree(): string {
  const folder = testFolder();
  mkdirSync(join(folder, 'deep'));
  writeFileSync(join(folder, 'deep/äöü'), 'x'.repeat(5000));
  writeFileSync(join(folder, 'line\nbreak'), '');
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x61, 0xff])]), '');
  symlinkSync('nowhere', join(folder, 'link'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  return folder;
}

test('lists every file whatever its name', () => {
  const folder = tree();
  expect(fileList(folder)).toEqual(['a\\xff', 'deep/äöü', 'line\nbreak', 'link', 'pipe']);
  expect(entryList(folder)).toContain('deep');
  expect(countFiles(folder)).toBe(5);
});

test('counts blocks, a file with two names once', () => {
  const folder = tree();
  const before = allocatedBytes(folder);
  expect(before).toBe(8192);
  linkSync(join(folder, 'deep/äöü'), join(folder, 'second name'));
  expect(allocatedBytes(folder)).toBe(before);
  execFileSync('truncate', ['--size=1G', join(folder, 'sparse')]);
  expect(allocatedBytes(folder)).toBe(before);
});

test('the hash changes with name, content, mode, link target and time', () => {
  const folder = tree();
  const file = join(folder, 'deep/äöü');
  const fixed = new Date('2025-01-01T00:00:00Z');
  utimesSync(file, fixed, fixed);
  const before = treeHash(folder);
  expect(treeHash(folder)).toBe(before);
  const changes: [change: () => void, undo: () => void][] = [
    [() => writeFileSync(file, 'y'), () => writeFileSync(file, 'x'.repeat(5000))],
    [() => chmodSync(file, 0o600), () => chmodSync(file, 0o644)],
    [() => utimesSync(file, 0, 0), () => undefined],
  ];
  for (const [change, undo] of changes) {
    change();
    expect(treeHash(folder)).not.toBe(before);
    undo();
    utimesSync(file, fixed, fixed);
    expect(treeHash(folder)).toBe(before);
  }
  execFileSync('ln', ['-sfn', 'elsewhere', join(folder, 'link')]);
  expect(treeHash(folder)).not.toBe(before);
});
