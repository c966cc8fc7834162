import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  DENIED,
  emptyService,
  INTERRUPTED,
  reportOf,
  TRANSCRIBER,
  TROUBLED,
} from '../../test/support/reports.ts';
import { makeStyle } from '../terminal/terminal.ts';
import { plainStyle } from './style.ts';
import type { WipeReport } from './types.ts';
import { reportText } from './table.ts';
import { textWidth } from './text.ts';

const widest = (text: string): number => Math.max(...text.split('\n').map(textWidth));

test('80 columns', () => {
  expect(reportText(TROUBLED, plainStyle(80))).toMatchInlineSnapshot(`
    "Service               Jobs  Tasks  Files  Models   MB freed  Errors  Verified
    ─────────────────────────────────────────────────────────────────────────────
    audio-transcriber       15      4     49       3   1,645.20       0       yes
    audio-normalization  1,204     12  3,411       0   9,419.01       1        NO
    video-downloader         ?      ?      8       -       4.00       1        NO
    ─────────────────────────────────────────────────────────────────────────────
    Total                1,219     16  3,468       3  11,068.21       2        NO

    ✖ audio-normalization: Uploads/file123.mp3: Permission denied → run as the owner
      or with sudo
    ⚠ audio-normalization: processed/nfs is a mount point: left alone (unmount it,
      or give it its own entry)
    ✖ video-downloader: Redis/127.0.0.1:6379/1: Connection refused → start the
      server, or correct host and port in the config

    audio-transcriber: 1 task of its workers cancelled
    audio-normalization: still there: 1 file
    audio-normalization: 50.00 MB of deleted files are held open by a process, not
      free yet

    ⚠️  WIPE FINISHED WITH ERRORS: 1219 jobs + 3468 files + 3 models removed
      (11068.21MB freed), 2 errors, 1 left
    "
  `);
});

test('120 columns', () => {
  expect(reportText(TROUBLED, plainStyle(120))).toMatchInlineSnapshot(`
    "Service               Jobs  Tasks  Files  Models   MB freed  Errors  Verified
    ─────────────────────────────────────────────────────────────────────────────
    audio-transcriber       15      4     49       3   1,645.20       0       yes
    audio-normalization  1,204     12  3,411       0   9,419.01       1        NO
    video-downloader         ?      ?      8       -       4.00       1        NO
    ─────────────────────────────────────────────────────────────────────────────
    Total                1,219     16  3,468       3  11,068.21       2        NO

    ✖ audio-normalization: Uploads/file123.mp3: Permission denied → run as the owner or with sudo
    ⚠ audio-normalization: processed/nfs is a mount point: left alone (unmount it, or give it its own entry)
    ✖ video-downloader: Redis/127.0.0.1:6379/1: Connection refused → start the server, or correct host and port in the
      config

    audio-transcriber: 1 task of its workers cancelled
    audio-normalization: still there: 1 file
    audio-normalization: 50.00 MB of deleted files are held open by a process, not free yet

    ⚠️  WIPE FINISHED WITH ERRORS: 1219 jobs + 3468 files + 3 models removed (11068.21MB freed), 2 errors, 1 left
    "
  `);
});

test('what an interrupted run has not begun has no figures', () => {
  const lines = reportText(INTERRUPTED, plainStyle(80)).split('\n').slice(0, 6);
  expect(lines.join('\n')).toMatchInlineSnapshot(`
    "Service            Jobs  Tasks  Files  Models  MB freed  Errors  Verified
    ─────────────────────────────────────────────────────────────────────────
    audio-transcriber    15      4     49       -  1,645.20       0        NO
    video-downloader      -      -      -       -         -       0        NO
    ─────────────────────────────────────────────────────────────────────────
    Total                15      4     49       -  1,645.20       0        NO"
  `);
  const only = { ...INTERRUPTED, kinds: ['jobs'] as const };
  expect(reportText(only, plainStyle(80))).toMatch(/^video-downloader +- +- +- +- +0\.00 +0 +NO$/m);
});

