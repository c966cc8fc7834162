import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { plainStyle } from '../report/style.ts';
import { textWidth } from '../report/text.ts';
import { makeStyle } from './terminal.ts';
import type { Reading } from './meter.ts';
import { progressLine, progressSentence, titleLine } from './progress-line.ts';

const UNKNOWN: Reading = {
  service: 'video-downloader',
  step: 'files in Cache',
  kind: 'files',
  where: ' in Cache',
  done: 12_345,
  bytes: 1_294_467_072,
  milliseconds: 65_999,
  fraction: undefined,
  expected: undefined,
  itemsPerSecond: 3512.3,
  bytesPerSecond: 367_001_600,
  secondsLeft: undefined,
};
const KNOWN: Reading = {
  ...UNKNOWN,
  fraction: 0.429,
  expected: { count: 48_000, done: 22_345, bytes: 2_294_467_072 },
  secondsLeft: 117,
};
const JOBS: Reading = {
  ...KNOWN,
  step: 'jobs',
  kind: 'jobs',
  where: '',
  bytes: 0,
  expected: { count: 120_400, done: 12_345, bytes: 0 },
  itemsPerSecond: 51_234,
  bytesPerSecond: 0,
};

const WIDTHS = [120, 100, 80, 60, 50, 40, 30, 20];

function lines(reading: Reading, unicode = true): string {
  return WIDTHS.map((width) => {
    const line = progressLine(reading, width, plainStyle(width, unicode));
    expect(textWidth(line)).toBeLessThanOrEqual(width);
    return `${String(width).padStart(3)}  ${line}`;
  }).join('\n');
}

describe('with totals', () => {
  test('files', () => {
    expect(lines(KNOWN)).toMatchInlineSnapshot(`
      "120  ━━━━━━━╸────────── 42 %  video-downloader: 22,345/48,000 files, 2,188.2 MB, 350 MB/s, 3,512 files/s, about 2 m left
      100  ━━━━━━━╸────────── 42 %  video-downloader: 22,345/48,000 files, 2,188.2 MB, 350 MB/s, about 2 m left
       80  ━━━━━─────── 42 %  22,345/48,000 files, 2,188.2 MB, 350 MB/s, about 2 m left
       60  ━━━───── 42 %  22,345 files, 2,188.2 MB, 350 MB/s, 2 m left
       50  ━━━───── 42 %  22,345 files, 2,188.2 MB, 2 m left
       40  ━━━───── 42 %  22,345 files, 2 m left
       30  42 %  22,345 files, 2 m left
       20  42 %  22,345 files"
    `);
  });

  test('before the remaining time can be told', () => {
    expect(lines({ ...KNOWN, secondsLeft: undefined })).toMatchInlineSnapshot(`
      "120  ━━━━━━━━━━────────────── 42 %  video-downloader: 22,345/48,000 files, 2,188.2 MB, 350 MB/s, 3,512 files/s
      100  ━━━━━━━╸────────── 42 %  video-downloader: 22,345/48,000 files, 2,188.2 MB, 350 MB/s, 3,512 files/s
       80  ━━━━━─────── 42 %  video-downloader: 22,345/48,000 files, 2,188.2 MB, 350 MB/s
       60  ━━━━━─────── 42 %  22,345/48,000 files, 2,188.2 MB, 350 MB/s
       50  ━━━───── 42 %  22,345 files, 2,188.2 MB, 350 MB/s
       40  ━━━───── 42 %  22,345 files, 2,188.2 MB
       30  ━━━───── 42 %  22,345 files
       20  42 %  22,345 files"
    `);
  });

  test('jobs, in ASCII', () => {
    expect(lines(JOBS, false)).toMatchInlineSnapshot(`
      "120  ##########.............. 42 %  video-downloader: 12,345/120,400 jobs, 51,234 jobs/s, about 2 m left
      100  ##########.............. 42 %  video-downloader: 12,345/120,400 jobs, 51,234 jobs/s, about 2 m left
       80  #######........... 42 %  12,345/120,400 jobs, 51,234 jobs/s, about 2 m left
       60  ###..... 42 %  12,345 jobs, 51,234 jobs/s, about 2 m left
       50  #######........... 42 %  12,345 jobs, 2 m left
       40  #####....... 42 %  12,345 jobs, 2 m left
       30  42 %  12,345 jobs, 2 m left
       20  42 %  12,345 jobs"
    `);
  });

  test('verifying', () => {
    const verify = { ...KNOWN, kind: 'verify', step: 'verify', where: '', fraction: 0.99 };
    expect(
      lines({
        ...verify,
        ...{ done: 7, bytes: 0, expected: undefined },
        ...{ itemsPerSecond: undefined, bytesPerSecond: undefined, secondsLeft: undefined },
      }),
    ).toMatchInlineSnapshot(`
      "120  ━━━━━━━━━━━━━━━━━━━━━━━╸ 99 %  video-downloader: verifying  7 checked, 1 m 5 s
      100  ━━━━━━━━━━━━━━━━━━━━━━━╸ 99 %  video-downloader: verifying  7 checked, 1 m 5 s
       80  ━━━━━━━━━━━━━━━━━━━━━━━╸ 99 %  video-downloader: verifying  7 checked, 1 m 5 s
       60  ━━━━━━━━━━━━━━━━━━━━━━━╸ 99 %  verifying  7 checked, 1 m 5 s
       50  ━━━━━━━━━━━╸ 99 %  verifying  7 checked, 1 m 5 s
       40  99 %  verifying  7 checked, 1 m 5 s
       30  99 %  verifying  7 checked
       20  99 %  verifying  7 …"
    `);
  });

  test('colour changes no word', async () => {
    const colour = await makeStyle({ level: 1, width: 80, unicode: true });
    const line = progressLine(KNOWN, 80, colour);
    expect(line).toContain('\x1b[32m━');
    expect(stripVTControlCharacters(line)).toBe(progressLine(KNOWN, 80, plainStyle(80)));
  });
});

