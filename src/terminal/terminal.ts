import type { Readable, Writable } from 'node:stream';
import type { Environment } from '../config/find.ts';
import { plainStyle, ASCII_SYMBOLS, UNICODE_SYMBOLS } from '../report/style.ts';
import type { Style } from '../report/style.ts';

/** The outside as main.ts hands it in: streams, what they are, and the environment. */
export interface Terminal {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly stdinIsTTY: boolean;
  readonly stdoutIsTTY: boolean;
  readonly stderrIsTTY: boolean;
  /** Undefined when the stream is no terminal. */
  readonly stdoutColumns: number | undefined;
  readonly stderrColumns: number | undefined;
  /** stderr is systemd's journal, which reads priorities. */
  readonly stderrIsJournal: boolean;
  readonly env: Environment;
}

export type ColorLevel = 0 | 1 | 2 | 3;

/** `--no-color`, then NO_COLOR (https://no-color.org), then FORCE_COLOR, then what the stream is. */
export function colorLevel(options: {
  readonly noColor: boolean;
  readonly env: Environment;
  readonly isTTY: boolean;
}): ColorLevel {
  const { NO_COLOR, FORCE_COLOR, TERM } = options.env;
  if (options.noColor || (NO_COLOR !== undefined && NO_COLOR !== '')) return 0;
  if (FORCE_COLOR !== undefined) return forcedLevel(FORCE_COLOR);
  return options.isTTY && TERM !== 'dumb' ? 1 : 0;
}

/** As Node's own `getColorDepth` reads it; 16 colours are all that is used. */
function forcedLevel(value: string): ColorLevel {
  if (value === '0' || value === 'false') return 0;
  return value === '2' ? 2 : value === '3' ? 3 : 1;
}

/** Whether the locale is UTF-8; the Linux console's font has no such symbols. */
export function hasUnicode(env: Environment): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((value) => value);
  return env['TERM'] !== 'linux' && /utf-?8/i.test(locale ?? '');
}

/** Columns of a terminal; without one COLUMNS, else no wrapping, so that grep sees whole lines. */
export function widthOf(isTTY: boolean, columns: number | undefined, env: Environment): number {
  if (isTTY) return columns !== undefined && columns > 0 ? columns : 80;
  const wanted = Number(env['COLUMNS']);
  return Number.isInteger(wanted) && wanted > 0 ? wanted : Infinity;
}

/** How to write on stdout or stderr; each may be a terminal or not on its own. */
export function styleFor(
  terminal: Terminal,
  stream: 'stdout' | 'stderr',
  noColor: boolean,
): Promise<Style> {
  const isTTY = stream === 'stdout' ? terminal.stdoutIsTTY : terminal.stderrIsTTY;
  const columns = stream === 'stdout' ? terminal.stdoutColumns : terminal.stderrColumns;
  return makeStyle({
    level: colorLevel({ noColor, env: terminal.env, isTTY }),
    width: widthOf(isTTY, columns, terminal.env),
    unicode: hasUnicode(terminal.env),
  });
}

export async function makeStyle(look: {
  readonly level: ColorLevel;
  readonly width: number;
  readonly unicode: boolean;
}): Promise<Style> {
  if (look.level === 0) return plainStyle(look.width, look.unicode);
  const { Chalk } = await import('chalk');
  const chalk = new Chalk({ level: look.level });
  return {
    width: look.width,
    unicode: look.unicode,
    bold: (text) => chalk.bold(text),
    dim: (text) => chalk.dim(text),
    red: (text) => chalk.red(text),
    green: (text) => chalk.green(text),
    yellow: (text) => chalk.yellow(text),
    symbols: look.unicode ? UNICODE_SYMBOLS : ASCII_SYMBOLS,
  };
}
