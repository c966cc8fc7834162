import { expect, test } from 'vitest';
import { RedisError, toRedisError } from './errors.ts';

test.each([
  ['ERR max number of clients reached', 'MAXCLIENTS'],
  ['WRONGPASS invalid username-password pair or user is disabled.', 'WRONGPASS'],
  ['ERR DB index is out of range', 'DBINDEX'],
  ["READONLY You can't write against a read only replica.", 'READONLY'],
  ["NOPERM this user has no permissions to run the 'scan' command", 'NOPERM'],
  ["Socket timeout. Expecting data, but didn't receive any in 4000ms.", 'ETIMEDOUT'],
  ['SOMETHING new', 'SOMETHING'],
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
