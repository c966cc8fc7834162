/**
 * Names and messages from outside as text that cannot command a terminal: no control characters,
 * no bidirectional overrides, no invisible format characters, no bytes that are not UTF-8.
 */

/**
 * Cc holds C0, DEL and C1; Cf the bidirectional and invisible ones. Kept of Cf: ZWNJ and ZWJ, which
 * Persian, Indic names and emoji need.
 */
const DANGEROUS = /[\p{Cc}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/u;
const NOT_ASCII = /[^\x20-\x7e]/u;
/** What would read as one of our escapes when a backslash stands before it. */
const READS_AS_ESCAPE = /[\\ntrx]/;

/**
 * A file or key name as one line of text, different for different names. Every escape is a byte or
 * a letter of the shell's `$'…'`: `\n`, `\t`, `\r`, `\xHH`. A backslash stays as it is, and is
 * doubled only where it would otherwise read as such an escape.
 */
export function printable(name: Buffer | string): string {
  const bytes = typeof name === 'string' ? Buffer.from(name) : name;
  if (isPlain(bytes)) return bytes.toString('latin1');
  const pieces = split(bytes);
  return pieces
    .map((piece, index) => {
      if (typeof piece === 'number') return escapeByte(piece);
      if (DANGEROUS.test(piece)) return escapeBytes(piece);
      if (piece !== '\\') return piece;
      const next = pieces[index + 1];
      const doubled =
        next !== undefined &&
        (typeof next === 'number' || DANGEROUS.test(next) || READS_AS_ESCAPE.test(next));
      return doubled ? '\\\\' : '\\';
    })
    .join('');
}

/**
 * The same for a whole sentence that may already hold printable names: backslashes stay. With
 * `ascii` everything beyond ASCII is escaped too: outside UTF-8 its bytes may be C1 controls.
 */
export function harmless(text: string, ascii = false): string {
  const pattern = ascii ? NOT_ASCII : DANGEROUS;
  if (!pattern.test(text)) return text;
  return Array.from(text, (character) =>
    pattern.test(character) ? escapeBytes(character) : character,
  ).join('');
}

/** Printable ASCII without a backslash: almost every name. */
function isPlain(bytes: Buffer): boolean {
  return bytes.every((byte) => byte >= 0x20 && byte < 0x7f && byte !== 0x5c);
}

/** Characters, and bytes that belong to no character as numbers. */
function split(bytes: Buffer): (string | number)[] {
  const pieces: (string | number)[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    if (length === 0) pieces.push(bytes[at] ?? 0);
    else pieces.push(bytes.toString('utf8', at, at + length));
    at += Math.max(1, length);
  }
  return pieces;
}

/** Length of the well-formed UTF-8 sequence at `at` (Unicode table 3-7), 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  const second = bytes[at + 1] ?? 0;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let index = 2; index < length; index++) {
    if (((bytes[at + index] ?? 0) & 0xc0) !== 0x80) return 0;
  }
  return length;
}

function escapeBytes(character: string): string {
  return Array.from(Buffer.from(character), escapeByte).join('');
}

function escapeByte(byte: number): string {
  if (byte === 0x0a) return '\\n';
  if (byte === 0x09) return '\\t';
  if (byte === 0x0d) return '\\r';
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
