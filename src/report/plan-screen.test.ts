import { describe, expect, test } from 'vitest';
import { CENSUS, failed, REFUSED } from '../../test/support/reports.ts';
import { planScreen } from './plan-screen.ts';
import { planText } from './plan-text.ts';
import { plainStyle } from './style.ts';
import { textWidth } from './text.ts';
import { KINDS } from './types.ts';
import type { DirectoryCensus, Kind, ServiceCensus } from './types.ts';

const QUESTION = 'Type "all" to delete all of this on media1: ';

interface Look {
  readonly census?: readonly ServiceCensus[];
  readonly rows?: number;
  readonly width?: number;
  readonly kinds?: readonly Kind[];
  readonly olderThan?: number;
}

function runOf({ census = CENSUS, kinds = KINDS, olderThan }: Look) {
  return {
    configFile: '/srv/media/cleanup.config.json',
    kinds,
    olderThan,
    cancelRunning: true,
    host: 'media1',
    roots: new Map(census.map(({ name }) => [name, `/srv/media/services/${name}`])),
  };
}

function screenOf(look: Look): string {
  const { census = CENSUS, rows = 24, width = 80 } = look;
  const screen = { rows, question: QUESTION };
  return planScreen(census, runOf(look), screen, plainStyle(width));
}

/** What a terminal of this size shows when the question is open. */
function lastScreen(look: Look): readonly string[] {
  const { rows = 24, width = 80 } = look;
  const lines = (screenOf(look) + QUESTION).split('\n');
  return lines
    .flatMap((line) => line.match(new RegExp(`.{1,${width}}`, 'gu')) ?? [''])
    .slice(-rows);
}

function directory(path: string): DirectoryCensus {
  return {
    name: 'Uploads',
    path,
    kind: 'files',
    files: 2,
    bytes: 2 ** 20,
    subdirectories: 0,
    inodes: 2,
  };
}

/** `count` services in databases of their own, and directories in each of them. */
function stack(
  count: number,
  directories: (name: string, index: number) => readonly string[],
): readonly ServiceCensus[] {
  const [model] = CENSUS;
  if (model === undefined) throw new Error('no census');
  return Array.from({ length: count }, (_, index) => {
    const name = `service-number-${index + 1}`;
    const redis = `127.0.0.1:6379/${index}`;
    const own = directories(name, index).map(directory);
    return {
      ...model,
      name,
      redis,
      broker: redis,
      jobs: 100,
      directories: own,
      files: own.length * 2,
    };
  });
}

test('a plan that fits is not said twice', () => {
  const look = { rows: 60 };
  const plan = planText(CENSUS, runOf(look), plainStyle(80));
  expect(screenOf(look)).toBe(`${plan}10 directories in /srv/media/services\n\n`);
});

test('a plan that does not fit has what decides below it', () => {
  const look = { rows: 24 };
  const plan = planText(CENSUS, runOf(look), plainStyle(80));
  expect(screenOf(look).startsWith(`${plan}\n`)).toBe(true);
  expect(screenOf(look).slice(plan.length)).toMatchInlineSnapshot(`
    "
    Host media1, config /srv/media/cleanup.config.json
      audio-transcriber    Redis 127.0.0.1:6379/3: 15 jobs, 4 tasks
      audio-normalization  Redis 127.0.0.1:6379/2: 1,204 jobs, 12 tasks
      video-downloader     Redis 127.0.0.1:6379/1: ? jobs, ? tasks
    10 directories in /srv/media/services: 3,468 files, 3 models, 11,068.21 MB
    ✖ 1 error above: not everything could be counted

    "
  `);
});

