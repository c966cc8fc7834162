/** Braces of a pattern written out, as bash does: `{a,b}`, `{1..9}`, `{01..10..3}`, `{a..e}`. Pure. */

/** More would make each match slow, and is a mistake like `{1..1000000000}`. */
const MOST_ALTERNATIVES = 1000;
/** No path is longer. */
const LONGEST = 4096;
const DEEPEST = 50;
const RANGE = /^(?:(-?\d{1,15})\.\.(-?\d{1,15})|([a-zA-Z])\.\.([a-zA-Z]))(?:\.\.-?(\d{1,15}))?$/;

/**
 * The patterns that a pattern with braces stands for, in the order in which they are written; braces
 * that stand for nothing, as in `{a}`, have a backslash in them. @throws SyntaxError when there are
 * more than 1,000, or the pattern is longer than a path can be.
 */
export function expandBraces(pattern: string): readonly string[] {
  if (pattern.length > LONGEST) throw new SyntaxError(`it is longer than ${LONGEST} characters`);
  return expand(pattern);
}

function expand(text: string): readonly string[] {
  const open = next(text, 0, '{');
  if (open === -1) return [closed(text)];
  const parts = partsOf(text, open);
  if (parts === undefined) {
    return product([[`${closed(text.slice(0, open))}\\{`], expand(text.slice(open + 1))]);
  }
  const inside = text.slice(open + 1, parts.close);
  const rest = expand(text.slice(parts.close + 1));
  const before = [closed(text.slice(0, open))];
  if (parts.options.length > 1) return product([before, bounded(parts.options.map(expand)), rest]);
  const range = rangeOf(inside);
  if (range !== undefined) return product([before, range, rest]);
  return product([before, ['\\{'], expand(inside), ['\\}'], rest]);
}

/** A text without an opening brace, whose closing ones are letters. */
function closed(text: string): string {
  let result = text;
  for (let at = next(text, 0, '}'); at !== -1; at = next(result, at + 2, '}')) {
    result = `${result.slice(0, at)}\\${result.slice(at)}`;
  }
  return result;
}

/** Where a character stands next that has no backslash before it and is in no brackets; -1: nowhere. */
function next(text: string, from: number, wanted: string): number {
  for (let at = from; at < text.length; at++) {
    const character = text[at] as string;
    if (character === '\\') at += 1;
    else if (wanted.includes(character)) return at;
    else if (character === '[') at = endOfSet(text, at);
  }
  return -1;
}

/** Where a set like `[{,}]` ends; where there is none, its own place. */
function endOfSet(text: string, open: number): number {
  const close = text.indexOf(']', open + 2);
  return close === -1 || text.slice(open, close).includes('/') ? open : close;
}

function partsOf(
  text: string,
  open: number,
): { readonly options: readonly string[]; readonly close: number } | undefined {
  const options: string[] = [];
  let start = open + 1;
  let depth = 0;
  for (let at = next(text, start, '{,}'); at !== -1; at = next(text, at + 1, '{,}')) {
    if (text[at] === '{') {
      depth += 1;
      if (depth > DEEPEST) throw new SyntaxError('its braces are nested too deeply');
    } else if (text[at] === '}' && depth > 0) depth -= 1;
    else if (depth === 0) {
      options.push(text.slice(start, at));
      if (text[at] === '}') return { options, close: at };
      start = at + 1;
    }
  }
  return undefined;
}

function rangeOf(text: string): readonly string[] | undefined {
  const [, from, to, first, last, by] = RANGE.exec(text) ?? [];
  const ends =
    from === undefined || to === undefined
      ? [first?.charCodeAt(0), last?.charCodeAt(0)]
      : [Number(from), Number(to)];
  const [start, end] = ends;
  if (start === undefined || end === undefined) return undefined;
  const step = Math.max(1, Number(by ?? 1));
  const count = Math.floor(Math.abs(end - start) / step) + 1;
  if (count > MOST_ALTERNATIVES) throw tooMany();
  const isPadded = [from, to].some((number) => /^-?0\d/.test(number ?? ''));
  const width = isPadded ? Math.max(from?.length ?? 0, to?.length ?? 0) : 0;
  return Array.from({ length: count }, (_, index) => {
    const value = start + (end >= start ? 1 : -1) * step * index;
    if (from === undefined) return String.fromCharCode(value);
    const sign = value < 0 ? '-' : '';
    return sign + String(Math.abs(value)).padStart(width - sign.length, '0');
  });
}

function product(lists: readonly (readonly string[])[]): readonly string[] {
  return lists.reduce((heads, tails) => {
    if (heads.length * tails.length > MOST_ALTERNATIVES) throw tooMany();
    return heads.flatMap((head) => tails.map((tail) => head + tail));
  });
}

function bounded(lists: readonly (readonly string[])[]): readonly string[] {
  const all = lists.flat();
  if (all.length > MOST_ALTERNATIVES) throw tooMany();
  return all;
}

function tooMany(): SyntaxError {
  return new SyntaxError(`its braces stand for more than ${MOST_ALTERNATIVES} patterns`);
}
