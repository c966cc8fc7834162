import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { colorLevel, hasUnicode, makeStyle, styleFor, widthOf } from './terminal.ts';
import type { Environment } from '../config/find.ts';
import type { Terminal } from './terminal.ts';

test.each<[string, boolean, Environment, boolean, number]>([
  ['a terminal', false, { TERM: 'xterm' }, true, 1],
  ['a pipe', false, { TERM: 'xterm' }, false, 0],
  ['a dumb terminal', false, { TERM: 'dumb' }, true, 0],
  ['--no-color over all', true, { FORCE_COLOR: '3' }, true, 0],
  ['NO_COLOR over FORCE_COLOR', false, { NO_COLOR: '1', FORCE_COLOR: '1' }, true, 0],
  ['an empty NO_COLOR', false, { NO_COLOR: '' }, true, 1],
  ['FORCE_COLOR in a pipe', false, { FORCE_COLOR: '' }, false, 1],
  ['FORCE_COLOR=0 on a terminal', false, { FORCE_COLOR: '0' }, true, 0],
  ['FORCE_COLOR=3', false, { FORCE_COLOR: '3' }, false, 3],
])('colour: %s', (_, noColor, env, isTTY, level) => {
  expect(colorLevel({ noColor, env, isTTY })).toBe(level);
});

test.each<[Environment, boolean]>([
  [{ LANG: 'en_GB.UTF-8' }, true],
  [{ LANG: 'de_DE.utf8' }, true],
  [{ LANG: 'C' }, false],
  [{}, false],
  [{ LC_ALL: 'C', LANG: 'en_GB.UTF-8' }, false],
  [{ LC_ALL: '', LANG: 'en_GB.UTF-8' }, true],
  [{ LANG: 'en_GB.UTF-8', TERM: 'linux' }, false],
])('Unicode: %o is %s', (env, unicode) => {
  expect(hasUnicode(env)).toBe(unicode);
});

test('width', () => {
  expect(widthOf(true, 132, {})).toBe(132);
  expect(widthOf(true, 0, {})).toBe(80);
  expect(widthOf(false, undefined, {})).toBe(Infinity);
  expect(widthOf(false, undefined, { COLUMNS: '80' })).toBe(80);
  expect(widthOf(false, undefined, { COLUMNS: 'wide' })).toBe(Infinity);
});

describe('style', () => {
  test('stdout and stderr differ when only one is a terminal', async () => {
    const terminal: Terminal = {
      stdin: new PassThrough(),
      stdout: new PassThrough(),
      stderr: new PassThrough(),
      stdinIsTTY: true,
      stdoutIsTTY: false,
      stderrIsTTY: true,
      stdoutColumns: undefined,
      stderrColumns: 100,
      stderrIsJournal: false,
      env: { LANG: 'C.UTF-8', TERM: 'xterm' },
    };
    const stdout = await styleFor(terminal, 'stdout', false);
    const stderr = await styleFor(terminal, 'stderr', false);
    expect([stdout.red('x'), stdout.width]).toEqual(['x', Infinity]);
    expect([stderr.red('x'), stderr.width]).toEqual(['\x1b[31mx\x1b[39m', 100]);
  });

  test('without Unicode it has ASCII symbols', async () => {
    const style = await makeStyle({ level: 1, width: 80, unicode: false });
    expect(style.symbols.error).toBe('x');
  });
});
