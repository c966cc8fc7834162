import { describe, expect, test } from 'vitest';
import {
  CENSUS,
  emptyService,
  failed,
  INTERRUPTED,
  reportOf,
  TRANSCRIBER,
  TROUBLED,
} from '../../test/support/reports.ts';
import { reportMarkdown } from './markdown.ts';
import { plannedReport } from './planned.ts';
import type { FileSystemReport, RedisServerReport, WipeReport } from './types.ts';

const REDIS: RedisServerReport = {
  server: '127.0.0.1:6379',
  services: ['audio-transcriber'],
  removed: 30,
  usedBefore: 5 * 2 ** 20,
  usedAfter: 2 ** 20,
  isStillFreeing: true,
  onDisk: 'at the next save',
};

const DISK: FileSystemReport = {
  mount: '/srv/media',
  type: 'ext4',
  bytesFreed: 1725118054,
  inodesFreed: 53,
  bytesHeldOpen: 52_428_800,
  freeBefore: { bytes: 2 ** 30, inodes: 7 },
  freeAfter: { bytes: 2 ** 31, inodes: 60 },
  note: 'others write there too',
};

test('a run with errors', () => {
  const report = { ...TROUBLED, redisServers: [REDIS], fileSystems: [DISK] };
  expect(reportMarkdown(report)).toMatchInlineSnapshot(`
    "# ⚠️  WIPE FINISHED WITH ERRORS: 1219 jobs + 3468 files + 3 models removed (11068.21MB freed), 2 errors, 1 left

    - Run: \`cleanup_total_20251027_143022\`
    - Status: completed with errors
    - Started: 2025-10-27T14:30:22.104Z
    - Finished: 2025-10-27T14:30:25.310Z
    - Duration: 3s206ms
    - Tasks cancelled: 1
    - Verified: NO

    | Service | Jobs | Tasks | Files | Models | MB freed | Errors | Verified |
    | :--- | ---: | ---: | ---: | ---: | ---: | ---: | :--- |
    | \`audio-transcriber\` | 15 | 4 | 49 | 3 | 1,645.20 | 0 | yes |
    | \`audio-normalization\` | 1,204 | 12 | 3,411 | 0 | 9,419.01 | 1 | **NO** |
    | \`video-downloader\` | ? | ? | 8 | - | 4.00 | 1 | **NO** |
    | **Total** | 1,219 | 16 | 3,468 | 3 | 11,068.21 | 2 | **NO** |

    ## Directories

    - \`Uploads\` \`/srv/media/services/audio-transcriber/uploads\`: 23 files deleted, 145.20 MB

    ## Errors

    - \`audio-normalization\`: \`Uploads/file123.mp3: Permission denied\` → \`run as the owner or with sudo\`
    - \`video-downloader\`: \`Redis/127.0.0.1:6379/1: Connection refused\` → \`start the server, or correct host and port in the config\`

    ## Warnings

    - \`audio-normalization\`: \`processed/nfs is a mount point: left alone (unmount it, or give it its own entry)\`

    ## Left

    - \`audio-normalization\`: still there: 1 file
    - \`audio-normalization\`: 50.00 MB of deleted files are held open by a process, not free yet

    ## Redis servers

    - \`127.0.0.1:6379\`: 30 items removed; memory 5.00 MB before, 1.00 MB now, it frees on; not on disk until its next save: a crash before brings back what went

    ## File systems

    - \`/srv/media (ext4)\`: 1,645.20 MB and 53 inodes freed, 50.00 MB held open; free space 1,024.00 MB before, 2,048.00 MB after (\`others write there too\`)
    "
  `);
});

test('a clean one has no empty sections', () => {
  const text = reportMarkdown(reportOf([TRANSCRIBER]));
  expect(text.match(/^#.*$/gm)).toEqual([
    '# 🔥 TOTAL WIPE COMPLETED: 15 jobs + 49 files + 3 models removed (1645.2MB freed)',
    '## Directories',
  ]);
  expect(text).not.toContain('**Total**');
});

test('a dry run', () => {
  const run = {
    cleanupId: 'x',
    kinds: ['jobs', 'models'] as const,
    olderThan: 86_400_000,
    cancelRunning: true,
    startedAt: new Date(0),
    finishedAt: new Date(7),
  };
  expect(reportMarkdown(plannedReport(run, CENSUS))).toMatchInlineSnapshot(`
    "# DRY RUN (jobs, models only, older than 1d): 1219 jobs + 0 files + 3 models would be removed (1499MB), nothing was changed, 1 error: not all is counted

    - Run: \`x\`
    - Status: planned
    - Only: jobs, models
    - Older than: 1d
    - Started: 1970-01-01T00:00:00.000Z
    - Finished: 1970-01-01T00:00:00.007Z
    - Duration: 7ms
    - Verified: no, a dry run changes nothing

    | Service | Jobs | Tasks | Files | Models | MB to free | Errors | Verified |
    | :--- | ---: | ---: | ---: | ---: | ---: | ---: | :--- |
    | \`audio-transcriber\` | 15 | - | - | 3 | 1,499.00 | 0 | - |
    | \`audio-normalization\` | 1,204 | - | - | 0 | 0.00 | 0 | - |
    | \`video-downloader\` | ? | - | - | 0 | 0.00 | 1 | - |
    | **Total** | 1,219 | - | - | 3 | 1,499.00 | 1 | - |

    ## Directories

    - \`Models\` \`/srv/media/services/audio-transcriber/models\`: 3 models would go, 1,499.00 MB

    ## Errors

    - \`video-downloader\`: \`Redis/127.0.0.1:6379/1: Connection refused\` → \`start the server, or correct host and port in the config\`
    "
  `);
});

