import { expect, test } from 'vitest';
import { CannotStart } from '../errors.ts';
import { readYaml } from './compose-document.ts';

const read = async (text: string): Promise<unknown> =>
  await readYaml({ file: 'compose.yml', path: '/srv/compose.yml', text });

const nested = (depth: number): string => `a: ${'['.repeat(depth)}${']'.repeat(depth)}`;

const MERGE = 'a merge key';
const ENDLESS = 'its aliases unfold without end';

test.each([
  ['a merge of a text', 'services:\n  a:\n    <<: text\n    image: x\n', MERGE],
  ['a merge of a number', 'services:\n  a:\n    <<: 5\n', MERGE],
  ['a merge of nothing', 'services:\n  a:\n    <<: null\n', MERGE],
  ['a merge of a list of texts', 'services:\n  a:\n    <<: [text]\n', MERGE],
  ['a merge of an alias of a text', 'x: &x text\nservices:\n  a:\n    <<: *x\n', MERGE],
  ['a merge within !override', 'services:\n  a: !override\n    <<: text\n', MERGE],
  ['a merge of itself', 'services:\n  a: &a\n    <<: *a\n', ENDLESS],
  ['a list in itself', 'a: &a [*a]\nservices: {}', ENDLESS],
  ['a map in itself', 'services:\n  a: &a\n    image: x\n    environment: *a\n', ENDLESS],
  ['services in themselves', 'services: &s\n  a: *s\n', ENDLESS],
  ['itself within !override', 'services:\n  a: &a !override\n    x: *a\n', ENDLESS],
  ['3,000 lists in one another', nested(3000), 'it is nested too deeply'],
])('%s is a problem of the file', async (_, text, problem) => {
  const error = await read(text).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CannotStart);
  expect(error).toMatchObject({ stop: 'config' });
  expect(String(error)).toContain(problem);
});

test.each([
  ['one anchor used twice', 'x: &x {a: 1}\nservices: {a: *x, b: *x}'],
  ['a merge of a map', 'x: &x {image: y}\nservices: {a: {<<: *x}}'],
  ['a merge of maps', 'x: &x {image: y}\nservices: {a: {<<: [*x, *x]}}'],
  ['keys that are no texts', 'services:\n  ? {a: b}\n  : image: x\n  ? [a]\n  : {image: x}\n'],
  ['tags', 'services:\n  a: !foo {image: !!binary aGVsbG8=}\n'],
  ['a number beyond all', 'services: {a: {image: 99999999999999999999999999}}'],
  ['a list of some depth', nested(50)],
])('%s is read', async (_, text) => {
  expect(await read(text)).toBeInstanceOf(Map);
});
