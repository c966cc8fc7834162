import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CannotStart } from '../errors.ts';
import { findConfigFile } from './find.ts';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'media-cleanup-find-'));
});
afterEach(() => rmSync(base, { recursive: true }));

const find = (flag?: string, env: Record<string, string> = {}) =>
  findConfigFile({
    flag,
    env,
    cwd: join(base, 'work'),
    home: join(base, 'home'),
    system: join(base, 'etc'),
  });

function file(...parts: readonly string[]): string {
  const name = join(base, ...parts);
  mkdirSync(dirname(name), { recursive: true });
  writeFileSync(name, '{}');
  return name;
}

function failure(action: () => unknown): CannotStart {
  try {
    action();
  } catch (error) {
    if (error instanceof CannotStart) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test('the order: flag, environment, working directory, user, system', () => {
  const system = file('etc', 'media-cleanup', 'cleanup.config.json');
  expect(find()).toBe(system);
  const home = file('home', '.config', 'media-cleanup', 'cleanup.config.json');
  expect(find()).toBe(home);
  const xdg = file('xdg', 'media-cleanup', 'cleanup.config.json');
  const env: Record<string, string> = { XDG_CONFIG_HOME: join(base, 'xdg') };
  expect(find(undefined, env)).toBe(xdg);
  const work = file('work', 'cleanup.config.json');
  expect(find(undefined, env)).toBe(work);
  const named = file('work', 'named.json');
  env['MEDIA_CLEANUP_CONFIG'] = 'named.json';
  expect(find(undefined, env)).toBe(named);
  const flag = file('flag.json');
  expect(find('../flag.json', env)).toBe(flag);
  expect(find(flag, env)).toBe(flag);
});

test('an empty or relative XDG_CONFIG_HOME and an empty MEDIA_CLEANUP_CONFIG count as unset', () => {
  const home = file('home', '.config', 'media-cleanup', 'cleanup.config.json');
  expect(find(undefined, { XDG_CONFIG_HOME: '', MEDIA_CLEANUP_CONFIG: '' })).toBe(home);
  expect(find(undefined, { XDG_CONFIG_HOME: 'relative' })).toBe(home);
});

test('a named file that does not exist is never replaced by another', () => {
  file('work', 'cleanup.config.json');
  const missing = join(base, 'work', 'missing.json');
  expect(failure(() => find('missing.json')).message).toBe(
    `the config file ${missing}, named by --config, does not exist`,
  );
  expect(failure(() => find(undefined, { MEDIA_CLEANUP_CONFIG: missing })).message).toBe(
    `the config file ${missing}, named by $MEDIA_CLEANUP_CONFIG, does not exist`,
  );
  expect(failure(() => find('')).message).toBe('--config names no file: give it a path');
});

test('a dangling link is found, and not passed over in silence', () => {
  file('etc', 'media-cleanup', 'cleanup.config.json');
  mkdirSync(join(base, 'work'));
  symlinkSync('/nowhere/at/all', join(base, 'work', 'cleanup.config.json'));
  expect(find()).toBe(join(base, 'work', 'cleanup.config.json'));
});

test('none found: every place is named', () => {
  const error = failure(() => find());
  expect(error.exitCode).toBe(2);
  expect(error.message).toBe(
    'no cleanup.config.json found: pass --config <file>, or write one with media-cleanup init',
  );
  expect(error.problems).toEqual([
    { path: '$MEDIA_CLEANUP_CONFIG', message: 'is not set' },
    { path: join(base, 'work/cleanup.config.json'), message: 'does not exist' },
    {
      path: join(base, 'home/.config/media-cleanup/cleanup.config.json'),
      message: 'does not exist',
    },
    { path: join(base, 'etc/media-cleanup/cleanup.config.json'), message: 'does not exist' },
  ]);
});
