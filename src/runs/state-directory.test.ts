import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makePrivateDirectory, stateDirectory } from './state-directory.ts';

const isRoot = process.getuid?.() === 0;

describe('where it is', () => {
  const at = (options: { flag?: string; xdg?: string; home?: string }): string =>
    stateDirectory({
      flag: options.flag,
      env: options.xdg === undefined ? {} : { XDG_STATE_HOME: options.xdg },
      workingDirectory: '/srv/stack',
      home: options.home,
    });

  test('--state-dir first, relative to the working directory', () => {
    expect(at({ flag: 'state', xdg: '/xdg', home: '/home/ops' })).toBe('/srv/stack/state');
    expect(at({ flag: '/state', xdg: '/xdg' })).toBe('/state');
  });

  test('then XDG_STATE_HOME, when it is absolute', () => {
    expect(at({ xdg: '/xdg', home: '/home/ops' })).toBe('/xdg/media-cleanup');
    expect(at({ xdg: 'relative', home: '/home/ops' })).toBe(at({ home: '/home/ops' }));
    expect(at({ xdg: '', home: '/home/ops' })).toBe(at({ home: '/home/ops' }));
  });

  test('then for root /var/lib, for others their home', () => {
    const own = isRoot ? '/var/lib/media-cleanup' : '/home/ops/.local/state/media-cleanup';
    expect(at({ home: '/home/ops' })).toBe(own);
    expect(at({})).toBe('/var/lib/media-cleanup');
  });
});

describe('makePrivateDirectory', () => {
  let top: string;
  const refused = expect.objectContaining({ code: 'EFOREIGN' }) as Error;
  const attempt = (path: string) => () => makePrivateDirectory(path, 'runs');

  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'media-cleanup-state-'));
  });

  afterEach(() => {
    rmSync(top, { recursive: true });
  });

  test('makes those above it as well, all for the owner alone', () => {
    const path = makePrivateDirectory(join(top, 'a/b'), 'runs');
    expect(path).toBe(join(top, 'a/b/runs'));
    for (const directory of ['a', 'a/b', 'a/b/runs']) {
      expect(lstatSync(join(top, directory)).mode & 0o777, directory).toBe(0o700);
    }
    expect(makePrivateDirectory(join(top, 'a/b'), 'runs')).toBe(path);
  });

  test('refuses what others may write to', () => {
    mkdirSync(join(top, 'runs'));
    chmodSync(join(top, 'runs'), 0o770);
    expect(attempt(top)).toThrow(refused);
    chmodSync(join(top, 'runs'), 0o700);
    chmodSync(top, 0o777);
    expect(attempt(top)).toThrow(refused);
    // As /tmp is: nobody takes away there what is ours.
    chmodSync(top, 0o1777);
    expect(attempt(top)).not.toThrow();
  });

  test('refuses a link, and a file', () => {
    mkdirSync(join(top, 'elsewhere'));
    symlinkSync(join(top, 'elsewhere'), join(top, 'runs'));
    expect(attempt(top)).toThrow(refused);
    expect(attempt(join(top, 'elsewhere'))).not.toThrow();
    symlinkSync(join(top, 'elsewhere'), join(top, 'state'));
    expect(attempt(join(top, 'state'))).not.toThrow();
  });
});
