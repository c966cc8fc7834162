/**
 * One field of a JSON object that comes in pieces, so that a value of any size is read in little
 * memory: https://www.rfc-editor.org/rfc/rfc8259. Only what stands at the top level of the object
 * counts, as for JSON.parse: a field of the same name inside another value, or in a text, does not.
 */
export interface FieldReader {
  /** The next bytes; they may end in the middle of a character, a name or a number. */
  write(bytes: Buffer): void;
  /**
   * What is known by now: `value` is the JSON text of the field (of several the last, as for
   * JSON.parse), undefined while it has not come. `state` is `ended` behind the object's end.
   */
  found(): { readonly value: string | undefined; readonly state: 'open' | 'ended' | 'broken' };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];
const [COLON, COMMA] = [0x3a, 0x2c];

/** Every character of a name can be written as `\u005f`; a value of more is none that is looked for. */
const BYTES_A_CHARACTER = 6;
const LONGEST_VALUE = 1_000;

/** Where in the object the next byte stands. */
type Place = 'before' | 'name' | 'colon' | 'value' | 'comma' | 'after';

export function createFieldReader(name: string): FieldReader {
  const state: State = {
    name,
    longestName: 2 + BYTES_A_CHARACTER * name.length,
    place: 'before',
    isBroken: false,
    inText: false,
    isEscaping: false,
    depth: 0,
    isWanted: false,
    isBare: false,
    value: undefined,
    kept: undefined,
  };
  return {
    write(bytes) {
      for (let at = 0; at < bytes.length && !state.isBroken;) {
        at = state.inText ? readText(state, bytes, at) : readByte(state, bytes, at);
      }
    },
    found: () => ({
      value: state.value,
      state: state.isBroken ? 'broken' : state.place === 'after' ? 'ended' : 'open',
    }),
  };
}

interface State {
  readonly name: string;
  readonly longestName: number;
  place: Place;
  isBroken: boolean;
  inText: boolean;
  /** The last byte was a backslash that escapes the next one. */
  isEscaping: boolean;
  /** Objects and arrays inside the value. */
  depth: number;
  /** The value is the one that is looked for. */
  isWanted: boolean;
  /** In a number, true, false or null. */
  isBare: boolean;
  value: string | undefined;
  /** The name or the wanted value so far, a byte as a character; undefined: not kept. */
  kept: string | undefined;
}

function keep(state: State, bytes: Buffer, from: number, to: number): void {
  if (state.kept === undefined) return;
  const longest = state.place === 'name' ? state.longestName : LONGEST_VALUE;
  // One byte more than is allowed, so that it is seen to be too long.
  const room = Math.max(0, longest + 1 - state.kept.length);
  state.kept += bytes.toString('latin1', from, Math.min(to, from + room));
}

function endName(state: State): void {
  const { kept, longestName, name } = state;
  state.isWanted = kept !== undefined && kept.length <= longestName && textOf(kept) === name;
  state.kept = undefined;
  state.place = 'colon';
}

function endValue(state: State): void {
  const { kept, isWanted } = state;
  if (isWanted) state.value = kept !== undefined && kept.length <= LONGEST_VALUE ? kept : '""';
  state.kept = undefined;
  state.isBare = false;
  state.place = 'comma';
}

/** @returns where the text ends, or the piece. */
function readText(state: State, bytes: Buffer, from: number): number {
  let at = from;
  if (state.isEscaping) {
    state.isEscaping = false;
    at += 1;
  }
  for (;;) {
    const quote = bytes.indexOf(QUOTE, at);
    const end = quote < 0 ? bytes.length : quote;
    let backslashes = 0;
    while (end - backslashes > at && bytes[end - backslashes - 1] === BACKSLASH) backslashes += 1;
    const isEscaped = backslashes % 2 === 1;
    if (quote < 0) {
      state.isEscaping = isEscaped;
      keep(state, bytes, from, end);
      return end;
    }
    at = quote + 1;
    if (isEscaped) continue;
    state.inText = false;
    keep(state, bytes, from, at);
    if (state.place === 'name') endName(state);
    else if (state.depth === 0) endValue(state);
    return at;
  }
}

/** Outside of texts. @returns where the next byte is. */
function readByte(state: State, bytes: Buffer, at: number): number {
  const byte = bytes[at] as number;
  const isEnd = isSpace(byte) || byte === COMMA || byte === CLOSE_OBJECT;
  if (state.isBare && state.depth === 0 && isEnd) endValue(state);
  const mayBeText = state.place === 'name' || (state.place === 'value' && !state.isBare);
  if (byte === QUOTE && mayBeText) {
    state.inText = true;
    if (state.place === 'name' || (state.depth === 0 && state.isWanted)) state.kept = '"';
  } else if (!isSpace(byte)) {
    if (state.place === 'value') readValueByte(state, bytes, at);
    else readPunctuation(state, byte);
  }
  return at + 1;
}

function readValueByte(state: State, bytes: Buffer, at: number): void {
  const byte = bytes[at];
  if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
    state.isBroken = state.isBare;
    state.depth += 1;
  } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
    state.depth -= 1;
    if (state.depth < 0) state.isBroken = true;
    else if (state.depth === 0) endValue(state);
  } else if (state.depth === 0) {
    if (byte === QUOTE || byte === COMMA) state.isBroken = true;
    if (!state.isBare && state.isWanted) state.kept = '';
    state.isBare = true;
    keep(state, bytes, at, at + 1);
  }
}

/** Of the top level, between names and values. */
function readPunctuation(state: State, byte: number): void {
  const { place } = state;
  if (place === 'before' && byte === OPEN_OBJECT) state.place = 'name';
  else if (place === 'colon' && byte === COLON) state.place = 'value';
  else if (place === 'comma' && byte === COMMA) state.place = 'name';
  else if ((place === 'comma' || place === 'name') && byte === CLOSE_OBJECT) state.place = 'after';
  else state.isBroken = true;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function textOf(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}
