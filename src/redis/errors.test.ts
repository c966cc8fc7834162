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
