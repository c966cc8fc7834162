import { expect, test } from 'vitest';
import { RedisError, refusesCommand, refusesKey, toRedisError } from './errors.ts';

test.each([
  ['ERR max number of clients reached', 'MAXCLIENTS'],
  ['WRONGPASS invalid username-password pair or user is disabled.', 'WRONGPASS'],
  ['ERR DB index is out of range', 'DBINDEX'],
  ["READONLY You can't write against a read only replica.", 'READONLY'],
  ["NOPERM this user has no permissions to run the 'scan' command", 'NOPERM'],
  ["Socket timeout. Expecting data, but didn't receive any in 4000ms.", 'ETIMEDOUT'],
  ['SOMETHING new', 'SOMETHING'],
  ["OOM command not allowed when used memory > 'maxmemory'.", 'OOM'],
  ['NOREPLICAS Not enough good replicas to write.', 'NOREPLICAS'],
])('%s is %s', (message, code) => {
  expect(toRedisError(new Error(message), []).code).toBe(code);
});

test('neither a password nor the arguments that Redis repeats are in the reason', () => {
  const password = 'x'.repeat(200);
  const echoed = `ERR unknown command 'AUTH', with args beginning with: '${password.slice(0, 128)}'`;
  expect(toRedisError(new Error(echoed), [password]).message).toBe("ERR unknown command 'AUTH'");
  expect(toRedisError(new Error('ERR bad secret-1'), ['secret-1']).message).toBe('ERR bad ***');
});

test('an error that is one already stays as it is', () => {
  const error = new RedisError('CODE', 'reason', 'hint');
  expect(toRedisError(error, [])).toBe(error);
});

const PASSWORD = 'Zr7!kq/Pw+92_xT';
const bytes = Buffer.from(PASSWORD);
const reversed = Array.from(PASSWORD).toReversed().join('');

test.each([
  ['in base64', bytes.toString('base64')],
  ['in base64 for URLs', bytes.toString('base64url')],
  ['in base64 behind a byte', Buffer.from(`x${PASSWORD}y`).toString('base64')],
  ['in base64 behind a user', Buffer.from(`user:${PASSWORD} and more`).toString('base64')],
  ['in hex', bytes.toString('hex')],
  ['in capital hex', bytes.toString('hex').toUpperCase()],
  ['in hex with colons', bytes.toString('hex').match(/../g)?.join(':') ?? ''],
  ['as escapes', bytes.toString('hex').replace(/../g, '\\x$&')],
  ['reversed', reversed],
  ['reversed, in capitals', reversed.toUpperCase()],
  ['reversed, in hex', Buffer.from(reversed).toString('hex')],
  ['percent-encoded', encodeURIComponent(PASSWORD)],
  ['in capitals', PASSWORD.toUpperCase()],
  ['spaced out', Array.from(PASSWORD).join(' ')],
])('a password %s is not repeated', (_, form) => {
  const { message } = toRedisError(new Error(`ERR no access for ${form}, go away`), [PASSWORD]);
  expect(message).toBe('An error that repeats the password');
});

test('an error that does not hold it is told', () => {
  const { message } = toRedisError(new Error('ERR no access for you'), [PASSWORD, 'ab']);
  expect(message).toBe('ERR no access for you');
});

test.each([
  "ERR unknown command 'SCAN', with args beginning with: '0' ",
  'ERR unknown command `SCAN`, with args beginning with: `0`, ',
  "ERR unknown command 'SCAN'",
  'ERR Command is not available: SCAN. See https://example.org/',
  'ERR command is not supported',
])('%s: the server lacks the command', (message) => {
  const error = toRedisError(new Error(message), [], 'SCAN');
  expect(error).toMatchObject({ code: 'ENOCOMMAND', command: 'SCAN' });
  expect(error.message).toBe('This server has no command SCAN');
  expect(refusesCommand(error)).toBe(true);
});

test.each([
  ["NOPERM this user has no permissions to run the 'scan' command", 'command'],
  ["NOPERM User alice has no permissions to run the 'scan' command", 'command'],
  ['NOPERM this user has no permissions to access one of the keys used as arguments', 'key'],
  ['NOPERM No permissions to access a key', 'key'],
  ['NOPERM this user has no permissions to access one of the channels used as arguments', ''],
  ['NOPERM No permissions to access a channel', ''],
  ['WRONGTYPE Operation against a key holding the wrong kind of value', ''],
])('%s refuses the %s', (message, refused) => {
  const error = toRedisError(new Error(message), [], 'SCAN');
  expect(refusesCommand(error)).toBe(refused === 'command');
  expect(refusesKey(error)).toBe(refused === 'key');
});
