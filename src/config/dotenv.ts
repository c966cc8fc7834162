/**
 * `.env` files as Docker Compose reads them. Not util.parseEnv: that came with Node 20.12, and it
 * neither tells quoted from unquoted values (only the latter hold variables) nor reads `NAME: value`.
 */
import { interpolate } from './interpolate.ts';
import type { Interpolated, Lookup } from './interpolate.ts';

export interface EnvEntry {
  readonly raw: string;
  /** In single quotes: a `$` is a `$`. */
  readonly literal: boolean;
  /** From 1. */
  readonly line: number;
}

export interface EnvFile {
  readonly entries: ReadonlyMap<string, EnvEntry>;
  /** Lines, from 1, that are no assignment. */
  readonly unread: readonly number[];
}

const ASSIGNMENT = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*(?:=|:(?=\s|$))[^\S\n]*/;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/** The last assignment of a name wins. */
export function parseDotenv(source: string): EnvFile {
  const entries = new Map<string, EnvEntry>();
  const unread: number[] = [];
  const lines = source
    .replace(/^\uFEFF/, '')
    .replaceAll('\r\n', '\n')
    .split('\n');
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (/^\s*(?:#|$)/.test(line)) continue;
    const match = ASSIGNMENT.exec(line);
    if (match?.[1] === undefined) {
      unread.push(index + 1);
      continue;
    }
    const rest = line.slice(match[0].length);
    const quote = rest[0];
    if (quote !== '"' && quote !== "'") {
      const raw = rest.replace(/(?:^|\s)#.*$/, '').trim();
      entries.set(match[1], { raw, literal: false, line: index + 1 });
      continue;
    }
    // A quoted value may go on over lines; one that never ends is taken for its first line.
    const start = index + 1;
    let end = index;
    let text = rest.slice(1);
    let close = closingQuote(text, quote);
    while (close === -1 && end + 1 < lines.length && end - index < 200) {
      end += 1;
      text += `\n${lines[end] ?? ''}`;
      close = closingQuote(text, quote);
    }
    if (close === -1) {
      unread.push(index + 1);
      continue;
    }
    const inside = text.slice(0, close);
    const raw =
      quote === "'"
        ? inside
        : inside.replace(/\\([\\"nrt])/g, (_, letter: string) => ESCAPES[letter] ?? letter);
    entries.set(match[1], { raw, literal: quote === "'", line: start });
    index = end;
  }
  return { entries, unread };
}

/** Values with their variables put in: from `outer` first, then from the file itself. */
export function expandEnvFile(file: EnvFile, outer: Lookup): ReadonlyMap<string, Interpolated> {
  const values = new Map<string, Interpolated>();
  const lookup: Lookup = (name) => outer(name) ?? values.get(name)?.text;
  for (const [name, { raw, literal }] of file.entries) {
    const value = literal
      ? { text: raw, pieces: [{ text: raw, variable: undefined }], missing: [] }
      : interpolate(raw, lookup);
    values.set(name, value);
  }
  return values;
}

function closingQuote(text: string, quote: string): number {
  for (let at = 0; at < text.length; at += 1) {
    if (quote === '"' && text[at] === '\\') at += 1;
    else if (text[at] === quote) return at;
  }
  return -1;
}
