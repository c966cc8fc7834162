import { RedisError } from './errors.ts';

export type Argument = string | Buffer | number;
/** A reply as Redis sent it: bulk strings as Buffers, errors thrown. */
export type Reply = Buffer | number | null | readonly Reply[];

/** How the reply to one command is read. */
interface Decoder<T> {
  /** What it must be, in words. */
  readonly expected: string;
  /** The reply itself, known to have its shape; undefined: it has another one. */
  readonly read: (reply: unknown, args: readonly Argument[]) => T | undefined;
}

/** @param most how many there can be, judged by what was asked. */
function count(most?: (args: readonly Argument[]) => number): Decoder<number> {
  return {
    expected: most === undefined ? 'a count' : 'a count of at most what was asked for',
    read: (reply, args) =>
      isInteger(reply) && reply >= 0 && reply <= (most?.(args) ?? Infinity) ? reply : undefined,
  };
}

function list<T extends Buffer | null>(
  expected: string,
  isElement: (value: unknown) => value is T,
  hasLength: (length: number, args: readonly Argument[]) => boolean = () => true,
): Decoder<readonly T[]> {
  return {
    expected,
    read: (reply, args) =>
      Array.isArray(reply) && hasLength(reply.length, args) && reply.every(isElement)
        ? reply
        : undefined,
  };
}

/** @param inPairs what is listed are names and values in turn. */
function page(inPairs: boolean): Decoder<readonly [cursor: Buffer, listed: readonly Buffer[]]> {
  return {
    expected: 'a cursor and a list',
    read(reply) {
      if (!Array.isArray(reply) || reply.length !== 2) return undefined;
      const [cursor, listed] = reply as readonly unknown[];
      if (!isCursor(cursor) || !Array.isArray(listed) || !listed.every(isBuffer)) return undefined;
      return inPairs && listed.length % 2 > 0 ? undefined : [cursor, listed];
    },
  };
}

const OK: Decoder<Buffer> = {
  expected: 'OK',
  read: (reply) => (isText(reply, 'OK') ? reply : undefined),
};
const TEXT: Decoder<Buffer> = {
  expected: 'a text',
  read: (reply) => (isBuffer(reply) ? reply : undefined),
};
const TEXT_OR_NOTHING: Decoder<Buffer | null> = {
  expected: 'a text or nothing',
  read: (reply) => (isBufferOrNull(reply) ? reply : undefined),
};
const NUMBER: Decoder<number> = {
  expected: 'a number',
  read: (reply) => (isInteger(reply) ? reply : undefined),
};
/** Redis' own types, and those of modules: nine characters (redis.io, modules-api-ref, RedisModule_CreateDataType). */
const TYPE_WORD = /^(?:none|string|list|set|zset|hash|stream|[\w-]{9})$/;
const TEXTS = list('a list of texts', isBuffer);
const PAIRS = list('a list of names and values', isBuffer, (length) => length % 2 === 0);

/** So many keys, members or fields stand behind this many other arguments. */
function behind(others: number): (args: readonly Argument[]) => number {
  return (args) => args.length - others;
}

function exactly(others: number): Decoder<readonly (Buffer | null)[]> {
  const asked = behind(others);
  return list(
    'a text or nothing for each that was asked for',
    isBufferOrNull,
    (length, args) => length === asked(args),
  );
}

/** Of `key start end`, both counted from the head. */
function fitsRange(length: number, [, start, end]: readonly Argument[]): boolean {
  const [from, to] = [Number(start), Number(end)];
  return from < 0 || to < 0 || length <= Math.max(0, to - from + 1);
}

/**
 * Every command that is sent to a server of a service, and how its reply is read: whoever is not
 * among them cannot be sent. A reply of another shape is an error and never taken for "nothing there".
 */
