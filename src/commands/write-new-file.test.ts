import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { writeNewFile } from './write-new-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'media-cleanup-write-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('one that came meanwhile is left alone, and nothing is left beside it', () => {
  const path = join(folder, 'a');
  writeFileSync(path, 'theirs');
  expect(writeNewFile(path, 'ours', false)).toBe(false);
  expect(readFileSync(path, 'utf8')).toBe('theirs');
  expect(readdirSync(folder)).toEqual(['a']);
});

test('replacing goes through a link and keeps it', () => {
  symlinkSync('a', join(folder, 'link'));
  expect(writeNewFile(join(folder, 'link'), 'ours', true)).toBe(true);
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('ours');
  expect(
    readdirSync(folder, { withFileTypes: true })
      .find(({ name }) => name === 'link')
      ?.isSymbolicLink(),
  ).toBe(true);
});
