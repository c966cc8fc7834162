import { stripVTControlCharacters } from 'node:util';
import { harmless } from './printable.ts';
import type { Style } from './style.ts';

/** Small pieces of text for people: counts, widths, wrapping. */

/** `12,345` */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 file`, `12,345 files`. */
export function counted(count: number, singular: string, plural = `${singular}s`): string {
  return `${grouped(count)} ${count === 1 ? singular : plural}`;
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;

/** Milliseconds as people type them: `36h` comes back as `1d12h`. */
export function durationText(milliseconds: number): string {
  let rest = Math.round(milliseconds);
  const parts: string[] = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.length === 0 ? '0s' : parts.join('');
}

/** Seconds in at most two units, for something that goes on: `9 s`, `2 m 5 s`, `1 h 2 m`. */
export function elapsedText(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} m ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
}

/** Seconds that were guessed, no more exact than the guess: `5 s`, `2 m`, `1 h 20 m`. */
export function roughly(seconds: number): string {
  if (seconds <= 55) return `${Math.max(5, Math.ceil(seconds / 5) * 5)} s`;
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (minutes < 60) return `${minutes} m`;
  const tens = Math.round(minutes / 10);
  const rest = (tens % 6) * 10;
  return `${Math.floor(tens / 6)} h${rest === 0 ? '' : ` ${rest} m`}`;
}

/** A message of ours; where the terminal shows ASCII alone an emoji would be a row of escapes. */
export function readable(message: string, style: Style): string {
  if (style.unicode) return message;
  return message.replace(/[\p{Extended_Pictographic}\uFE0F\u200D]+\s*/gu, '');
}

/** Text from outside, safe for this terminal. */
export function shown(text: string, style: Style): string {
  return harmless(text, !style.unicode);
}

const WIDE = new RegExp(
  '[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\ua960-\\ua97f\\uac00-\\ud7a3\\uf900-\\ufaff' +
    '\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6\\u{1f300}-\\u{1f64f}\\u{1f680}-\\u{1f6ff}' +
    '\\u{1f900}-\\u{1faff}\\u{20000}-\\u{3fffd}]',
  'u',
);

/** Columns that the text takes, colour codes not counted. */
export function textWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of stripVTControlCharacters(text)) {
    if (/[\p{M}\p{Cf}]/u.test(character)) continue;
    width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}

/**
 * Breaks at spaces; lines after the first begin with `indent` spaces. A word that is longer than a
 * line (a path) stays whole, so that it can be copied.
 */
export function wrap(text: string, width: number, indent: number): string[] {
  if (textWidth(text) <= width) return [text];
  const lines: string[] = [];
  let line = '';
  let gap = '';
  let empty = true;
  for (const part of text.match(/ +|[^ ]+/g) ?? []) {
    if (part.startsWith(' ')) {
      gap = part;
      continue;
    }
    if (!empty && textWidth(line + gap + part) > width) {
      lines.push(line);
      line = ' '.repeat(indent) + part;
    } else {
      line += gap + part;
    }
    empty = false;
    gap = '';
  }
  lines.push(line);
  return lines;
}

/** Cuts to at most `width` columns; for text without colour codes. */
export function cut(text: string, width: number, ellipsis: string): string {
  if (textWidth(text) <= width) return text;
  let kept = '';
  let used = ellipsis.length;
  for (const character of text) {
    used += textWidth(character);
    if (used > width) break;
    kept += character;
  }
  return kept + ellipsis;
}

export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
