import { expect, test } from 'vitest';
import { tellApart } from './jobs.ts';

test('names are told apart, long ones too, and only so many are remembered', () => {
  const isNew = tellApart();
  const long = 'x'.repeat(5000);
  expect(['a', 'b', 'a', long, long].map((name) => isNew(Buffer.from(name)))).toEqual([
    true,
    true,
    false,
    true,
    false,
  ]);
  for (let at = 0; at < 100_000; at += 1) isNew(Buffer.from(String(at)));
  expect(isNew(Buffer.from('one more'))).toBe(true);
  expect(isNew(Buffer.from('one more'))).toBe(true);
  expect(isNew(Buffer.from('a'))).toBe(false);
});