describe('30 directories on a terminal of 24 lines', () => {
  const outside = ['/mnt/big/uploads', '/srv/media/services/shared', '/var/cache/media'];
  const census = stack(6, (name, index) => [
    ...Array.from({ length: 5 }, (_, at) => `/srv/media/services/${name}/data/directory-${at}`),
    ...outside.slice(index, index + 1),
  ]);

  test.each([120, 80, 60])('%s columns', (width) => {
    const look = { census, width };
    const lines = lastScreen(look);
    const shown = lines.join('\n').replace(/\n {2,}/g, ' ');
    expect(shown).toContain('Host media1, config /srv/media/cleanup.config.json');
    expect(shown).toContain('33 directories, 30 in /srv/media/services: 66 files');
    expect(shown).toMatch(/service-number-6 {2}Redis 127\.0\.0\.1:6379\/5: 100 jobs, 4 tasks/);
    for (const [index, path] of outside.entries()) {
      expect(shown).toContain(`\n! outside services/service-number-${index + 1}: ${path}`);
    }
    expect(lines.at(-1)).toBe(QUESTION.slice(0, width));
    expect(lines.every((line) => textWidth(line) <= width)).toBe(true);
  });

  test('a golden one', () => {
    expect(lastScreen({ census, width: 80 }).slice(-17).join('\n')).toMatchInlineSnapshot(`
      "      /srv/media/services/service-number-6/data/directory-4

      Total: 600 jobs, 24 tasks, 66 files, 18 models, 9,871.20 MB

      Host media1, config /srv/media/cleanup.config.json
        service-number-1  Redis 127.0.0.1:6379/0: 100 jobs, 4 tasks
        service-number-2  Redis 127.0.0.1:6379/1: 100 jobs, 4 tasks
        service-number-3  Redis 127.0.0.1:6379/2: 100 jobs, 4 tasks
        service-number-4  Redis 127.0.0.1:6379/3: 100 jobs, 4 tasks
        service-number-5  Redis 127.0.0.1:6379/4: 100 jobs, 4 tasks
        service-number-6  Redis 127.0.0.1:6379/5: 100 jobs, 4 tasks
      33 directories, 30 in /srv/media/services: 66 files, 18 models, 9,871.20 MB
      ! outside services/service-number-1: /mnt/big/uploads
      ! outside services/service-number-2: /srv/media/services/shared
      ! outside services/service-number-3: /var/cache/media

      Type "all" to delete all of this on media1: "
    `);
  });
});

test('everything else shrinks before a directory outside a root is dropped', () => {
  const census = stack(11, (name, index) => [
    `/srv/media/services/${name}/data`,
    `/mnt/disk-${index}/uploads`,
  ]);
  const lines = lastScreen({ census, width: 60 });
  for (let index = 0; index < 11; index++) {
    expect(lines).toContain(
      `! outside services/service-number-${index + 1}: /mnt/disk-${index}/uploads`,
    );
  }
  const shown = lines.join(' ').replace(/ +/g, ' ');
  expect(shown).toContain('Redis 127.0.0.1:6379 (11 databases, 11 services): 1,100 jobs, 44 tasks');
  expect(shown).toContain('Host media1, config /srv/media/cleanup.config.json');
});

test('more of them than rows: all have a line, and their number is beside the question', () => {
  const paths = Array.from({ length: 40 }, (_, index) => `/mnt/big/uploads-${index}`);
  const look = { census: stack(1, () => paths) };
  const all = screenOf(look).split('\n');
  for (const path of paths) expect(all).toContain(`! outside services/service-number-1: ${path}`);
  const shown = lastScreen(look)
    .join('\n')
    .replace(/\n {2,}/g, ' ');
  expect(shown).toContain(
    '! 40 directories outside the root of the service, listed above, in /mnt/big',
  );
  expect(shown).toContain('Host media1');
  expect(shown).toContain('Redis 127.0.0.1:6379/0: 100 jobs, 4 tasks');
});

test('what is unknown, what stays and what failed', () => {
  const census = [
    ...stack(4, (name) => [`/srv/media/services/${name}/a`, `/srv/media/services/${name}/b`]),
    ...CENSUS.slice(2).map((one) => ({ ...one, failures: failed(REFUSED), warnings: ['w', 'w'] })),
  ];
  const look = { census, kinds: ['jobs', 'files'] as const, olderThan: 86_400_000, rows: 20 };
  expect(lastScreen(look).slice(-14).join('\n')).toMatchInlineSnapshot(`
    "Total: 400 jobs, 24 files, 12.00 MB (not everything could be counted)

    Host media1, config /srv/media/cleanup.config.json
      service-number-1  Redis 127.0.0.1:6379/0: 100 jobs; 4 files, 2.00 MB
      service-number-2  Redis 127.0.0.1:6379/1: 100 jobs; 4 files, 2.00 MB
      service-number-3  Redis 127.0.0.1:6379/2: 100 jobs; 4 files, 2.00 MB
      service-number-4  Redis 127.0.0.1:6379/3: 100 jobs; 4 files, 2.00 MB
      video-downloader  Redis 127.0.0.1:6379/1: ? jobs; 8 files, 4.00 MB
    11 directories in /srv/media/services: 24 files, 12.00 MB
    Stays, not selected: queue, models
    Stays, younger than 1d: jobs, files and whole models
    ✖ 1 error and 2 warnings above: not everything could be counted

    Type "all" to delete all of this on media1: "
  `);
});

test('a root that is the directory of the config file', () => {
  const [one] = stack(1, () => ['/mnt/big/uploads']);
  if (one === undefined) throw new Error('no service');
  const run = { ...runOf({ census: [one] }), roots: new Map([[one.name, '/srv/media']]) };
  const screen = { rows: 24, question: QUESTION };
  expect(planScreen([one], run, screen, plainStyle(80))).toContain(
    '! outside /srv/media (service-number-1): /mnt/big/uploads\n',
  );
});