test('lists 100 of a kind and counts the rest', () => {
  const [denied] = TROUBLED.services[1]?.failures.first ?? [];
  if (denied === undefined) throw new Error('the report has no failure any more');
  const failures = { first: Array.from({ length: 100 }, () => denied), total: 123 };
  const warnings = Array.from({ length: 102 }, (_, index) => `warning ${index}`);
  const text = reportMarkdown(reportOf([{ ...TRANSCRIBER, failures, warnings }]));
  expect(text).toContain('- `audio-transcriber`: … and 23 more errors\n');
  expect(text).toContain('- `audio-transcriber`: … and 2 more warnings\n');
  expect(text.match(/Permission denied/g)).toHaveLength(100);
});

test('servers and file systems that nothing went from are not told', () => {
  const text = reportMarkdown(
    reportOf([TRANSCRIBER], {
      redisServers: [{ ...REDIS, removed: 0 }],
      fileSystems: [{ ...DISK, inodesFreed: 0 }],
    }),
  );
  expect(text).not.toMatch(/Redis servers|File systems/);
});

describe('text from outside', () => {
  /** CommonMark 6.1: a run of backticks up to the next run of the same length. */
  function spans(line: string): { readonly inside: string[]; readonly outside: string } {
    const inside: string[] = [];
    let outside = '';
    let rest = line;
    for (;;) {
      const fence = /`+/.exec(rest);
      if (fence === null) return { inside, outside: outside + rest };
      const [open] = fence;
      const after = rest.slice(fence.index + open.length);
      const close = [...after.matchAll(/`+/g)].find(([run]) => run.length === open.length);
      if (close === undefined) throw new Error(`a span without end: ${line}`);
      const text = after.slice(0, close.index);
      const isPadded = text.startsWith(' ') && text.endsWith(' ') && text.trim() !== '';
      inside.push(isPadded ? text.slice(1, -1) : text);
      outside += rest.slice(0, fence.index);
      rest = after.slice(close.index + open.length);
    }
  }

  function hostile(text: string): WipeReport {
    const failure = { target: text, item: text, code: 'EIO', reason: text, hint: text || '-' };
    return reportOf(
      [
        {
          ...emptyService(text),
          bytesHeldOpen: 1,
          remaining: { jobs: 1, tasks: 0, files: 0, models: 0 },
          failures: failed(failure),
          warnings: [text],
          directories: TRANSCRIBER.directories.map((one) => ({ ...one, name: text, path: text })),
        },
        emptyService('other'),
      ],
      {
        cleanupId: text,
        redisServers: [{ ...REDIS, server: text }],
        fileSystems: [{ ...DISK, mount: text, type: text, note: text }],
      },
    );
  }

  const harmlessLines = reportMarkdown(hostile('x')).split('\n');

  test.each([
    ['a mention', '@everyone'],
    ['an issue, a commit', '#123 !45 0123456789abcdef0123456789abcdef01234567'],
    ['HTML', '<script>alert(1)</script><img src=x onerror=y>'],
    ['a link', '[x](javascript:alert) https://example.org www.example.org <http://e.org>'],
    ['a table', '| a | b |'],
    ['an escaped pipe', 'a\\|b\\\\|c'],
    ['a backtick', '`'],
    ['many backticks', '``` a ```` b `'],
    ['a backslash at the end', 'a\\'],
    ['a backtick after a backslash', '\\`<b>`'],
    ['blanks at the ends', ' <b> '],
    ['blanks and backticks', ' `<b>` '],
    ['a new line', 'a\n\n# heading\n- @x\r\n```\n<b>'],
    ['other line ends', 'a\u2028@b\u0085@c\v@d'],
    ['an escape sequence', '\x1b[2J\u202e\u009b'],
    ['emphasis', '**a** _b_ ~~c~~ :fire: $x$'],
    ['nothing', ''],
    ['blanks', '   '],
  ])('%s stays text', (_, text) => {
    const lines = reportMarkdown(hostile(text)).split('\n');
    // Nothing of it is outside of spans, and it makes no line and no cell.
    expect(lines.map((line) => spans(line).outside)).toEqual(
      harmlessLines.map((line) => spans(line).outside),
    );
    const cells = (line: string): number => line.split('|').length;
    expect(lines.filter((line) => line.startsWith('|')).map(cells)).toEqual([10, 10, 10, 10, 10]);
    expect(lines.join('')).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202e]/u);
  });

  test('is all there', () => {
    const text = '`a` |<b>\\n';
    const line = reportMarkdown(hostile(text))
      .split('\n')
      .find((one) => one.startsWith('- ') && one.includes('23 files'));
    expect(spans(line ?? '').inside).toEqual([text, text]);
  });
});

test('what an interrupted run has not begun has no figures', () => {
  const lines = reportMarkdown(INTERRUPTED).split('\n');
  expect(lines).toContain('| `audio-transcriber` | 15 | 4 | 49 | - | 1,645.20 | 0 | **NO** |');
  expect(lines).toContain('| `video-downloader` | - | - | - | - | - | 0 | **NO** |');
});
