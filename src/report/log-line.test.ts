import { describe, expect, test } from 'vitest';
import { journalLine, logJson, logLine } from './log-line.ts';

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

describe('as JSON', () => {
  const UTC = new Date('2025-10-27T14:30:22.104Z');

  test('fields in their order, then the figures', () => {
    const entry = {
      level: 'INFO',
      service: 'audio-transcriber',
      step: 'jobs',
      message: '🗑️  Redis: 15 jobs removed',
      figures: { jobs: 15, results: 3 },
    } as const;
    expect(logJson(entry, UTC)).toBe(
      '{"time":"2025-10-27T14:30:22.104Z","level":"INFO","service":"audio-transcriber",' +
        '"step":"jobs","message":"🗑️  Redis: 15 jobs removed","jobs":15,"results":3}',
    );
  });

  test('of no service: null; no figure takes the place of a field', () => {
    const figures = { time: 1, level: 2, bytes: 3 };
    const entry = { level: 'WARNING', step: 'start', message: 'm', figures } as const;
    expect(JSON.parse(logJson(entry, UTC))).toEqual({
      time: '2025-10-27T14:30:22.104Z',
      level: 'WARNING',
      service: null,
      step: 'start',
      message: 'm',
      bytes: 3,
    });
  });

  test('one line that commands no terminal and means the same', () => {
    const message = 'a\nb\r\x1b[2J\u009b\u202e\u2028\u0085\0"\\é🔥\u{e0001}👨‍👩‍👧';
    const line = logJson({ level: 'ERROR', step: 'x', message }, UTC);
    expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202e\u{e0001}]/u);
    expect(line).toContain('é🔥');
    expect(line).toContain('👨‍👩‍👧');
    expect(JSON.parse(line)).toMatchObject({ message });
  });
});

describe('for the journal', () => {
  test.each([
    ['DEBUG', '<7>'],
    ['INFO', '<6>'],
    ['WARNING', '<4>'],
    ['ERROR', '<3>'],
  ] as const)('%s is %s', (level, prefix) => {
    expect(journalLine(level, 'text')).toBe(`${prefix}text`);
  });

  test('each line, one that is empty too; a line end at the end stays one', () => {
    expect(journalLine('INFO', 'a\n\nb\r\nc\n')).toBe('<6>a\n<6>\n<6>b\r\n<6>c\n');
    expect(journalLine('INFO', 'a\n\n')).toBe('<6>a\n<6>\n');
    expect(journalLine('INFO', '')).toBe('<6>');
  });

  test('no text gives itself another priority', () => {
    expect(journalLine('INFO', '<0>a\n<0>b\0<0>c')).toBe('<6><0>a\n<6><0>b\0<6><0>c');
  });
});
