import { execFileSync } from 'node:child_process';
import {
  closeSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  appendToOwnFile,
  openToAppend,
  readOwnFile,
  touchOwnFile,
  writeOwnFile,
} from './own-file.ts';

let top: string;
let victim: string;
let place: string;

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'media-cleanup-own-'));
  victim = join(top, 'victim');
  place = join(top, 'run.json');
  writeFileSync(victim, 'secret');
});

afterEach(() => {
  expect(readFileSync(victim, 'utf8')).toBe('secret');
  rmSync(top, { recursive: true });
});

const PLANTED: readonly (readonly [what: string, plant: () => void])[] = [
  ['a link', () => symlinkSync(victim, place)],
  ['a second name of another file', () => linkSync(victim, place)],
  ['a pipe', () => void execFileSync('mkfifo', [place])],
];

describe.each(PLANTED)('%s in the place of a file', (what, plant) => {
  test('is replaced by a new file', () => {
    plant();
    writeOwnFile(place, 'text');
    expect(lstatSync(place)).toMatchObject({ nlink: 1, mode: 0o100600 });
    expect(readFileSync(place, 'utf8')).toBe('text');
  });

  test('is not appended to, and not touched', () => {
    plant();
    const before = lstatSync(victim).mtimeMs;
    expect(() => {
      appendToOwnFile(place, 'text');
    }).toThrow();
    expect(() => openToAppend(place)).toThrow();
    expect(() => {
      touchOwnFile(place);
    }).toThrow();
    expect(lstatSync(victim).mtimeMs).toBe(before);
  });

  test.skipIf(what.includes('second'))('is not read', () => {
    plant();
    expect(() => readOwnFile(place)).toThrow();
  });
});

test('a file of ours is written, appended to, touched and read', () => {
  writeOwnFile(place, 'one ');
  appendToOwnFile(place, 'two');
  closeSync(openToAppend(place));
  touchOwnFile(place);
  expect(readOwnFile(place)).toMatchObject({ text: 'one two', inode: lstatSync(place).ino });
});
