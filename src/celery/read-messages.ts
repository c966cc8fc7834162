/**
 * Messages of lists and of the `unacked` hash, by their sizes: a body may have hundreds of megabytes,
 * and nothing of it is wanted. Redis leaves out large texts itself, by a script; where this user may
 * run none, few messages are read at once.
 */
import type { RedisConnection, Session } from '../redis/connect.ts';
import { createByteBatch, LARGEST_REPLY } from '../redis/byte-batch.ts';
import type { ByteBatch } from '../redis/byte-batch.ts';
import { RedisError } from '../redis/errors.ts';
import { unexpectedReply } from '../redis/replies.ts';
import { refusesTransaction } from '../redis/wire.ts';
import { LEFT_OUT } from './message.ts';

/** A message of more than this comes without its long texts: the body above all, wherever it stands. */
const LARGE_MESSAGE = 64 * 1024;
/** Ids, exchanges and routing keys are shorter. */
const LONGEST_TEXT = 4 * 1024;
/** So many quotes and backslashes are looked at in one message: Redis serves nobody else meanwhile. */
const MOST_STEPS = 200_000;

/**
 * A quote after an even number of backslashes ends a text of JSON. What is too large even without its
 * long texts is left out as a whole.
 */
const BRIEF = `
local left_out = [==[${JSON.stringify(LEFT_OUT)}]==]
local function brief(v)
  if #v <= ${LARGE_MESSAGE} then return v end
  local out, copied, bytes, steps = {}, 1, #v, 0
  local open = string.find(v, '"', 1, true)
  while open do
    local close = open
    repeat
      close = string.find(v, '"', close + 1, true)
      if not close then return left_out end
      local before = close - 1
      while string.byte(v, before) == 92 do
        before = before - 1
        steps = steps + 1
        if steps > ${MOST_STEPS} then return left_out end
      end
    until (close - before) % 2 == 1
    if close - open > ${LONGEST_TEXT} then
      out[#out + 1] = string.sub(v, copied, open - 1)
      out[#out + 1] = left_out
      copied = close + 1
      bytes = bytes - (copied - open) + #left_out
    end
    steps = steps + 1
    if steps > ${MOST_STEPS} then return left_out end
    open = string.find(v, '"', close + 1, true)
  end
  if bytes > ${LARGEST_REPLY} then return left_out end
  out[#out + 1] = string.sub(v, copied)
  return table.concat(out)
end
`;

/** Both answer with one text of netstrings (https://cr.yp.to/proto/netstrings.txt). */
const READ_LIST = `${BRIEF}
local from, most, take = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == 'take'
local out, bytes, n, step = {}, 0, 0, 1
while n < most and bytes < ${LARGEST_REPLY} do
  local values = redis.call('LRANGE', KEYS[1], from + n, from + n + step - 1)
  for _, v in ipairs(values) do
    n = n + 1
    bytes = bytes + #v
    local text = brief(v)
    out[n] = #text .. ':' .. text .. ','
  end
  if #values < step then break end
  local fitting = math.floor((${LARGEST_REPLY} - bytes) * n / math.max(1, bytes))
  step = math.max(1, math.min(2 * step, fitting, most - n))
end
if take then redis.call('LTRIM', KEYS[1], n, -1) end
local left = tostring(redis.call('LLEN', KEYS[1]))
return #left .. ':' .. left .. ',' .. table.concat(out)
`;

const SCAN_HASH = `${BRIEF}
local cursor, most, out, bytes, n, step = ARGV[1], tonumber(ARGV[2]), {}, 0, 0, 4
repeat
  local page = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', step)
  cursor = page[1]
  for i = 1, #page[2], 2 do
    local tag, v = page[2][i], page[2][i + 1]
    n = n + 1
    bytes = bytes + #v
    local text = brief(v)
    out[n] = #tag .. ':' .. tag .. ',' .. #text .. ':' .. text .. ','
  end
  local fitting = math.floor((${LARGEST_REPLY} - bytes) * n / math.max(1, bytes))
  step = math.max(1, math.min(2 * step, n > 0 and fitting or most, most - n))
until cursor == '0' or n >= most or bytes >= ${LARGEST_REPLY}
return #cursor .. ':' .. cursor .. ',' .. table.concat(out)
`;

