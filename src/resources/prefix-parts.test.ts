import { expect, test } from 'vitest';
import { countPrefixParts } from './prefix-parts.ts';

function partsOf(prefixes: readonly string[], keys: readonly string[]) {
  const parts = countPrefixParts(prefixes);
  parts.note?.(keys.map((key) => Buffer.from(key)));
  return parts.list().map(({ part, count }) => `${part} ${count}`);
}

test('a prefix within a word covers several families', () => {
  expect(partsOf(['j'], ['job:1', 'job:2', 'journal:1'])).toEqual(['job: 2', 'journal: 1']);
  expect(partsOf(['job'], ['job:1', 'jobs:list'])).toEqual(['job: 1', 'jobs: 1']);
});

test('one family is what the prefix means', () => {
  expect(partsOf(['job'], ['job:1', 'job:2'])).toEqual([]);
  expect(partsOf(['job'], ['job1', 'job2', 'joba'])).toEqual([]);
});

test('a prefix with a separator at its end is looked at no further', () => {
  expect(countPrefixParts(['job:', 'audio_']).note).toBeUndefined();
});

test('parts of each prefix by themselves', () => {
  expect(partsOf(['j', 'x:'], ['job:1', 'x:1', 'x:2:3'])).toEqual([]);
});

test('ids that follow at once are no families', () => {
  const keys = Array.from({ length: 100 }, (_, index) => `job${index}:state`);
  expect(partsOf(['job'], keys)).toEqual([]);
});
