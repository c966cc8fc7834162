/** Replies as no Redis gives them, from a seed: for a decoder as values, for a connection as bytes. */

/** As a Redis client reads it: strings as Buffers; an Error is an error of Redis. */
export type Value = Buffer | number | null | Error | readonly Value[];

const TEXTS = [
  ...['', 'OK', 'QUEUED', '0', '1', '-1', '17', 'none', 'list', 'string', 'hash', 'zset'],
  ...['NaN', 'undefined', '{}', '[]', '[null]', '[1,2,3]', '{"id":1}', '__proto__', 'constructor'],
  ...['18446744073709551615', '99999999999999999999', 'role:slave\r\nmaster_host:x\r\nrun_id:y'],
  ...['id=1 db=1 cmd=brpop idle=0 flags=b', '\0\xff\xfe\r\n', '%s%n', '\x1b[31m', '🔥', '*'],
];
const NUMBERS = [
  ...[0, 1, 2, 5, -1, -2, 100, 255, 65_536, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53 - 1, 2 ** 53],
  ...[2 ** 62, -(2 ** 62)],
];
const ERRORS = [
  ...['ERR unknown', 'WRONGTYPE Operation against a key', 'NOPERM no permissions', 'NOSCRIPT No'],
  ...['OOM command not allowed', 'EXECABORT Transaction discarded', 'MISCONF Errors writing', ''],
];

/** @param roll numbers from 0 up to 1. */
export function oddReply(roll: () => number, depth = 0): Value {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(roll() * from.length)] as T;
  const kind = roll();
  if (kind < 0.12) return null;
  if (kind < 0.32) return pick(NUMBERS);
  if (kind < 0.6) return Buffer.from(pick(TEXTS), 'latin1');
  if (kind < 0.66) return Buffer.from(Array.from({ length: roll() * 40 }, () => roll() * 256));
  if (kind < 0.67) return Buffer.alloc(100_000, 'x');
  if (kind < 0.75) return depth === 0 || roll() < 0.2 ? new Error(pick(ERRORS)) : null;
  const length = depth > 2 ? 0 : Math.floor(roll() ** 2 * 6);
  return Array.from({ length }, () => oddReply(roll, depth + 1));
}

/** Nearly the right one: something in it is missing, twice, or of another type. */
export function nearlyRight(right: Value, roll: () => number): Value {
  if (!Array.isArray(right) || roll() < 0.2) return oddReply(roll);
  const list = [...(right as readonly Value[])];
  const at = Math.floor(roll() * (list.length + 1));
  const how = roll();
  if (how < 0.25) list.splice(at, 1);
  else if (how < 0.5) list.splice(at, 0, oddReply(roll, 1));
  else if (at < list.length) list[at] = nearlyRight(list[at] ?? null, roll);
  return list;
}

/** In the Redis protocol (RESP2). */
export function encodeReply(value: Value): Buffer {
  if (value === null) return Buffer.from('$-1\r\n');
  if (typeof value === 'number') return Buffer.from(`:${BigInt(value)}\r\n`);
  if (value instanceof Error)
    return Buffer.from(`-${value.message.replaceAll(/[\r\n]/g, ' ')}\r\n`);
  if (Buffer.isBuffer(value)) {
    return Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')]);
  }
  return Buffer.concat([Buffer.from(`*${value.length}\r\n`), ...value.map(encodeReply)]);
}

/** What is no reply at all: the connection cannot be used after it. */
export const BROKEN_REPLIES: readonly string[] = [
  ...['*-7\r\n', '*99999999999999999999\r\n', '$-9\r\n', '$99999999999999999999\r\n', ':abc\r\n'],
  ...[
    '*1\r\n'.repeat(50_000),
    '\r\n\r\n',
    'HTTP/1.1 400 Bad Request\r\n\r\n',
    '+OK',
    '*3\r\n$1\r\n',
  ],
  ...['%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n', '#t\r\n', ',1.5\r\n', '(12345678901234567890\r\n', '_\r\n'],
  ...['~1\r\n+a\r\n', '>2\r\n+message\r\n+x\r\n', '!5\r\nERR x\r\n', '=7\r\ntxt:abc\r\n'],
];

/** The value of one whole reply in RESP2. */
export function readReply(bytes: Buffer): Value {
  return readValue(bytes, 0)[0];
}

function readValue(bytes: Buffer, start: number): [value: Value, end: number] {
  const lineEnd = bytes.indexOf('\r\n', start);
  const line = bytes.toString('latin1', start + 1, lineEnd);
  const next = lineEnd + 2;
  switch (String.fromCharCode(bytes[start] ?? 0)) {
    case ':':
      return [Number(line), next];
    case '$':
      if (line === '-1') return [null, next];
      return [bytes.subarray(next, next + Number(line)), next + Number(line) + 2];
    case '*': {
      const list: Value[] = [];
      let at = next;
      for (let index = 0; index < Number(line); index += 1) {
        const [value, end] = readValue(bytes, at);
        list.push(value);
        at = end;
      }
      return [line === '-1' ? null : list, at];
    }
    case '-':
      return [new Error(line), next];
    default:
      return [Buffer.from(line, 'latin1'), next];
  }
}