test('ASCII, without the emoji of the closing message', () => {
  const text = reportText(TROUBLED, plainStyle(80, false));
  expect(text).toMatchInlineSnapshot(`
    "Service               Jobs  Tasks  Files  Models   MB freed  Errors  Verified
    -----------------------------------------------------------------------------
    audio-transcriber       15      4     49       3   1,645.20       0       yes
    audio-normalization  1,204     12  3,411       0   9,419.01       1        NO
    video-downloader         ?      ?      8       -       4.00       1        NO
    -----------------------------------------------------------------------------
    Total                1,219     16  3,468       3  11,068.21       2        NO

    x audio-normalization: Uploads/file123.mp3: Permission denied -> run as the
      owner or with sudo
    ! audio-normalization: processed/nfs is a mount point: left alone (unmount it,
      or give it its own entry)
    x video-downloader: Redis/127.0.0.1:6379/1: Connection refused -> start the
      server, or correct host and port in the config

    audio-transcriber: 1 task of its workers cancelled
    audio-normalization: still there: 1 file
    audio-normalization: 50.00 MB of deleted files are held open by a process, not
      free yet

    WIPE FINISHED WITH ERRORS: 1219 jobs + 3468 files + 3 models removed (11068.21MB
      freed), 2 errors, 1 left
    "
  `);
  expect(text).toMatch(/^[\n\x20-\x7e]*$/);
  expect(reportText(reportOf([TRANSCRIBER]), plainStyle(80, false))).toContain(
    '\nTOTAL WIPE COMPLETED: 15 jobs + ',
  );
  // Not where there is no terminal.
  expect(reportText(reportOf([TRANSCRIBER]), plainStyle(Infinity, false))).toContain(
    '\n🔥 TOTAL WIPE COMPLETED: 15 jobs + ',
  );
});

test('colours say nothing that the words do not', async () => {
  const colour = await makeStyle({ level: 1, width: 80, unicode: true });
  const text = reportText(TROUBLED, colour);
  expect(text.slice(text.indexOf('audio-transcriber')).replaceAll('\x1b', '^'))
    .toMatchInlineSnapshot(`
      "audio-transcriber       15      4     49       3   1,645.20       ^[2m0^[22m       ^[32myes^[39m
      audio-normalization  1,204     12  3,411       ^[2m0^[22m   9,419.01       ^[31m1^[39m        ^[31mNO^[39m
      video-downloader         ^[33m?^[39m      ^[33m?^[39m      8       ^[2m-^[22m       4.00       ^[31m1^[39m        ^[31mNO^[39m
      ^[2m─────────────────────────────────────────────────────────────────────────────^[22m
      Total                1,219     16  3,468       3  11,068.21       ^[31m2^[39m        ^[31mNO^[39m

      ^[31m✖^[39m audio-normalization: Uploads/file123.mp3: Permission denied → run as the owner
        or with sudo
      ^[33m⚠^[39m audio-normalization: processed/nfs is a mount point: left alone (unmount it,
        or give it its own entry)
      ^[31m✖^[39m video-downloader: Redis/127.0.0.1:6379/1: Connection refused → start the
        server, or correct host and port in the config

      audio-transcriber: 1 task of its workers cancelled
      audio-normalization: still there: 1 file
      audio-normalization: 50.00 MB of deleted files are held open by a process, not
        free yet

      ^[1m^[33m⚠️  WIPE FINISHED WITH ERRORS: 1219 jobs + 3468 files + 3 models removed^[39m^[22m
      ^[1m^[33m  (11068.21MB freed), 2 errors, 1 left^[39m^[22m
      "
    `);
  expect(stripVTControlCharacters(text)).toBe(reportText(TROUBLED, plainStyle(80)));
});

