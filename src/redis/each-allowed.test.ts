import { expect, test } from 'vitest';
import { eachAllowed } from './each-allowed.ts';
import { toRedisError } from './errors.ts';

const KEYS = ['a1', 'b1', 'a2', 'b2', 'a3'].map((name) => Buffer.from(name));

/** Redis 6 and 7, and Redis 7.2 and later. */
const REFUSALS = [
  'NOPERM this user has no permissions to access one of the keys used as arguments',
  'NOPERM No permissions to access a key',
];

/** A server on which keys that begin with `b` are forbidden. */
function server(message: string) {
  const asked: string[] = [];
  const send = async (keys: readonly Buffer[]): Promise<number> => {
    asked.push(keys.join(' '));
    if (keys.some((key) => key.toString().startsWith('b'))) {
      throw toRedisError(new Error(message), [], 'UNLINK');
    }
    return Promise.resolve(keys.length);
  };
  return { asked, send };
}

test.each(REFUSALS)('%s: the allowed keys are dealt with', async (message) => {
  const { asked, send } = server(message);
  const done = await eachAllowed(KEYS, send);
  expect(done.sum).toBe(3);
  expect(done.refused.map(String)).toEqual(['b1', 'b2']);
  expect(done.refusal?.code).toBe('NOPERM');
  expect(asked).toEqual(['a1 b1 a2 b2 a3', 'a1', 'b1', 'a2', 'b2', 'a3']);
});

test('without a forbidden key it is one command', async () => {
  const { asked, send } = server(REFUSALS[0] ?? '');
  const own = KEYS.filter((key) => key.toString().startsWith('a'));
  expect(await eachAllowed(own, send)).toEqual({ sum: 3, refused: [], refusal: undefined });
  expect(asked).toHaveLength(1);
});

test('a command that is refused is refused for every key', async () => {
  const { asked, send } = server("NOPERM this user has no permissions to run the 'unlink' command");
  await expect(eachAllowed(KEYS, send)).rejects.toMatchObject({ command: 'unlink' });
  expect(asked).toHaveLength(1);
});
