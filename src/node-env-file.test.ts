import { expect, test } from 'vitest';
import { addedByNode } from './node-env-file.ts';

const ENV = { PATH: '/bin', MEDIA_CLEANUP_CONFIG: 'other.json', EMPTY: '' };
const INITIAL = 'PATH=/bin\0EMPTY=\0';

test('variables that the process was not started with, only beside the flag', () => {
  expect(addedByNode(['all', '--env-file', 'x'], ENV, INITIAL)).toEqual(['MEDIA_CLEANUP_CONFIG']);
  expect(addedByNode(['all', '--env-file=x'], ENV, INITIAL)).toEqual(['MEDIA_CLEANUP_CONFIG']);
  expect(addedByNode(['all'], ENV, INITIAL)).toEqual([]);
  expect(addedByNode(['all', '--env-file', 'x'], ENV, undefined)).toEqual([]);
  expect(addedByNode(['all', '--env-file', 'x'], ENV, '')).toEqual([]);
});
