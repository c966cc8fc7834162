import { expect, test } from 'vitest';
import { logLine } from './log-line.ts';

const TIME = new Date(2025, 9, 7, 4, 3, 5);

test('local time, level, message', () => {
  expect(logLine({ level: 'INFO', message: '🗑️  Redis: 15 jobs removed' }, TIME)).toBe(
    '2025-10-07 04:03:05 - INFO - 🗑️  Redis: 15 jobs removed',
  );
});

test('a message cannot make a second line', () => {
  expect(logLine({ level: 'ERROR', message: 'a\nb\x1b[2J' }, TIME)).toBe(
    '2025-10-07 04:03:05 - ERROR - a\\nb\\x1b[2J',
  );
});
