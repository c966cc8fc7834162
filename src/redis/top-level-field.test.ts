import { describe, expect, test } from 'vitest';
import { createFieldReader } from './top-level-field.ts';

function read(text: string, size: number): { value: unknown; state: string } {
  const reader = createFieldReader('created_at');
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) reader.write(bytes.subarray(at, at + size));
  const { value, state } = reader.found();
  return { value: value === undefined ? undefined : (JSON.parse(value) as unknown), state };
}

const SIZES = [1, 2, 3, 7, 1000];

describe('createFieldReader', () => {
  const DATE = '2026-01-02T03:04:05Z';
  test.each([
    ['first', { created_at: DATE, result: 'x' }],
    ['last', { result: { a: [1, { b: 'x' }] }, list: [], ok: true, none: null, created_at: DATE }],
    ['a number', { created_at: 1700000000.25, status: 'done' }],
    ['a number at the end', { status: 'done', created_at: 17 }],
    ['null', { created_at: null, status: 'done' }],
    ['missing', { status: 'done', meta: { created_at: DATE } }],
    ['decoys', { text: `{"created_at":"${DATE}"}`, 'a"created_at': 1, list: [{ created_at: 2 }] }],
    ['a decoy before it', { meta: { created_at: 'x', deep: [[{}]] }, created_at: DATE }],
    ['backslashes', { path: 'C:\\\\', quote: '\\"', more: '\\\\"created_at":1', created_at: DATE }],
    ['other scripts', { größe: 'ü€😀', created_at: DATE, ende: '\u0000\u001f' }],
    ['empty', {}],
    ['a long name before it', { ['n'.repeat(500)]: 1, created_at: DATE }],
  ])('%s: as JSON.parse, whatever the pieces are', (_, job: Readonly<Record<string, unknown>>) => {
    for (const text of [JSON.stringify(job), JSON.stringify(job, undefined, 2)]) {
      for (const size of SIZES) {
        expect(read(text, size)).toEqual({ value: job['created_at'], state: 'ended' });
      }
    }
  });

  test('of several the last, and an escaped name is the name', () => {
    const text = `{"created_at":1,"meta":{"created_at":2},"created\\u005fat":"${DATE}"}`;
    for (const size of SIZES) expect(read(text, size)).toEqual({ value: DATE, state: 'ended' });
  });

  test('an object, a list or a text too long is a value that is no date', () => {
    for (const value of ['{"a":1}', '[1,2]', `"${'2026'.repeat(1000)}"`]) {
      for (const size of SIZES) {
        expect(read(`{"created_at":${value},"a":1}`, size)).toEqual({ value: '', state: 'ended' });
      }
    }
  });

  test.each(['', '{"a":"', '{"created_at":17', '{"a":{"created_at":1', '{"a'])(
    'cut off: %j is open, and a number that may go on is not taken',
    (text) => {
      for (const size of SIZES)
        expect(read(text, size)).toEqual({ value: undefined, state: 'open' });
    },
  );

  test.each([
    'PENDING',
    '[{"created_at":1}]',
    '"x"',
    '{a:1}',
    '{"a":}',
    '{"a":,"b":1}',
    '{"a":1"}"}',
    '{"a" 1}',
    '{}x',
  ])('no object: %j is broken', (text) => {
    for (const size of SIZES) expect(read(text, size).state).toBe('broken');
  });

  test('random objects: as JSON.parse', () => {
    let seed = 7;
    const next = (most: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % most;
    };
    const names = ['created_at', 'a', '"', '\\', 'created_at":1', '{', '}', ':'];
    const any = (depth: number): unknown => {
      const kind = next(depth > 3 ? 4 : 6);
      if (kind === 0) return names[next(names.length)];
      if (kind === 1) return next(1000) / 8;
      if (kind === 2) return [null, true, false, ''][next(4)];
      if (kind === 3) return `${DATE}\\"${next(10)}`;
      if (kind === 4) return Array.from({ length: next(4) }, () => any(depth + 1));
      return object(depth + 1);
    };
    const object = (depth: number): Record<string, unknown> =>
      Object.fromEntries(
        Array.from({ length: next(6) }, () => [names[next(names.length)] as string, any(depth)]),
      );
    for (let round = 0; round < 1000; round += 1) {
      const job = object(0);
      const date = job['created_at'];
      const isPlain = typeof date !== 'object' || date === null;
      const text = JSON.stringify(job, undefined, next(3));
      expect(read(text, 1 + next(9)), text).toEqual({ value: isPlain ? date : '', state: 'ended' });
    }
  });
});