test('what is not there is dimmed, and nothing else of the figures', async () => {
  const colour = await makeStyle({ level: 1, width: 80, unicode: true });
  const row = (report: WipeReport): string =>
    reportText(report, colour).split('\n')[2]?.replaceAll('\x1b', '^') ?? '';
  expect(
    row(reportOf([emptyService('idle')], { kinds: ['jobs', 'queue', 'files'] })),
  ).toMatchInlineSnapshot(
    `"idle        ^[2m0^[22m      ^[2m0^[22m      ^[2m0^[22m       ^[2m-^[22m      ^[2m0.00^[22m       ^[2m0^[22m       ^[32myes^[39m"`,
  );
  expect(row(reportOf([TRANSCRIBER]))).toMatchInlineSnapshot(
    `"audio-transcriber    15      4     49       3  1,645.20       ^[2m0^[22m       ^[32myes^[39m"`,
  );
});

test('one service has no total', () => {
  expect(reportText(reportOf([TRANSCRIBER]), plainStyle(80))).toMatchInlineSnapshot(`
    "Service            Jobs  Tasks  Files  Models  MB freed  Errors  Verified
    ─────────────────────────────────────────────────────────────────────────
    audio-transcriber    15      4     49       3  1,645.20       0       yes

    audio-transcriber: 1 task of its workers cancelled

    🔥 TOTAL WIPE COMPLETED: 15 jobs + 49 files + 3 models removed (1645.2MB freed)
    "
  `);
});

test('what was not selected is a dash', () => {
  const text = reportText(reportOf([TRANSCRIBER], { kinds: ['jobs', 'queue'] }), plainStyle(80));
  expect(text).toMatchInlineSnapshot(`
    "Service            Jobs  Tasks  Files  Models  MB freed  Errors  Verified
    ─────────────────────────────────────────────────────────────────────────
    audio-transcriber    15      4      -       -  1,645.20       0       yes

    audio-transcriber: 1 task of its workers cancelled

    🔥 WIPE COMPLETED (jobs, queue only): 15 jobs + 49 files + 3 models removed
      (1645.2MB freed), 4 tasks
    "
  `);
});

