import {
  chmodSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { requireOrSkip } from '../../test/support/requirements.ts';
import { writeAtomically } from './atomic-file.ts';
import { openLogFile } from './log-file.ts';
import { makeOwnDirectory, openPlace, whyForeign } from './safe-place.ts';

const STRANGER = 1234;
let top: string;
let victim: string;

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'media-cleanup-place-'));
  victim = join(top, 'victim');
  writeFileSync(victim, 'secret', { mode: 0o600 });
});

afterEach(() => {
  rmSync(top, { recursive: true });
});

/** A directory of somebody. */
function directory(name: string, mode: number, uid = 0): string {
  const path = join(top, name);
  mkdirSync(path);
  lchownSync(path, uid, uid);
  chmodSync(path, mode);
  return path;
}

function link(target: string, path: string, uid = 0): string {
  symlinkSync(target, path);
  lchownSync(path, uid, uid);
  return path;
}

function file(path: string, uid: number): string {
  writeFileSync(path, 'old\n');
  lchownSync(path, uid, uid);
  return path;
}

describe.skipIf(!requireOrSkip('root'))('a trap of another user', () => {
  test.each<[what: string, set: () => string]>([
    ['a link in a sticky directory', () => link(victim, join(directory('t', 0o1777), 'x'), 1234)],
    ['a link in their directory', () => link(victim, join(directory('t', 0o755, 1234), 'x'), 1234)],
    [
      'a link in a directory open to all',
      () => link(victim, join(directory('t', 0o777), 'x'), 1234),
    ],
    [
      'a link of their group',
      () => {
        const shared = directory('t', 0o775);
        return link(victim, join(shared, 'x'), STRANGER);
      },
    ],
    [
      'a link to a link',
      () => {
        const shared = directory('t', 0o1777);
        link(victim, join(shared, 'one'), STRANGER);
        return link(join(shared, 'one'), join(top, 'two'));
      },
    ],
    [
      'a second name of a file of root',
      () => {
        const shared = directory('t', 0o1777);
        linkSync(victim, join(shared, 'x'));
        return join(shared, 'x');
      },
    ],
    [
      'a second name of a link of root',
      () => {
        const theirs = directory('t', 0o755, STRANGER);
        linkSync(link(victim, join(top, 'own')), join(theirs, 'x'));
        return join(theirs, 'x');
      },
    ],
    [
      'a link in the middle of the path',
      () => {
        link(top, join(directory('t', 0o1777), 'logs'), STRANGER);
        return join(top, 't/logs/victim');
      },
    ],
  ])('%s: nothing is written', async (_, set) => {
    const place = set();
    const log = openLogFile(place);
    log.write('line');
    log.close();
    expect(log.problem()).toContain('(EFOREIGN)');
    await expect(writeAtomically(place, 'text')).rejects.toMatchObject({ code: 'EFOREIGN' });
    expect(readFileSync(victim, 'utf8')).toBe('secret');
    expect(lstatSync(victim).uid).toBe(0);
  });

  test('a file of a stranger where everybody may write gets no log', () => {
    const place = file(join(directory('t', 0o1777), 'x'), STRANGER);
    openLogFile(place).write('line');
    expect(readFileSync(place, 'utf8')).toBe('old\n');
  });
});

describe.skipIf(!requireOrSkip('root'))('what is meant so goes on working', () => {
  test.each<[what: string, set: () => string]>([
    ['a new file in /tmp', () => join(directory('t', 0o1777), 'x')],
    ['a file of ours in /tmp', () => file(join(directory('t', 0o1777), 'x'), 0)],
    ['a link of ours in /tmp', () => link('y', join(directory('t', 0o1777), 'x'))],
    ['a link in our directory, whoever made it', () => link('y', join(top, 'x'), STRANGER)],
    ['a link of ours to a directory', () => join(link(top, join(top, 'logs')), 'x')],
    [
      "a user's own file in their directory",
      () => file(join(directory('t', 0o755, 1234), 'x'), 1234),
    ],
    ['a new file in their directory', () => join(directory('t', 0o755, STRANGER), 'x')],
    ['a path with dots', () => join(directory('t', 0o755), '../t/./x')],
    [
      'two names of a file in our directory',
      () => {
        linkSync(file(join(top, 'y'), 0), join(top, 'x'));
        return join(top, 'x');
      },
    ],
  ])('%s', async (_, set) => {
    const place = set();
    const log = openLogFile(place);
    log.write('line');
    log.close();
    expect(log.problem()).toBeUndefined();
    expect(readFileSync(place, 'utf8')).toContain('line\n');
    await writeAtomically(place, 'text');
    expect(readFileSync(place, 'utf8')).toBe('text');
  });

  test.each(['/dev/stderr', '/dev/fd/2', '/proc/self/fd/2', '/proc/thread-self/fd/2'])(
    '%s',
    (name) => {
      const place = openPlace(name);
      place.close();
      if (!name.includes('thread')) expect(place.ownDescriptor).toBe(2);
    },
  );

  test('no descriptor stays open', () => {
    const count = (): number => readdirSync('/proc/self/fd').length;
    const before = count();
    for (let round = 0; round < 20; round += 1) {
      openPlace(join(top, 'a')).close();
      expect(() => openPlace(join(top, 'missing/a'))).toThrow();
      makeOwnDirectory(join(top, 'own/a'));
    }
    expect(count()).toBe(before);
  });
});

describe.skipIf(!requireOrSkip('root'))('a directory of our own', () => {
  test.each<[what: string, set: () => string, reason: RegExp]>([
    [
      'below the home of a user',
      () => join(directory('u', 0o755, 1234), 'a/state'),
      /u belongs to user 1234/,
    ],
    [
      'below what a group may write to',
      () => join(directory('g', 0o775), 'state'),
      /g may be written to/,
    ],
    [
      'below what all may write to',
      () => join(directory('w', 0o777), 'state'),
      /w may be written to/,
    ],
    [
      'behind a link of a user',
      () => join(link(top, join(directory('t', 0o1777), 'l'), 1234), 'state'),
      /l belongs to/,
    ],
    [
      'that a user made in /tmp',
      () => {
        const path = join(directory('t', 0o1777), 'state');
        mkdirSync(path);
        lchownSync(path, STRANGER, STRANGER);
        return path;
      },
      /state belongs to user 1234/,
    ],
  ])('%s is refused, and nothing is made', (_, set, reason) => {
    const path = set();
    const was = existsSync(path);
    expect(whyForeign(path)?.reason).toMatch(reason);
    expect(whyForeign(path)?.remedy).toMatch(/^ch(own -h root|mod go-w) \//);
    expect(() => {
      makeOwnDirectory(path);
    }).toThrow(reason);
    expect(existsSync(path)).toBe(was);
  });

  test.each<[what: string, set: () => string]>([
    ['below what is not there', () => join(top, 'a/b/c')],
    ['in a sticky directory', () => join(directory('t', 0o1777), 'state')],
    ['behind a link of root', () => join(link(directory('d', 0o755), join(top, 'l')), 'state')],
  ])('%s is made', (_, set) => {
    const path = set();
    expect(whyForeign(path)).toBeUndefined();
    makeOwnDirectory(path);
    expect(lstatSync(path).mode & 0o777).toBe(0o700);
  });
});
