import { describe, expect, test } from 'vitest';
import { harmless, printable } from './printable.ts';

describe('a name', () => {
  test.each<[string, Buffer | string, string]>([
    ['ASCII', 'track 01.mp3', 'track 01.mp3'],
    ['UTF-8', 'Größe 日本 👩‍💻.wav', 'Größe 日本 👩‍💻.wav'],
    ['line ends and tabs', 'a\nb\tc\rd', 'a\\nb\\tc\\rd'],
    ['colour codes', '\x1b[31mred', '\\x1b[31mred'],
    ['DEL and NUL', 'a\x7f\0', 'a\\x7f\\x00'],
    ['C1: CSI as a character', 'a\u009b2J', 'a\\xc2\\x9b2J'],
    ['C1: CSI as a byte', Buffer.from([0x61, 0x9b]), 'a\\x9b'],
    ['a bidirectional override', 'gpj\u202e.mp3', 'gpj\\xe2\\x80\\xae.mp3'],
    ['an invisible character', 'a\u200bb', 'a\\xe2\\x80\\x8bb'],
    ['line separator', 'a\u2028b', 'a\\xe2\\x80\\xa8b'],
    ['Latin-1', Buffer.from([0x66, 0xfc, 0x72]), 'f\\xfcr'],
    ['a cut sequence', Buffer.from([0xe2, 0x82]), '\\xe2\\x82'],
    ['an overlong slash', Buffer.from([0xc0, 0xaf]), '\\xc0\\xaf'],
    ['a surrogate', Buffer.from([0xed, 0xa0, 0x80]), '\\xed\\xa0\\x80'],
    ['a backslash', 'C:\\Music', 'C:\\Music'],
    ['a backslash that would read as an escape', 'a\\nb', 'a\\\\nb'],
    ['a backslash before a line end', 'a\\\nb', 'a\\\\\\nb'],
    ['a backslash at the end', 'a\\', 'a\\'],
  ])('%s', (_, name, text) => {
    expect(printable(name)).toBe(text);
  });

  test('different names stay different', () => {
    const alphabet = ['\\', 'n', 'x', '0', '\n', Buffer.from([0xff])];
    const names = alphabet.flatMap((a) =>
      alphabet.flatMap((b) =>
        alphabet.map((c) => Buffer.concat([a, b, c].map((part) => Buffer.from(part)))),
      ),
    );
    expect(new Set(names.map(printable)).size).toBe(names.length);
  });

  test('no byte commands a terminal', () => {
    for (let byte = 0; byte < 256; byte++) {
      expect(printable(Buffer.from([byte]))).toMatch(/^[\x20-\x7e]+$/);
    }
  });
});

describe('a sentence', () => {
  test('keeps names that are printable already', () => {
    expect(harmless('Uploads/a\\nb: gone')).toBe('Uploads/a\\nb: gone');
  });

  test('keeps emoji and loses control', () => {
    expect(harmless('🗑️  Redis\x1b]0;x\x07')).toBe('🗑️  Redis\\x1b]0;x\\x07');
  });

  test('is ASCII where the terminal knows no more', () => {
    expect(harmless('Größe', true)).toBe('Gr\\xc3\\xb6\\xc3\\x9fe');
  });
});
