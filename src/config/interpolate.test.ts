import { expect, test } from 'vitest';
import { interpolate } from './interpolate.ts';

const VALUES: Readonly<Record<string, string>> = { SET: 'value', EMPTY: '' };
const lookup = (name: string): string | undefined => VALUES[name];

test.each([
  ['$SET and ${SET}', 'value and value'],
  ['$$SET', '$SET'],
  ['${UNSET:-default}', 'default'],
  ['${EMPTY:-default}', 'default'],
  ['${EMPTY-default}', ''],
  ['${UNSET-default}', 'default'],
  ['${SET:+other}', 'other'],
  ['${EMPTY:+other}${EMPTY+other}', 'other'],
  ['${SET:?must be set}', 'value'],
  ['${UNSET:-a${SET}b${UNSET:-c}}', 'avaluebc'],
  ['100$ and ${not a name} and ${open', '100$ and ${not a name} and ${open'],
])('%s is %s', (raw, text) => {
  expect(interpolate(raw, lookup).text).toBe(text);
});

test('says what is missing, and which part came from which variable', () => {
  expect(interpolate('a${SET}${UNSET}${GONE:?why}', lookup)).toEqual({
    text: 'avalue',
    pieces: [
      { text: 'a', variable: undefined },
      { text: 'value', variable: 'SET' },
      { text: '', variable: 'UNSET' },
      { text: '', variable: 'GONE' },
    ],
    missing: ['UNSET', 'GONE'],
  });
});

test('very many open braces take no time', () => {
  const start = performance.now();
  interpolate('${a:-'.repeat(100_000), lookup);
  interpolate(`${'${a:-'.repeat(2000)}${'}'.repeat(2000)}`, lookup);
  expect(performance.now() - start).toBeLessThan(2000);
});