test('between two steps', () => {
  const line = (width: number, fraction?: number): string =>
    titleLine('media-cleanup: wiping', fraction, width, plainStyle(width));
  expect([line(80), line(80, 0.5), line(40, 0.5), line(30, 0.5), line(10, 0.5)])
    .toMatchInlineSnapshot(`
      [
        "media-cleanup: wiping",
        "━━━━━━━━━━━━──────────── 50 %  media-cleanup: wiping",
        "━━━━━━────── 50 %  media-cleanup: wiping",
        "media-cleanup: wiping",
        "media-cle…",
      ]
    `);
});

describe('without totals', () => {
  test('files', () => {
    expect(lines(UNKNOWN)).toMatchInlineSnapshot(`
      "120  video-downloader: removing files in Cache  12,345 removed, 1,234.5 MB, 350 MB/s, 3,512/s, 1 m 5 s
      100  video-downloader: removing files in Cache  12,345 removed, 1,234.5 MB, 350 MB/s, 3,512/s, 1 m 5 s
       80  video-downloader: removing files  12,345 removed, 1,234.5 MB, 350 MB/s, 1 m 5 s
       60  removing files  12,345 removed, 1,234.5 MB, 1 m 5 s
       50  removing files  12,345 removed, 1 m 5 s
       40  removing files  12,345 removed, 1 m 5 s
       30  removing files  12,345 removed
       20  removing files  12,…"
    `);
  });

  test('jobs', () => {
    expect(lines({ ...JOBS, fraction: undefined, expected: undefined, secondsLeft: undefined }))
      .toMatchInlineSnapshot(`
      "120  video-downloader: removing jobs  12,345 removed, 51,234/s, 1 m 5 s
      100  video-downloader: removing jobs  12,345 removed, 51,234/s, 1 m 5 s
       80  video-downloader: removing jobs  12,345 removed, 51,234/s, 1 m 5 s
       60  removing jobs  12,345 removed, 51,234/s, 1 m 5 s
       50  removing jobs  12,345 removed, 51,234/s, 1 m 5 s
       40  removing jobs  12,345 removed, 1 m 5 s
       30  removing jobs  12,345 removed
       20  removing jobs  12,3…"
    `);
  });
});

const BARE = { ...UNKNOWN, itemsPerSecond: undefined, bytesPerSecond: undefined, bytes: 0 };

test.each([
  ['files', 0, 'video-downloader: removing files in A  12,345 removed, 0 s'],
  ['inspect', 3999, 'video-downloader: counting in A  12,345 counted, 3 s'],
  ['save', 125_000, 'video-downloader: waiting for Redis to save in A  2 m 5 s'],
  ['other', 7_260_000, 'video-downloader: other in A  12,345 done, 2 h 1 m'],
  ['constructor', 0, 'video-downloader: constructor in A  12,345 done, 0 s'],
])('%s after %i ms', (kind, milliseconds, text) => {
  const reading = { ...BARE, kind, step: `${kind} in A`, where: ' in A', milliseconds };
  expect(progressLine(reading, 80, plainStyle(80))).toBe(text);
});

test('one is one', () => {
  const one = { count: 1, done: 1, bytes: 0 };
  const line = (changes: Partial<Reading>): string =>
    progressLine({ ...JOBS, ...changes }, 120, plainStyle(120));
  expect(line({ kind: 'in-flight', expected: one })).toContain(' 1/1 in-flight task, ');
  expect(line({ kind: 'models', expected: { ...one, count: 2 } })).toContain(' 1/2 models, ');
  // Something came meanwhile.
  expect(line({ kind: 'models', expected: { ...one, done: 2 } })).toContain(' 2 models, ');
});

test('text from outside commands no terminal', () => {
  const evil = { ...UNKNOWN, service: 'a\x1b[2J\nb', where: ' in \x07' };
  for (const reading of [evil, { ...evil, fraction: 0.1 }]) {
    expect(progressLine(reading, 200, plainStyle(200))).not.toMatch(/\p{Cc}/u);
  }
});

test('as a sentence', () => {
  expect([KNOWN, UNKNOWN, JOBS].map(progressSentence)).toMatchInlineSnapshot(`
    [
      "video-downloader: removing files in Cache: 42 % of the whole wipe, 12,345 removed, 1,234.5 MB, 350 MB/s, 3,512 files/s, about 2 m left, after 1 m 5 s",
      "video-downloader: removing files in Cache: 12,345 removed, 1,234.5 MB, 350 MB/s, 3,512 files/s, after 1 m 5 s",
      "video-downloader: removing jobs: 42 % of the whole wipe, 12,345 removed, 51,234 jobs/s, about 2 m left, after 1 m 5 s",
    ]
  `);
});