describe('width', () => {
  const full = ['audio-transcriber', 'audio-normalization', 'video-downloader'].map((name) => ({
    ...emptyService(name),
    jobsRemoved: 9_999_999,
    tasksPurged: { queued: 9_999_998, inFlight: 1 },
    filesDeleted: 9_999_999,
    modelsDeleted: 9_999_999,
    bytesFreed: 9_999_999 * 2 ** 20,
  }));

  test.each([80, 120])('seven-digit counts fit in %i columns as a table', (width) => {
    const text = reportText(reportOf(full), plainStyle(width));
    expect(widest(text)).toBeLessThanOrEqual(width);
    expect(text).toMatch(/^Service +Jobs/);
  });

  test('everything at its largest still fits in 80 columns', () => {
    const failures = { first: [DENIED], total: 9_999_999 };
    const text = reportText(reportOf(full.map((one) => ({ ...one, failures }))), plainStyle(80));
    expect(widest(text)).toBeLessThanOrEqual(80);
  });

  test('60 columns: the names stand above the figures', () => {
    const text = reportText(TROUBLED, plainStyle(60));
    expect(widest(text)).toBeLessThanOrEqual(60);
    expect(text).toMatchInlineSnapshot(`
      "     Jobs  Tasks  Files  Models   MB freed  Errors  Verified
      ────────────────────────────────────────────────────────────
      audio-transcriber
             15      4     49       3   1,645.20       0       yes
      audio-normalization
          1,204     12  3,411       0   9,419.01       1        NO
      video-downloader
              ?      ?      8       -       4.00       1        NO
      ────────────────────────────────────────────────────────────
      Total
          1,219     16  3,468       3  11,068.21       2        NO

      ✖ audio-normalization: Uploads/file123.mp3: Permission
        denied → run as the owner or with sudo
      ⚠ audio-normalization: processed/nfs is a mount point: left
        alone (unmount it, or give it its own entry)
      ✖ video-downloader: Redis/127.0.0.1:6379/1: Connection
        refused → start the server, or correct host and port in
        the config

      audio-transcriber: 1 task of its workers cancelled
      audio-normalization: still there: 1 file
      audio-normalization: 50.00 MB of deleted files are held open
        by a process, not free yet

      ⚠️  WIPE FINISHED WITH ERRORS: 1219 jobs + 3468 files + 3
        models removed (11068.21MB freed), 2 errors, 1 left
      "
    `);
  });

  test('40 columns', () => {
    const text = reportText(TROUBLED, plainStyle(40));
    expect(widest(text)).toBeLessThanOrEqual(40);
    expect(text).toMatchInlineSnapshot(`
      "audio-transcriber
        Jobs             15
        Tasks             4
        Files            49
        Models            3
        MB freed   1,645.20
        Errors            0
        Verified        yes
      audio-normalization
        Jobs          1,204
        Tasks            12
        Files         3,411
        Models            0
        MB freed   9,419.01
        Errors            1
        Verified         NO
      video-downloader
        Jobs              ?
        Tasks             ?
        Files             8
        Models            -
        MB freed       4.00
        Errors            1
        Verified         NO
      Total
        Jobs          1,219
        Tasks            16
        Files         3,468
        Models            3
        MB freed  11,068.21
        Errors            2
        Verified         NO

      ✖ audio-normalization:
        Uploads/file123.mp3: Permission denied
        → run as the owner or with sudo
      ⚠ audio-normalization: processed/nfs is
        a mount point: left alone (unmount it,
        or give it its own entry)
      ✖ video-downloader:
        Redis/127.0.0.1:6379/1: Connection
        refused → start the server, or correct
        host and port in the config

      audio-transcriber: 1 task of its workers
        cancelled
      audio-normalization: still there: 1 file
      audio-normalization: 50.00 MB of deleted
        files are held open by a process, not
        free yet

      ⚠️  WIPE FINISHED WITH ERRORS: 1219 jobs
        + 3468 files + 3 models removed
        (11068.21MB freed), 2 errors, 1 left
      "
    `);
  });

  test('no line is wider, whatever the width', async () => {
    for (let width = 30; width <= 130; width += 1) {
      const colour = await makeStyle({ level: 1, width, unicode: true });
      const text = reportText(TROUBLED, colour);
      const breakable = text.split('\n').filter((line) => !/\S{24}/.test(line));
      expect(widest(breakable.join('\n'))).toBeLessThanOrEqual(width);
      expect(stripVTControlCharacters(text)).toBe(reportText(TROUBLED, plainStyle(width)));
    }
  });

  test('a narrow terminal gets a list', () => {
    const text = reportText(TROUBLED, plainStyle(50));
    expect(widest(text)).toBeLessThanOrEqual(50);
    expect(text).toContain('audio-normalization\n  Jobs          1,204\n');
  });

  test('without a width one error is one line', () => {
    expect(reportText(TROUBLED, plainStyle(Infinity))).toContain(
      '✖ audio-normalization: Uploads/file123.mp3: Permission denied → run as the owner or with sudo\n',
    );
  });
});

test('more errors than are listed are counted', () => {
  const failures = { first: Array.from({ length: 100 }, () => DENIED), total: 123 };
  expect(reportText(reportOf([{ ...TRANSCRIBER, failures }]), plainStyle(80))).toContain(
    '✖ audio-transcriber: … and 23 more errors\n',
  );
});

test('text from outside commands no terminal', () => {
  const service = {
    ...emptyService('a\x1b[2Jb'),
    warnings: ['moved\x1b]0;title\x07\nsecond line\u009b'],
    failures: { first: [{ ...DENIED, item: 'x\x1b[31m', reason: 'a\rb' }], total: 1 },
  };
  expect(reportText(reportOf([service]), plainStyle(80))).not.toMatch(/(?!\n)\p{Cc}/u);
});
