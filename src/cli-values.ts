import { InvalidArgumentError } from 'commander';
import { CannotStart } from './errors.ts';
import { KINDS } from './report/types.ts';
import type { Kind } from './report/types.ts';

/** Values of flags: text to number, list or URL. Each throws InvalidArgumentError with one phrase. */

/** Said twice, both count: the last one alone would remove what the first one keeps. */
export function parseKinds(text: string, earlier: readonly Kind[] = []): readonly Kind[] {
  const words = text.split(',').map((word) => word.trim());
  for (const word of words) {
    if (!(KINDS as readonly string[]).includes(word)) {
      throw new InvalidArgumentError(`"${word}" is none of ${KINDS.join(', ')}.`);
    }
  }
  return [...earlier, ...(words as readonly Kind[])];
}

export function parseAtLeastOne(text: string): number {
  const count = parseCount(text);
  if (count < 1 || count > 1024) throw new InvalidArgumentError('It must be between 1 and 1024.');
  return count;
}

/** Keys a second of `5000` or `5000/s`. */
export function parseRate(text: string): number {
  const rate = parseCount(text.replace(/\/s$/, ''));
  if (rate < 1) throw new InvalidArgumentError('It must be at least 1.');
  return rate;
}

export function parseCount(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
};

/** Bytes of `500`, `20GB`, `1.5G`, `512MiB`; a unit is a power of 1024, as MB is in the report. */
export function parseSize(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text) ?? [];
  const factor = unit === undefined ? undefined : UNITS[unit.toUpperCase()];
  if (number === undefined || factor === undefined) {
    throw new InvalidArgumentError('It must be a size like 500MB, 20GB or a number of bytes.');
  }
  const bytes = Math.floor(Number(number) * factor);
  // A cap that no number can be above would be none.
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError('It must be at most 8191T.');
  return bytes;
}

const DURATIONS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A hundred years: `now` less this duration is still a valid Date, and no operator needs more. */
const MOST_DAYS = 36_500;

/** Whole milliseconds of `500ms`, `40s`, `10m`, `1.5h`, `7d`, `1h30m`; and of `0`. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)];
  if (text !== '0' && (text === '' || parts.map(([part]) => part).join('') !== text)) {
    throw new InvalidArgumentError('It must be a duration like 40s, 10m, 1h30m or 7d.');
  }
  const milliseconds = parts.reduce(
    (sum, [, number, unit]) => sum + Number(number) * (DURATIONS[unit ?? ''] ?? 0),
    0,
  );
  if (milliseconds > MOST_DAYS * 86_400_000) {
    throw new InvalidArgumentError(`It must be at most ${MOST_DAYS}d.`);
  }
  return Math.round(milliseconds);
}

export function parseSomeTime(text: string): number {
  const duration = parseDuration(text);
  if (duration < 1) throw new InvalidArgumentError('It must be at least 1ms.');
  return duration;
}

/** @throws CannotStart, and not commander's error, which repeats what may be a secret. */
export function parsePingUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new CannotStart('usage', '--ping-url must be an http:// or https:// URL.');
  }
  return url;
}
