/**
 * Glob patterns of Redis keys, read as Redis reads MATCH (`stringmatchlen` in util.c): `*`, `?`,
 * `[abc]`, `[^a-z]`, and a backslash before a literal character. Pure, on bytes.
 */

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CARET = 0x5e;
const DASH = 0x2d;
const BACKSLASH = 0x5c;

/**
 * Whether the whole key matches. Takes at most pattern length × key length steps: only the last star
 * is tried again, so no pattern makes it run for long.
 */
export function matchesKeyPattern(pattern: Buffer, key: Buffer): boolean {
  let at = 0;
  let position = 0;
  let afterStar = -1;
  let starAt = 0;
  while (position < key.length) {
    if (pattern[at] === STAR) {
      at += 1;
      afterStar = at;
      starAt = position;
      continue;
    }
    const next = at < pattern.length ? matchOne(pattern, at, key[position] as number) : -1;
    if (next >= 0) {
      at = next;
      position += 1;
    } else if (afterStar >= 0) {
      starAt += 1;
      at = afterStar;
      position = starAt;
    } else {
      return false;
    }
  }
  while (pattern[at] === STAR) at += 1;
  return at === pattern.length;
}

/**
 * Whether a key that begins so can match. Takes at most pattern length × text length steps.
 */
export function canMatchBeginning(pattern: Buffer, beginning: Buffer): boolean {
  /** Where the pattern can stand after the bytes so far: each place can go on to a whole match. */
  let places = afterStars(pattern, [0]);
  for (const byte of beginning) {
    const next = [...places].flatMap((at) => {
      if (pattern[at] === STAR) return [at];
      const after = at < pattern.length ? matchOne(pattern, at, byte) : -1;
      return after >= 0 ? [after] : [];
    });
    if (next.length === 0) return false;
    places = afterStars(pattern, next);
  }
  return true;
}

/** The places, and those that are reached by letting stars match nothing. */
function afterStars(pattern: Buffer, places: readonly number[]): ReadonlySet<number> {
  const all = new Set<number>();
  for (let at of places) {
    while (pattern[at] === STAR && !all.has(at)) all.add(at++);
    all.add(at);
  }
  return all;
}

/** Whether a text is a pattern and not a plain name. */
export function isKeyPattern(text: string): boolean {
  return /[*?[\\]/.test(text);
}

/**
 * A pattern that SCAN may be asked with: some versions of Redis take exponential time for many stars,
 * and serve nobody meanwhile (CVE-2022-36021). Of one with more than one star only the text at its
 * start is kept, so what it finds is to be matched again.
 */
export function scanPattern(pattern: Buffer): Buffer {
  let stars = 0;
  let special = -1;
  for (let at = 0; at < pattern.length; at++) {
    const byte = pattern[at];
    if (byte === STAR) stars += 1;
    if (special === -1 && (byte === STAR || byte === OPEN)) special = at;
    if (byte === BACKSLASH) at += 1;
  }
  if (stars < 2) return pattern;
  return Buffer.concat([pattern.subarray(0, special), Buffer.of(STAR)]);
}

/** Where the pattern goes on after one byte of the key; -1: the byte does not match. */
function matchOne(pattern: Buffer, at: number, byte: number): number {
  const wanted = pattern[at];
  if (wanted === QUESTION) return at + 1;
  if (wanted === OPEN) return matchSet(pattern, at + 1, byte);
  if (wanted === BACKSLASH && at + 1 < pattern.length) {
    return pattern[at + 1] === byte ? at + 2 : -1;
  }
  return wanted === byte ? at + 1 : -1;
}

/** @param from the byte after `[`. A set that is never closed ends with the pattern, as in Redis. */
function matchSet(pattern: Buffer, from: number, byte: number): number {
  const isNegated = pattern[from] === CARET;
  let at = isNegated ? from + 1 : from;
  let isIn = false;
  while (at < pattern.length && pattern[at] !== CLOSE) {
    if (pattern[at] === BACKSLASH && at + 1 < pattern.length) at += 1;
    const first = pattern[at] as number;
    if (pattern[at + 1] === DASH && at + 2 < pattern.length) {
      const last = pattern[at + 2] as number;
      isIn ||= byte >= Math.min(first, last) && byte <= Math.max(first, last);
      at += 3;
    } else {
      isIn ||= first === byte;
      at += 1;
    }
  }
  return isIn === isNegated ? -1 : Math.min(at + 1, pattern.length);
}