const MOST_MESSAGES = 500;
const MOST_ENTRIES = 200;

/** Connections whose user may run no script; others say so once. */
const scriptless = new WeakSet<RedisConnection>();

export interface ReadMessages {
  /** Without the long texts of large ones (`LEFT_OUT`); see also `isLeftOut`. */
  readonly messages: readonly Buffer[];
  /** Whether more stand behind them. */
  readonly hasMore: boolean;
}

export interface TakenMessages {
  readonly messages: readonly Buffer[];
  /** The length of the list after they were taken out. */
  readonly left: number;
}

/** How a list is gone through; one for each list. */
export interface MessageReader {
  /** Some messages from `start` on; the list stays as it is. @throws RedisError. */
  read(start: number, most?: number): Promise<ReadMessages>;
  /**
   * Takes some messages from the head, each one read and removed in one step; on a session, since it must not be sent twice
   * unseen. Where no script may run those that `read` gave last. @throws RedisError.
   */
  take(session: Session, most: number): Promise<TakenMessages>;
  /** Up to so many messages are taken at once. */
  readonly most: number;
}

export function createMessageReader(broker: RedisConnection, key: Buffer): MessageReader {
  const batch = createByteBatch(MOST_MESSAGES);
  const expectAll = expectOnce(broker, key, batch, { count: 'LLEN', samples: 0 });
  /** So many were read last: those that are taken are those that have been read. */
  let last = 1;
  const scripted = async (
    send: Session['send'],
    ...args: readonly [from: number, most: number, how: 'read' | 'take']
  ): Promise<TakenMessages | undefined> => {
    const texts = await evaluate(broker, send, READ_LIST, key, ...args);
    if (texts === undefined) return undefined;
    const [left, ...messages] = texts;
    if (left === undefined || !isNumber(left) || messages.length > args[1]) {
      throw unexpectedReply('EVAL', texts, `a length and at most ${args[1]} messages`);
    }
    return { messages, left: Number(left) };
  };
  return {
    most: MOST_MESSAGES,
    async read(start, most = MOST_MESSAGES) {
      const read = await scripted(broker.send, start, most, 'read');
      if (read !== undefined) {
        const { messages, left } = read;
        return { messages, hasMore: messages.length > 0 && start + messages.length < left };
      }
      await expectAll();
      const size = Math.min(most, batch.size());
      last = size;
      const end = start + size - 1;
      const messages = await broker.send('LRANGE', key, start, end);
      noteMessages(batch, messages);
      return { messages, hasMore: messages.length === size };
    },
    async take(session, most) {
      const taken = await scripted(session.send, 0, most, 'take');
      if (taken !== undefined) return taken;
      return await readAndCut(broker, session, key, Math.min(most, last));
    },
  };
}

async function readAndCut(
  broker: RedisConnection,
  { send }: Session,
  key: Buffer,
  size: number,
): Promise<TakenMessages> {
  try {
    const [messages, , left] = await broker.transaction([
      ['LRANGE', key, 0, size - 1],
      ['LTRIM', key, size, -1],
      ['LLEN', key],
    ]);
    return { messages, left };
  } catch (error) {
    if (!refusesTransaction(error)) throw error;
  }
  // Each is told and gone in one command; LPOP of several is new in Redis 6.2.
  const popped = await Promise.all(Array.from({ length: size }, async () => send('LPOP', key)));
  return { messages: popped.filter((one) => one !== null), left: await send('LLEN', key) };
}

/** Entries of a hash of messages, in turn with their names, from the cursor on. */
export type HashPage = readonly [next: Buffer, flat: readonly Buffer[]];

