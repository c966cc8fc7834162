import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { dice, SEED } from '../../test/support/dice.ts';
import { nearlyRight, oddReply, type Value } from '../../test/support/odd-replies.ts';
import { RedisError } from './errors.ts';
import { COMMANDS, decodeReply, decodeUnlinked } from './replies.ts';
import type { Argument, CommandName } from './replies.ts';

const REPLIES = 10_000;
const KEY = Buffer.from('key');
const text = Buffer.from('text');

describe('a reply that is none', () => {
  test.each(COMMANDS)('%s', (command) => {
    const roll = dice(SEED);
    for (let at = 0; at < REPLIES; at += 1) {
      const reply =
        roll() < 0.5 ? oddReply(roll) : nearlyRight([Buffer.from('0'), [KEY, text]], roll);
      const args = [KEY, 0, 3].slice(0, Math.floor(roll() * 4));
      // Plainly: `expect` takes longer than all the rest.
      if (!isRead(command, args, reply)) expect.fail(`${command}: ${JSON.stringify(reply)}`);
    }
  });
});

/** Whether the reply comes back as it is, or is an error that names the command. */
function isRead(command: CommandName, args: readonly Argument[], reply: Value): boolean {
  try {
    const value: unknown = decodeReply(command, args, reply);
    return isDeepStrictEqual(value, reply) && !hasError(reply);
  } catch (error) {
    if (!(error instanceof RedisError) || error.code !== 'EREPLY') throw error;
    const isTold = error.message.startsWith(`${command} answered `);
    return isTold && error.message.endsWith(' expected') && error.message.length < 200;
  }
}

function hasError(reply: Value): boolean {
  if (Array.isArray(reply)) return (reply as readonly Value[]).some(hasError);
  return reply instanceof Error;
}

test.each<[CommandName, readonly (string | number)[], unknown, string]>([
  ['LLEN', ['q'], null, 'LLEN answered nothing where a count was expected'],
  ['LLEN', ['q'], -1, 'LLEN answered the number -1 where a count was expected'],
  ['LLEN', ['q'], 2 ** 60, `LLEN answered the number ${2 ** 60} where a count was expected`],
  ['LLEN', ['q'], 1.5, 'LLEN answered the number 1.5 where a count was expected'],
  ['HDEL', ['h', 'a', 'b'], 3, 'a count of at most what was asked for'],
  ['EXISTS', ['a'], 2, 'a count of at most what was asked for'],
  ['LRANGE', ['q', 0, 1], [text, text, text], 'LRANGE answered a list of 3 where a list of texts'],
  [
    'LRANGE',
    ['q', 0, 1],
    [text, null],
    'where a list of texts of at most the length asked for was',
  ],
  ['GETRANGE', ['k', 0, 1], text, 'GETRANGE answered a text of 4 bytes where a text of at most'],
  ['MGET', ['a', 'b'], [text], 'MGET answered a list of 1 where a text or nothing for each'],
  ['HMGET', ['h', 'a', 'b'], [text, null, null], 'HMGET answered a list of 3 where'],
  ['HGETALL', ['h'], [text], 'HGETALL answered a list of 1 where a list of names and values was'],
  ['SCAN', ['0'], [text, []], 'SCAN answered a list of 2 where a cursor and a list were expected'],
  ['HSCAN', ['h', '0'], [Buffer.from('0'), [text]], 'HSCAN answered a list of 2 where a cursor'],
  ['SET', ['k', 'v'], text, 'SET answered a text of 4 bytes where OK or nothing was expected'],
  ['LTRIM', ['q', 0, 1], 1, 'LTRIM answered the number 1 where OK was expected'],
  ['TIME', [], [text, text], 'TIME answered a list of 2 where two numbers as texts were expected'],
  ['INFO', [], true, 'INFO answered a boolean where a text was expected'],
])('%s %j', (command, args, reply, message) => {
  expect(() => decodeReply(command, args, reply)).toThrow(message);
});

test('an UNLINK counts no more than the keys that it names', () => {
  expect([decodeUnlinked(0, 3), decodeUnlinked(3, 3)]).toEqual([0, 3]);
  for (const reply of [4, -1, null, text, [], 1e300]) {
    expect(() => decodeUnlinked(reply, 3)).toThrow(/^UNLINK answered /);
  }
});
