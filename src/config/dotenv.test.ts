import { expect, test } from 'vitest';
import { expandEnvFile, parseDotenv } from './dotenv.ts';

function values(text: string, outer: Readonly<Record<string, string>> = {}): object {
  const expanded = expandEnvFile(parseDotenv(text), (name) => outer[name]);
  return Object.fromEntries([...expanded].map(([name, value]) => [name, value.text]));
}

test.each([
  ['A=1\r\nB = two words \r\n', { A: '1', B: 'two words' }],
  ['export A=1\n# A=2\n\n  B: yaml\n', { A: '1', B: 'yaml' }],
  ['A=x # comment\nB=x#y\nC=# nothing', { A: 'x', B: 'x#y', C: '' }],
  ['A="x # y" # z\nB=\'$HOME\'\nC="a\\"b\\n"', { A: 'x # y', B: '$HOME', C: 'a"b\n' }],
  ['A="one\ntwo"\nB=3', { A: 'one\ntwo', B: '3' }],
  ['A=1\nB=${A}2$C', { A: '1', B: '12' }],
  ['A=1\nA=2', { A: '2' }],
  ['\uFEFFA=redis://:p=w@h/0', { A: 'redis://:p=w@h/0' }],
])('%j', (text, expected) => {
  expect(values(text)).toEqual(expected);
});

test('the environment comes before the file itself', () => {
  expect(values('A=1\nB=$A', { A: 'outer' })).toEqual({ A: '1', B: 'outer' });
});

test('lines that are no assignment, and a quote that never ends', () => {
  expect(parseDotenv('nonsense\nA=1\n=2\nB="open').unread).toEqual([1, 3, 4]);
});
