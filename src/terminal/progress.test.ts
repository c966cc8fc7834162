import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { logLine } from '../report/log-line.ts';
import { plainStyle } from '../report/style.ts';
import { textWidth } from '../report/text.ts';
import { makeProgress } from './progress.ts';
import type { ProgressOptions, ProgressView } from './progress.ts';

function watch(changes: Partial<ProgressOptions> = {}): {
  readonly view: ProgressView;
  shown(): string;
} {
  const stderr = new PassThrough();
  const written: string[] = [];
  stderr.on('data', (chunk: Buffer) => written.push(chunk.toString()));
  // What ora calls on a terminal.
  Object.assign(stderr, {
    isTTY: changes.stderrIsTTY ?? false,
    columns: 80,
    cursorTo: () => stderr.write('<home>'),
    clearLine: () => stderr.write('<clear>'),
    moveCursor: () => stderr.write('<up>'),
  });
  const view = makeProgress({
    stderr,
    stderrIsTTY: false,
    env: { TERM: 'xterm' },
    quiet: false,
    verbose: false,
    style: plainStyle(80),
    line: logLine,
    title: 'media-cleanup: all (3 services)',
    ...changes,
  });
  return { view, shown: () => written.join('') };
}

const REMOVED = { level: 'INFO', step: 'jobs', message: '🗑️  Redis: 15 jobs removed' } as const;
const DETAIL = { level: 'DEBUG', step: 'jobs', message: 'SCAN' } as const;
const FILES = { service: 'video-downloader', step: 'files', done: 12_345, bytes: 1_294_467_072 };
const LOG_LINE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - INFO - video-downloader: removing files/;
const LINE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - INFO - 🗑️ {2}Redis: 15 jobs removed\n$/u;

describe('without a terminal', () => {
  test('log lines, no spinner, no codes', async () => {
    const { view, shown } = watch();
    view.log(REMOVED);
    view.log(DETAIL);
    view.progress(FILES);
    view.stop();
    await delay(1);
    expect(shown()).toMatch(LINE);
    expect(view.item).toBeUndefined();
  });

  test('a dumb terminal is none', async () => {
    const { view, shown } = watch({ stderrIsTTY: true, env: { TERM: 'dumb' } });
    view.log(REMOVED);
    await delay(1);
    expect(shown()).toMatch(LINE);
  });
});

test('--verbose has a line per item, on a terminal too', async () => {
  const { view, shown } = watch({ verbose: true, stderrIsTTY: true });
  view.log(DETAIL);
  view.item?.('video-downloader', 'files', 'Cache/a\nb.mp4');
  await delay(1);
  expect(shown()).toMatch(
    / - DEBUG - SCAN\n.* - DEBUG - video-downloader: files: Cache\/a\\nb.mp4\n$/,
  );
});

test('--quiet is silent', async () => {
  const { view, shown } = watch({ quiet: true, verbose: true, stderrIsTTY: true });
  view.log({ ...REMOVED, level: 'ERROR' });
  view.progress(FILES);
  view.item?.('a', 'b', 'c');
  view.stop();
  await delay(1);
  expect(shown()).toBe('');
});

describe('on a terminal', () => {
  // The line before it is main's, see first-line.test.ts.
  test('loads no spinner for a short wipe', async () => {
    const { view, shown } = watch({ stderrIsTTY: true });
    await delay(1);
    expect(shown()).toBe('');
    view.log({ ...REMOVED, service: 'video-downloader' });
    view.log({ level: 'WARNING', step: 'files', message: 'a mount' });
    view.log({ level: 'INFO', step: 'end', message: 'the closing message' });
    view.stop();
    await delay(400);
    expect(shown()).toBe('✔ video-downloader: 🗑️  Redis: 15 jobs removed\n⚠ a mount\n\n');
  });

  test('spins when it takes longer, also while the core holds the event loop', async () => {
    const { view, shown } = watch({ stderrIsTTY: true });
    view.progress({ ...FILES, done: 1, bytes: 0 });
    await waitFor(() => shown().includes('video-downloader: removing files  1 removed, '));
    await delay(120);
    view.progress(FILES);
    for (let count = 0; count < 1000; count++) view.progress({ ...FILES, done: count });
    await delay(1);
    expect(shown()).toContain('video-downloader: removing files  12,345 removed, 1,234.5 MB, ');
    expect(shown()).not.toContain(' 500 removed');
    view.log(REMOVED);
    view.pause();
    await delay(1);
    const paused = shown();
    view.progress({ ...FILES, done: 99 });
    await delay(150);
    expect(shown()).toBe(paused);
    expect(paused).toContain('✔ 🗑️  Redis: 15 jobs removed\n');
    view.resume();
    await waitFor(() => shown().includes(' 99 removed'));
    view.stop();
    await delay(1);
    const stopped = shown();
    expect(stopped).toMatch(/<home><clear>\n$/);
    // The cursor is never hidden, so that it cannot get lost.
    expect(stopped).not.toContain('\x1b[?25l');
    await delay(250);
    expect(shown()).toBe(stopped);
  });

  test('with what the plan counted there is a bar, and an ended step is not shown on', async () => {
    const { view, shown } = watch({ stderrIsTTY: true });
    view.expect?.([{ service: 'video-downloader', step: 'files', count: 20_000, bytes: 0 }]);
    view.progress(FILES);
    await waitFor(() => shown().includes('━━━━━━━━━━━─────── 61 %  video-downloader: '));
    expect(shown()).toContain(' 61 %  video-downloader: 12,345/20,000 files, 1,234.5 MB');
    const before = shown().length;
    view.log({ ...REMOVED, service: 'video-downloader', step: 'files', figures: { deleted: 1 } });
    await delay(1);
    expect(shown().slice(before)).toContain(' 61 %  media-cleanup: all (3 services)');
    expect(shown().slice(before)).not.toContain('12,345');
    view.stop();
  });

  test('never wraps, also when the terminal has become narrower', async () => {
    const { view, shown } = watch({ stderrIsTTY: true, style: plainStyle(200) });
    view.progress({
      ...FILES,
      service: 'a-service-with-a-name-of-a-good-deal-more-than-40-columns',
    });
    await waitFor(() => shown().includes(' 12,345 removed'));
    view.stop();
    const widths = shown()
      .split(/<\w+>|\n/)
      .map((line) => textWidth(line));
    expect(Math.max(...widths)).toBeLessThan(80);
  });

  test('stopped while the spinner is being loaded', async () => {
    const { view, shown } = watch({ stderrIsTTY: true });
    await delay(252);
    view.stop();
    const stopped = shown();
    await delay(300);
    expect(shown()).toBe(stopped);
  });
});

