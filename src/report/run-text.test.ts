import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { reportOf, TRANSCRIBER } from '../../test/support/reports.ts';
import { makeStyle } from '../terminal/terminal.ts';
import { runsText, runText } from './run-text.ts';
import type { Run, RunRecord } from './run-types.ts';
import { plainStyle } from './style.ts';
import { textWidth } from './text.ts';

const NOW = new Date(2025, 9, 27, 14, 32, 22);
const STARTED = new Date(2025, 9, 27, 14, 30, 22);
const REMOVED = { jobs: 1219, tasks: 16, files: 3468, models: 3, bytes: 11_068 * 2 ** 20 };

function run(change: Partial<RunRecord> = {}, more: Partial<Run> = {}): Run {
  return {
    record: {
      cleanupId: 'cleanup_total_20251027_143022',
      status: 'completed',
      targets: ['all'],
      kinds: ['jobs', 'queue', 'files', 'models'],
      olderThan: undefined,
      configFile: '/etc/media-cleanup/cleanup.config.json',
      detached: true,
      user: 'ops',
      host: 'media-1',
      pid: 4711,
      startedAt: STARTED,
      finishedAt: new Date(STARTED.getTime() + 3206),
      exitCode: 0,
      message: '🔥 TOTAL WIPE COMPLETED: 15 jobs + 49 files + 3 models removed (1645.2MB freed)',
      removed: REMOVED,
      errors: 0,
      ...change,
    },
    isAlive: false,
    progress: undefined,
    ...more,
  };
}

const OPEN = {
  status: 'processing',
  finishedAt: undefined,
  exitCode: undefined,
  message: undefined,
} as const;
const PROGRESS = {
  service: 'audio-transcriber',
  step: 'files Uploads',
  done: 3000,
  bytes: 900 * 2 ** 20,
  removed: REMOVED,
  stepStartedAt: new Date(NOW.getTime() - 42_000),
  updatedAt: new Date(NOW.getTime() - 500),
};
const RUNNING = run(OPEN, { isAlive: true, progress: PROGRESS });
const DIED = run(OPEN, { isAlive: false, progress: PROGRESS });
const REFUSED = run({
  status: 'refused',
  exitCode: 3,
  detached: false,
  targets: ['audio-transcriber', 'video-downloader'],
  kinds: ['files'],
  olderThan: 36 * 3_600_000,
  message:
    'Refusing to start: 3468 files would be removed, more than the 1000 allowed by --max-files; raise it if that is what you want.',
  removed: { jobs: 0, tasks: 0, files: 0, models: 0, bytes: 0 },
});
const FAILED = run({ status: 'failed', exitCode: 1, message: 'Stopped by an internal error.' });

const all = [RUNNING, DIED, REFUSED, FAILED, run()];
const shownAt = (width: number, one: Run, output?: string): string =>
  runText(one, undefined, output, NOW, plainStyle(width));

describe('the list', () => {
  test('80 columns', () => {
    expect(runsText(all, NOW, plainStyle(80))).toMatchInlineSnapshot(`
      "Run                                State  Took   Jobs  Files   MB freed  Exit
      ─────────────────────────────────────────────────────────────────────────────
      cleanup_total_20251027_143022    running    2m  1,219  3,471  11,068.00     -
      cleanup_total_20251027_143022       died     ?  1,219  3,471  11,068.00     -
      cleanup_total_20251027_143022    refused  3.2s      0      0       0.00     3
      cleanup_total_20251027_143022     failed  3.2s  1,219  3,471  11,068.00     1
      cleanup_total_20251027_143022  completed  3.2s  1,219  3,471  11,068.00     0
      "
    `);
  });

  test('60 columns', () => {
    expect(runsText(all.slice(0, 2), NOW, plainStyle(60))).toMatchInlineSnapshot(`
      "      State  Took   Jobs  Files   MB freed  Exit
      ────────────────────────────────────────────────
      cleanup_total_20251027_143022
          running    2m  1,219  3,471  11,068.00     -
      cleanup_total_20251027_143022
             died     ?  1,219  3,471  11,068.00     -
      "
    `);
  });

  test('40 columns', () => {
    expect(runsText(all.slice(0, 2), NOW, plainStyle(40))).toMatchInlineSnapshot(`
      "cleanup_total_20251027_143022
        State       running
        Took             2m
        Jobs          1,219
        Files         3,471
        MB freed  11,068.00
        Exit              -
      cleanup_total_20251027_143022
        State          died
        Took              ?
        Jobs          1,219
        Files         3,471
        MB freed  11,068.00
        Exit              -
      "
    `);
  });

  test('no line is wider, whatever the width', () => {
    for (let width = 40; width <= 130; width += 1) {
      const widths = runsText(all, NOW, plainStyle(width)).split('\n').map(textWidth);
      expect(Math.max(...widths)).toBeLessThanOrEqual(width);
    }
  });
});