const DECODERS = {
  BGSAVE: TEXT,
  // LIST is the only form.
  CLIENT: TEXT,
  // NODES is the only form.
  CLUSTER: TEXT,
  // GET is the only form.
  CONFIG: PAIRS,
  DBSIZE: count(),
  DEL: count(behind(0)),
  EVAL: {
    expected: 'a number, a text or nothing',
    read: (reply: unknown): number | Buffer | null | undefined =>
      isInteger(reply) || isBufferOrNull(reply) ? reply : undefined,
  },
  // Alone, to see whether this user may: then it is refused.
  EXEC: OK,
  EXISTS: count(behind(0)),
  GET: TEXT_OR_NOTHING,
  GETRANGE: {
    expected: 'a text of at most the length asked for',
    read: (reply: unknown, args: readonly Argument[]): Buffer | undefined =>
      isBuffer(reply) && fitsRange(reply.length, args) ? reply : undefined,
  },
  HDEL: count(behind(1)),
  HGETALL: PAIRS,
  HLEN: count(),
  HMGET: exactly(1),
  HSCAN: page(true),
  HSET: count((args) => (args.length - 1) / 2),
  INFO: TEXT,
  LLEN: count(),
  LPOP: TEXT_OR_NOTHING,
  LRANGE: list('a list of texts of at most the length asked for', isBuffer, fitsRange),
  LTRIM: OK,
  // USAGE is the only form.
  MEMORY: {
    expected: 'a number or nothing',
    read: (reply: unknown): number | null | undefined =>
      reply === null || isInteger(reply) ? reply : undefined,
  },
  MGET: exactly(0),
  // IDLETIME is the only form.
  OBJECT: {
    expected: 'a number or nothing',
    read: (reply: unknown): number | null | undefined =>
      reply === null || (isInteger(reply) && reply >= 0) ? reply : undefined,
  },
  PEXPIRE: count(() => 1),
  PING: TEXT,
  PTTL: NUMBER,
  PUBLISH: count(),
  // NUMPAT alone is asked.
  PUBSUB: count(),
  SADD: count(behind(1)),
  SCAN: page(false),
  SET: {
    expected: 'OK or nothing',
    read: (reply: unknown): Buffer | null | undefined =>
      reply === null || isText(reply, 'OK') ? reply : undefined,
  },
  SMEMBERS: TEXTS,
  SRANDMEMBER: TEXTS,
  SREM: count(behind(1)),
  STRLEN: count(),
  TIME: list(
    'two numbers as texts',
    (value): value is Buffer => isBuffer(value) && /^\d{1,15}$/.test(value.toString('latin1')),
    (length) => length === 2,
  ),
  TYPE: {
    expected: 'a type',
    read: (reply: unknown): Buffer | undefined =>
      isBuffer(reply) && TYPE_WORD.test(reply.toString('latin1')) ? reply : undefined,
  },
  UNLINK: count(behind(0)),
  UNWATCH: OK,
  WAITAOF: {
    expected: 'two numbers',
    read: (reply: unknown): readonly number[] | undefined =>
      Array.isArray(reply) && reply.length === 2 && reply.every(isInteger) ? reply : undefined,
  },
  WATCH: OK,
  XRANGE: {
    expected: 'a list of entries',
    read: (reply: unknown): readonly Reply[] | undefined =>
      Array.isArray(reply) && isNested(reply, 3) ? reply : undefined,
  },
  ZRANGE: TEXTS,
  ZREM: count(behind(1)),
  ZSCORE: TEXT_OR_NOTHING,
} as const satisfies Readonly<Record<string, Decoder<Reply>>>;

/** What can be sent. */
export type CommandName = keyof typeof DECODERS;
/** What the command answers. */
export type ReplyTo<C extends CommandName> = Exclude<
  ReturnType<(typeof DECODERS)[C]['read']>,
  undefined
>;
export const COMMANDS = Object.keys(DECODERS) as readonly CommandName[];

/** @throws RedisError EREPLY when it is no reply to this command with these arguments. */
export function decodeReply<C extends CommandName>(
  command: C,
  args: readonly Argument[],
  reply: unknown,
): ReplyTo<C> {
  const { expected, read }: Decoder<Reply> = DECODERS[command];
  const value = read(reply, args);
  if (value === undefined) throw unexpectedReply(command, reply, expected);
  return value as ReplyTo<C>;
}

/** Of an UNLINK of so many keys. @throws RedisError EREPLY. */
export function decodeUnlinked(reply: unknown, keys: number): number {
  if (isInteger(reply) && reply >= 0 && reply <= keys) return reply;
  throw unexpectedReply('UNLINK', reply, DECODERS.UNLINK.expected);
}

/** Of a list of names and values. @throws RedisError EREPLY. */
export function decodeFields(command: string, reply: unknown): readonly Buffer[] {
  const fields = PAIRS.read(reply, []);
  if (fields === undefined) throw unexpectedReply(command, reply, PAIRS.expected);
  return fields;
}

/** A reply of another shape than its command has: the server's doing, and told as such. */
export function unexpectedReply(command: string, reply: unknown, expected: string): RedisError {
  const were = / and a |^two /.test(expected) ? 'were' : 'was';
  return new RedisError(
    'EREPLY',
    `${command} answered ${shapeOf(reply)} where ${expected} ${were} expected`,
    'look at what listens there: a proxy, or a server that is not quite Redis',
    { command },
  );
}

/** In words, without what is in it: that may be a secret. */
function shapeOf(reply: unknown): string {
  if (reply === null || reply === undefined) return 'nothing';
  if (Array.isArray(reply)) return `a list of ${reply.length}`;
  if (Buffer.isBuffer(reply)) return `a text of ${reply.length} bytes`;
  if (typeof reply === 'number') return `the number ${reply}`;
  return reply instanceof Error ? 'an error' : `a ${typeof reply}`;
}

/** Whether it is exactly this text, as a status (`OK`) or a string. */
export function isText(reply: unknown, text: string): reply is Buffer {
  return isBuffer(reply) && reply.toString('latin1') === text;
}

function isBuffer(value: unknown): value is Buffer {
  return Buffer.isBuffer(value);
}

function isBufferOrNull(value: unknown): value is Buffer | null {
  return value === null || Buffer.isBuffer(value);
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** SCAN's cursors are unsigned numbers of 64 bits (redis.io/commands/scan). */
function isCursor(value: unknown): value is Buffer {
  return isBuffer(value) && value.length <= 20 && /^\d+$/.test(value.toString('latin1'));
}

function isNested(value: unknown, depth: number): value is Reply {
  if (!Array.isArray(value)) return isBufferOrNull(value) || isInteger(value);
  return depth > 0 && value.every((one) => isNested(one, depth - 1));
}
