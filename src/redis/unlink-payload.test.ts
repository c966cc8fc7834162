import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createPayloadMaker, keysOf } from './unlink-payload.ts';

describe('an UNLINK in one piece', () => {
  test('is the command of the Redis protocol', () => {
    const { bytes, count } = createPayloadMaker().make([Buffer.from('a'), Buffer.from('b\r\n')]);
    expect(bytes.toString()).toBe('*3\r\n$6\r\nUNLINK\r\n$1\r\na\r\n$3\r\nb\r\n\r\n');
    expect(count).toBe(2);
  });

  test('names keys of any bytes and length', () => {
    const keys = [0, 1, 9, 10, 99, 100, 999, 1000, 10_240].map((length) => randomBytes(length));
    expect(keysOf(createPayloadMaker().make(keys))).toEqual(keys);
  });

  test('names the companions of keys instead', () => {
    const starts = [Buffer.from('result-'), Buffer.from('p_result-')];
    const companions = { starts, skips: () => [4] };
    const keys = [Buffer.from('job:1'), Buffer.from('job:')];
    const { bytes, count } = createPayloadMaker().make(keys, companions);
    expect(count).toBe(4);
    expect(keysOf({ bytes, count }).map(String)).toEqual([
      'result-1',
      'p_result-1',
      'result-',
      'p_result-',
    ]);
  });

  test('names several companions where the id may begin at several places', () => {
    const skips = (key: Buffer): number[] => (key[3] === 0x3a ? [3, 4] : [3]);
    const keys = [Buffer.from('job:1'), Buffer.from('job2')];
    const payload = createPayloadMaker().make(keys, { starts: [Buffer.from('r-')], skips });
    expect(payload.count).toBe(3);
    expect(keysOf(payload).map(String)).toEqual(['r-:1', 'r-1', 'r-2']);
  });

  test('memory is used again only when it was given back', () => {
    const maker = createPayloadMaker();
    const first = maker.make([Buffer.from('first')]);
    const second = maker.make([Buffer.from('second')]);
    expect(keysOf(first).map(String)).toEqual(['first']);
    maker.release(second);
    const third = maker.make([Buffer.from('third')]);
    expect(third.bytes.buffer).toBe(second.bytes.buffer);
    expect([first, third].flatMap(keysOf).map(String)).toEqual(['first', 'third']);
  });

  test('what was given back and is too small is not written beyond', () => {
    const maker = createPayloadMaker();
    maker.release(maker.make([Buffer.from('small')]));
    const keys = Array.from({ length: 1000 }, (_, at) => Buffer.from(`key ${at}`));
    expect(keysOf(maker.make(keys))).toEqual(keys);
  });
});
