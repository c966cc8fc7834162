import { expect, test } from 'vitest';
import { cleanupId, isCleanupId } from './cleanup-id.ts';

test('is the local time of the start', () => {
  const id = cleanupId(new Date(2025, 9, 7, 4, 3, 2));
  expect(id).toBe('cleanup_total_20251007_040302');
  expect(isCleanupId(id)).toBe(true);
});

test.each([
  '',
  'cleanup_total_20251007_04030',
  'cleanup_total_20251007_040302/..',
  '../cleanup_total_20251007_040302',
  'cleanup_total_20251007_040302\n',
])('%j is none', (text) => {
  expect(isCleanupId(text)).toBe(false);
});
