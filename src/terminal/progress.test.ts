import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { plainStyle } from '../report/style.ts';
import { makeProgress } from './progress.ts';
import type { ProgressOptions, ProgressView } from './progress.ts';
import { progressText } from './spinner.ts';

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
    title: 'media-cleanup: all (3 services)',
    ...changes,
  });
  return { view, shown: () => written.join('') };
}

const REMOVED = { level: 'INFO', step: 'jobs', message: '🗑️  Redis: 15 jobs removed' } as const;
const DETAIL = { level: 'DEBUG', step: 'jobs', message: 'SCAN' } as const;
const FILES = { service: 'video-downloader', step: 'files', done: 12_345, bytes: 1_294_467_072 };
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

  test('stopped while the spinner is being loaded', async () => {
    const { view, shown } = watch({ stderrIsTTY: true });
    await delay(252);
    view.stop();
    const stopped = shown();
    await delay(300);
    expect(shown()).toBe(stopped);
  });
});

test.each([
  [FILES, 3999, 'video-downloader: removing files  12,345 removed, 1,234.5 MB, 3 s'],
  [{ ...FILES, step: 'jobs', bytes: 0 }, 0, 'video-downloader: removing jobs  12,345 removed, 0 s'],
  [
    { ...FILES, step: 'models in Models', bytes: 0 },
    0,
    'video-downloader: removing models in Models  12,345 removed, 0 s',
  ],
  [{ ...FILES, step: 'inspect', bytes: 0 }, 0, 'video-downloader: counting  12,345 counted, 0 s'],
  [{ ...FILES, step: 'other', bytes: 0 }, 0, 'video-downloader: other  12,345 done, 0 s'],
])('the text of %o', (progress, milliseconds, text) => {
  expect(progressText(progress, milliseconds)).toBe(text);
});

async function waitFor(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition() && tries < 400; tries++) await delay(10);
  expect(condition()).toBe(true);
}