describe('a long step without a terminal', () => {
  const at = (seconds: number): void => {
    vi.setSystemTime(new Date(2025, 9, 27, 14, 30, seconds));
    vi.advanceTimersByTime(0);
  };
  const lines = (text: string): string[] => text.split('\n').slice(0, -1);

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date', 'performance', 'setInterval', 'clearInterval'] });
    at(0);
    onTestFinished(() => void vi.useRealTimers());
  });

  test('is heard of every 30 seconds, though nothing new is told', () => {
    const { view, shown } = watch();
    view.progress({ ...FILES, step: 'files in Cache', done: 0, bytes: 0 });
    vi.advanceTimersByTime(29_000);
    view.progress({ ...FILES, step: 'files in Cache' });
    expect(shown()).toBe('');
    vi.advanceTimersByTime(41_000);
    view.stop();
    vi.advanceTimersByTime(100_000);
    expect(lines(shown())).toMatchInlineSnapshot(`
      [
        "2025-10-27 14:30:30 - INFO - video-downloader: removing files in Cache: 12,345 removed, 1,234.5 MB, 41 MB/s, 412 files/s, after 30 s",
        "2025-10-27 14:31:00 - INFO - video-downloader: removing files in Cache: 12,345 removed, 1,234.5 MB, 21 MB/s, 206 files/s, after 1 m 0 s",
      ]
    `);
    for (const line of lines(shown())) expect(line).toMatch(LOG_LINE);
  });

  test('with what the plan counted, also while the core holds the event loop', () => {
    const { view, shown } = watch({ stderrIsTTY: true, env: { TERM: 'dumb' } });
    view.expect?.([{ service: 'video-downloader', step: 'files', count: 48_000, bytes: 5e9 }]);
    const now = vi.spyOn(performance, 'now');
    for (let second = 0; second <= 61; second++) {
      now.mockReturnValue(second * 1000);
      view.progress({ ...FILES, step: 'files in Cache', done: second * 200, bytes: second * 2e7 });
    }
    now.mockRestore();
    expect(lines(shown()).map((line) => line.slice(30))).toMatchInlineSnapshot(`
      [
        "ideo-downloader: removing files in Cache: 12 % of the whole wipe, 6,000 removed, 572.2 MB, 19 MB/s, 200 files/s, about 4 m left, after 30 s",
        "ideo-downloader: removing files in Cache: 24 % of the whole wipe, 12,000 removed, 1,144.4 MB, 19 MB/s, 200 files/s, about 3 m left, after 1 m 0 s",
      ]
    `);
    expect(shown()).not.toContain('\x1b');
    view.stop();
  });

  test('not when it is over, not at the question, not with --quiet', () => {
    const { view, shown } = watch();
    view.progress(FILES);
    view.log(REMOVED);
    vi.advanceTimersByTime(60_000);
    expect(lines(shown())).toHaveLength(1);
    view.progress(FILES);
    view.pause();
    vi.advanceTimersByTime(60_000);
    expect(lines(shown())).toHaveLength(1);
    view.stop();
    const quiet = watch({ quiet: true });
    quiet.view.progress(FILES);
    vi.advanceTimersByTime(60_000);
    quiet.view.progress(FILES);
    expect(quiet.shown()).toBe('');
  });
});

async function waitFor(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition() && tries < 400; tries++) await delay(10);
  expect(condition()).toBe(true);
}
