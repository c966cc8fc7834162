import { describe, expect, test } from 'vitest';
import { familyOf } from './families.ts';
import { escapeGlob, startsWith } from './scan.ts';

describe('glob characters', () => {
  test.each([
    ['job:', 'job:'],
    ['a*b?c[d]e\\f^', String.raw`a\*b\?c\[d\]e\\f\^`],
  ])('of %j are taken literally', (text, escaped) => {
    expect(escapeGlob(Buffer.from(text)).toString()).toBe(escaped);
  });

  test('bytes that are no text are kept', () => {
    expect(escapeGlob(Buffer.from([0xff, 0x2a, 0x00]))).toEqual(
      Buffer.from([0xff, 0x5c, 0x2a, 0x00]),
    );
  });
});

test('a key begins with a prefix byte for byte', () => {
  expect(startsWith(Buffer.from('job:1'), Buffer.from('job:'))).toBe(true);
  expect(startsWith(Buffer.from('job:'), Buffer.from('job:'))).toBe(true);
  expect(startsWith(Buffer.from('jo'), Buffer.from('job:'))).toBe(false);
  expect(startsWith(Buffer.from('Job:1'), Buffer.from('job:'))).toBe(false);
});

test.each([
  ['job:1234', 'job:'],
  ['cache/page/1', 'cache/page/'],
  ['celery-task-meta-0b6f4c0e-8a0e-4d8e-9f52-5f2c3f9d0d11', 'celery-task-meta-'],
  ['mp3:song-17:title', 'mp3:song-'],
  ['app:user:settings', 'app:user:'],
  ['_kombu.binding.celery', '_kombu.binding.'],
  ['single', 'single'],
  ['job:', 'job:'],
  ['::', '::'],
])('the family of %s is %s', (key, family) => {
  expect(familyOf(key)).toBe(family);
});