describe('one', () => {
  test('that runs', () => {
    expect(shownAt(80, RUNNING)).toMatchInlineSnapshot(`
      "cleanup_total_20251027_143022  running
        Targets     all
        Config      /etc/media-cleanup/cleanup.config.json
        Started     2025-10-27 14:30:22, 2m ago, in the background, by ops, pid 4711
                    on media-1
        At work on  audio-transcriber: files Uploads, for 42s: 3,000 items, 900 MB
        Removed     1,219 jobs, 16 tasks, 3,468 files, 3 models, 11,068.00 MB
      "
    `);
  });

  test('that has only begun, in a container that cannot be looked into', () => {
    expect(shownAt(80, run(OPEN, { isAlive: undefined }))).toMatchInlineSnapshot(`
      "cleanup_total_20251027_143022  running
        Targets     all
        Config      /etc/media-cleanup/cleanup.config.json
        Started     2025-10-27 14:30:22, 2m ago, in the background, by ops, pid 4711
                    on media-1
        At work on  getting ready
        Removed     1,219 jobs, 16 tasks, 3,468 files, 3 models, 11,068.00 MB
        Note        its process cannot be seen from here: another host, or a container
      "
    `);
  });

  test('that died', () => {
    expect(shownAt(80, DIED, 'first\nTypeError: a bug\x1b[2J\n')).toMatchInlineSnapshot(`
      "cleanup_total_20251027_143022  died
        Targets  all
        Config   /etc/media-cleanup/cleanup.config.json
        Started  2025-10-27 14:30:22, in the background, by ops, pid 4711 on media-1
        Removed  1,219 jobs, 16 tasks, 3,468 files, 3 models, 11,068.00 MB

      Its process is gone and has not told of an end: killed, or the machine went
        down. Its last sign was at 2025-10-27 14:32:21. Run it again to remove the
        rest; media-cleanup doctor tells whether consumers are still held.

      What it wrote last:
        first
        TypeError: a bug\\x1b[2J
      "
    `);
  });

  test('that failed', () => {
    expect(shownAt(120, FAILED, 'TypeError: a bug\n')).toMatchInlineSnapshot(`
      "cleanup_total_20251027_143022  failed
        Targets    all
        Config     /etc/media-cleanup/cleanup.config.json
        Started    2025-10-27 14:30:22, in the background, by ops, pid 4711 on media-1
        Ended      2025-10-27 14:30:25, after 3.2s
        Exit code  1
        Message    Stopped by an internal error.

      What it wrote last:
        TypeError: a bug
      "
    `);
  });

  test('that was refused', () => {
    expect(shownAt(80, REFUSED)).toMatchInlineSnapshot(`
      "cleanup_total_20251027_143022  refused
        Targets    audio-transcriber, video-downloader, files only, older than 1d12h
        Config     /etc/media-cleanup/cleanup.config.json
        Started    2025-10-27 14:30:22, by ops, pid 4711 on media-1
        Ended      2025-10-27 14:30:25, after 3.2s
        Exit code  3
        Message    Refusing to start: 3468 files would be removed, more than the 1000
                   allowed by --max-files; raise it if that is what you want.
      "
    `);
    expect(shownAt(120, REFUSED)).toMatchInlineSnapshot(`
      "cleanup_total_20251027_143022  refused
        Targets    audio-transcriber, video-downloader, files only, older than 1d12h
        Config     /etc/media-cleanup/cleanup.config.json
        Started    2025-10-27 14:30:22, by ops, pid 4711 on media-1
        Ended      2025-10-27 14:30:25, after 3.2s
        Exit code  3
        Message    Refusing to start: 3468 files would be removed, more than the 1000 allowed by --max-files; raise it if that
                   is what you want.
      "
    `);
  });

  test('in 40 columns', () => {
    expect(shownAt(40, RUNNING)).toMatchInlineSnapshot(`
      "cleanup_total_20251027_143022  running
        Targets     all
        Config
                    /etc/media-cleanup/cleanup.config.json
        Started     2025-10-27 14:30:22, 2m
                    ago, in the background, by
                    ops, pid 4711 on media-1
        At work on  audio-transcriber: files
                    Uploads, for 42s: 3,000
                    items, 900 MB
        Removed     1,219 jobs, 16 tasks,
                    3,468 files, 3 models,
                    11,068.00 MB
      "
    `);
  });

  test('with its report, which has the message', () => {
    const text = runText(run(), reportOf([TRANSCRIBER]), undefined, NOW, plainStyle(80));
    expect(text).toMatchInlineSnapshot(`
      "cleanup_total_20251027_143022  completed
        Targets    all
        Config     /etc/media-cleanup/cleanup.config.json
        Started    2025-10-27 14:30:22, in the background, by ops, pid 4711 on media-1
        Ended      2025-10-27 14:30:25, after 3.2s
        Exit code  0

      Service            Jobs  Tasks  Files  Models  MB freed  Errors  Verified
      ─────────────────────────────────────────────────────────────────────────
      audio-transcriber    15      4     49       3  1,645.20       0       yes

      audio-transcriber: 1 task of its workers cancelled

      🔥 TOTAL WIPE COMPLETED: 15 jobs + 49 files + 3 models removed (1645.2MB freed)
      "
    `);
  });

  test('ASCII', () => {
    const text = runText(run(), undefined, undefined, NOW, plainStyle(80, false));
    expect(text).toMatch(/^[\n\x20-\x7e]*$/);
    expect(text).toContain('  Message    TOTAL WIPE COMPLETED');
  });

  test('colours say nothing that the words do not', async () => {
    const colour = await makeStyle({ level: 1, width: 80, unicode: true });
    for (const one of all) {
      const text = runText(one, undefined, 'x', NOW, colour);
      expect(text).toContain('\x1b[');
      expect(stripVTControlCharacters(text)).toBe(shownAt(80, one, 'x'));
    }
    expect(stripVTControlCharacters(runsText(all, NOW, colour))).toBe(
      runsText(all, NOW, plainStyle(80)),
    );
  });
});
