import { expect, test } from 'vitest';
import { patternOfKey, topicTest } from './topic.ts';

test.each([
  ['a.*', String.raw`^a\..*?[^\.]$`],
  ['#', '^.*?$'],
  ['a.#.b', String.raw`^a\..*?\.b$`],
  ['a-b_c d', String.raw`^a\-b\_c\ d$`],
  ['é.x', String.raw`^é\.x$`],
  ['x\0y', String.raw`^x\000y$`],
  ['(a+)+', String.raw`^\(a\+\)\+$`],
])('what kombu 5.2.4 keeps for %j', (routingKey, pattern) => {
  expect(patternOfKey(routingKey)).toBe(pattern);
});

test.each([
  ['media.*', 'media.video', true],
  // Its `*` is not one word.
  ['media.*', 'media.video.hd', true],
  ['media.*', 'media.', false],
  ['media.#', 'media.', true],
  ['media.#', 'media', false],
  ['#', '', true],
  ['a.#.b', 'a.x.y.b', true],
  ['a-b', 'a-b', true],
  ['a-b', 'axb', false],
  ['ba*', 'baaa', true],
])('%s matches %s as in kombu: %s', (bindingKey, routingKey, matches) => {
  expect(topicTest(bindingKey)?.(routingKey)).toBe(matches);
});

test('many wildcards take no time; what kombu cannot read either has no test', () => {
  const started = performance.now();
  expect(topicTest('#.#.#.#.#.#.#.#.x')?.('.'.repeat(20_000))).toBe(false);
  expect(performance.now() - started).toBeLessThan(5_000);
  expect(topicTest('a.**')).toBeUndefined();
  expect(topicTest('a'.repeat(2_000))).toBeUndefined();
});
