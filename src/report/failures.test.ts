import { expect, test } from 'vitest';
import { collectFailures, errorLine, errorLines, joinFailures } from './failures.ts';
import { systemHint, systemReason } from './system-reason.ts';
import type { Failure, FailureList } from './types.ts';

const failure = (item: string): Failure => ({
  target: 'Uploads',
  item,
  code: 'EACCES',
  reason: 'Permission denied',
  hint: '',
});

function many(count: number): FailureList {
  const failures = collectFailures();
  for (let index = 0; index < count; index++) failures.add(failure(`${index}.mp3`));
  return failures.list();
}

test('an error line', () => {
  expect(errorLine(failure('file123.mp3'))).toBe('Uploads/file123.mp3: Permission denied');
});

test('the first 100 are kept and all are counted', () => {
  const list = many(123);
  expect(list.first).toHaveLength(100);
  expect(list.total).toBe(123);
  expect(errorLines(list)).toHaveLength(101);
  expect(errorLines(list).at(-1)).toBe('… and 23 more errors');
});

test('100 need no count, 101 have one more error', () => {
  expect(errorLines(many(100))).toHaveLength(100);
  expect(errorLines(many(101)).at(-1)).toBe('… and 1 more error');
});

test('joined lists keep 100 in their order', () => {
  const joined = joinFailures([many(60), many(150), many(2)]);
  expect(joined.total).toBe(212);
  expect(joined.first.map(({ item }) => item).slice(58, 62)).toEqual([
    '58.mp3',
    '59.mp3',
    '0.mp3',
    '1.mp3',
  ]);
  expect(joined.first).toHaveLength(100);
});

test.each([
  ['EACCES', 'Permission denied', 'run as the owner (chmod u+rwx its directory) or with sudo'],
  ['EPERM', 'Operation not permitted', 'look at lsattr: chattr -i / -a, or a sticky directory'],
  ['EROFS', 'Read-only file system', 'remount it read-write'],
  ['EIO', 'Input/output error', 'look at dmesg: the disk or the network mount fails'],
  ['EPROTO', 'Protocol error', ''],
  ['WRONGPASS', 'WRONGPASS', ''],
  ['constructor', 'constructor', ''],
])('%s: %s', (code, reason, hint) => {
  expect(systemReason(code)).toBe(reason);
  expect(systemHint(code)).toBe(hint);
});
