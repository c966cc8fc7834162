import { expect, test } from 'vitest';
import { hiddenFromNode, withoutMarks } from './node-words.ts';

test('words that Node would read are marked, and come back as they were', () => {
  const words = ['all', '--env-file', '.env', '--env-file=b.env', '--env-files', '--yes', '=x'];
  const [separator, program, ...hidden] = hiddenFromNode('/opt/main.js', words);
  expect([separator, program]).toEqual(['--', '/opt/main.js']);
  expect(hidden.filter((word) => word.startsWith('--env-file'))).toEqual([]);
  expect(withoutMarks(hidden)).toEqual(words);
});