/** HSCAN with messages without their long texts. @throws RedisError from it. */
export function createEntryScan(
  broker: RedisConnection,
  key: Buffer,
): (cursor: string) => Promise<HashPage> {
  const batch = createByteBatch(MOST_ENTRIES);
  const expectAll = expectOnce(broker, key, batch, { count: 'HLEN', samples: 10_000 });
  return async (cursor) => {
    const texts = await evaluate(broker, broker.send, SCAN_HASH, key, cursor, MOST_ENTRIES);
    if (texts !== undefined) {
      const [next, ...flat] = texts;
      if (next === undefined || !isNumber(next) || flat.length % 2 > 0) {
        throw unexpectedReply('EVAL', texts, 'a cursor, names and values');
      }
      return [next, flat];
    }
    await expectAll();
    const page = await broker.send('HSCAN', key, cursor, 'COUNT', batch.size());
    noteMessages(batch, page[1], 2);
    return page;
  };
}

/**
 * Where no script tells of sizes, what the whole key takes is asked for, once: large messages may stand
 * behind many small ones. Of a list all nodes are looked at (0), which are few; a hash is in no order.
 */
function expectOnce(
  broker: RedisConnection,
  key: Buffer,
  batch: ByteBatch,
  { count, samples }: { readonly count: 'LLEN' | 'HLEN'; readonly samples: number },
): () => Promise<void> {
  let isAsked = false;
  return async () => {
    if (isAsked) return;
    isAsked = true;
    const sizes = Promise.all([
      broker.send(count, key),
      broker.send('MEMORY', 'USAGE', key, 'SAMPLES', samples),
    ]);
    const [length, bytes] = (await orRefused(sizes)) ?? [];
    if (length !== undefined && typeof bytes === 'number') batch.expect(length, bytes);
  };
}

/** Undefined where this user or this server does not allow it. */
async function orRefused<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof RedisError && REFUSED.has(error.code)) return undefined;
    throw error;
  }
}

function noteMessages(batch: ByteBatch, texts: readonly Buffer[], each = 1): void {
  const bytes = texts.reduce((sum, text) => sum + text.length, 0);
  batch.note(texts.length / each, bytes);
}

/** @returns undefined where this user may run no script. @throws RedisError. */
async function evaluate(
  broker: RedisConnection,
  send: Session['send'],
  script: string,
  key: Buffer,
  ...args: readonly (string | number)[]
): Promise<readonly Buffer[] | undefined> {
  if (scriptless.has(broker)) return undefined;
  const reply = await orRefused(send('EVAL', script, 1, key, ...args));
  if (reply === undefined) scriptless.add(broker);
  return reply === undefined ? undefined : parseNetstrings(reply);
}

/** `ERR` is what a Redis without the command says, and one whose script failed. */
const REFUSED = new Set(['NOPERM', 'ENOCOMMAND', 'ERR']);

/** @throws RedisError EREPLY when it is something else. */
export function parseNetstrings(reply: unknown): readonly Buffer[] {
  const expected = 'a text of netstrings';
  if (!Buffer.isBuffer(reply)) throw unexpectedReply('EVAL', reply, expected);
  const texts: Buffer[] = [];
  for (let at = 0; at < reply.length;) {
    const colon: number = reply.indexOf(':', at);
    const length: string = colon < 0 ? '' : reply.toString('latin1', at, Math.min(colon, at + 12));
    const end = colon + 1 + Number(length);
    if (!/^\d+$/.test(length) || reply[end] !== COMMA) {
      throw unexpectedReply('EVAL', reply, expected);
    }
    texts.push(reply.subarray(colon + 1, end));
    at = end + 1;
  }
  return texts;
}

const COMMA = 0x2c;

function isNumber(text: Buffer): boolean {
  return /^\d{1,20}$/.test(text.toString('latin1'));
}
