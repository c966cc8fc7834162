/** The main path: a real stack, wiped, and every number of the report checked by other means. */
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leaveMess, putNeighbours } from './support/celery-mess.ts';
import {
  allDirectories,
  diskUsage,
  fillDirectories,
  startLiveStack,
  statOf,
  type LiveStack,
} from './support/live-stack.ts';
import { neighboursHash, redisCounts, unacked, type RedisCounts } from './support/redis-census.ts';
import { requireOrSkip } from './support/requirements.ts';
import { directoryOf, SERVICE_NAMES, type ServiceName } from './support/stack.ts';
import { countFiles, entryList, treeHash } from './support/witness.ts';

interface ServiceJson {
  readonly jobs_removed: number;
  readonly results_removed: number;
  readonly tasks_purged: { readonly queued: number; readonly in_flight: number };
  readonly files_deleted: number;
  readonly models_deleted: number;
  readonly bytes_freed: number;
  readonly space_freed_mb: number;
  readonly remaining: object;
  readonly warnings: readonly string[];
  readonly directories: readonly object[];
}
type ReportJson = Readonly<Record<string, unknown>> & {
  readonly services: Readonly<Record<ServiceName, ServiceJson>>;
};

interface Before {
  readonly redis: readonly RedisCounts[];
  readonly files: readonly number[];
  readonly used: readonly number[];
  readonly stats: readonly string[];
  readonly neighbours: string;
  readonly outside: readonly string[];
  readonly ownTags: readonly string[];
  readonly otherTags: readonly string[];
}

const MB = 2 ** 20;

describe.skipIf(!requireOrSkip('redis', 'celery'))('a wipe of everything', () => {
  let stack: LiveStack;
  let end: () => Promise<void>;
  let paths: readonly string[];
  let before: Before;
  let stdout: string;
  let report: ReportJson;

  beforeAll(async () => {
    ({ stack, end } = await startLiveStack());
    paths = allDirectories().map(([name, directory]) => directoryOf(stack.folder, name, directory));
    await leaveMess(stack);
    putNeighbours(stack);
    fillDirectories(stack);
    for (const path of paths) {
      mkdirSync(`${path}-old`);
      writeFileSync(`${path}-old/neighbour`, 'stays');
      if (process.getuid?.() === 0) chownSync(path, 1234, 2345);
      chmodSync(path, 0o2750);
    }
    before = look();
    const result = await stack.run(['all', '--yes', '--json']);
    expect(result.stderr).not.toMatch(/ - (ERROR|CRITICAL) - /);
    expect(result.code).toBe(0);
    stdout = result.stdout;
    report = JSON.parse(stdout) as ReportJson;
  });

  afterAll(async () => {
    await end();
  });

  function look(): Before {
    return {
      redis: SERVICE_NAMES.map((name) => redisCounts(stack.redis, name)),
      files: paths.map(countFiles),
      used: paths.map((path) => diskUsage(path)),
      stats: paths.map(statOf),
      neighbours: neighboursHash(stack.redis),
      outside: [stack.victim, ...paths.map((path) => `${path}-old`)].map((path) => treeHash(path)),
      ownTags: unacked(stack.redis, 'video-downloader').own,
      otherTags: Object.keys(unacked(stack.redis, 'video-downloader').others),
    };
  }

  test('begins with a mess worth the name', () => {
    const { redis, files, ownTags, otherTags } = before;
    expect(redis.map(({ jobs, queued }) => [jobs >= 6, queued >= 6])).toEqual(
      redis.map(() => [true, true]),
    );
    // The countdown, and what the killed worker had prefetched.
    expect(ownTags.length).toBeGreaterThanOrEqual(4);
    expect(otherTags).toHaveLength(2);
    expect(redis[SERVICE_NAMES.indexOf('video-downloader')]?.results).toBe(2);
    for (const count of files) expect(count).toBeGreaterThan(15);
  });

  test('leaves nothing', () => {
    for (const path of paths) expect(entryList(path), path).toEqual([]);
    for (const name of SERVICE_NAMES) {
      expect(redisCounts(stack.redis, name)).toEqual({
        jobs: 0,
        results: 0,
        queued: 0,
        inFlight: 0,
      });
    }
    const index = stack.redis.cli('-n', '1', 'ZRANGE', 'unacked_index', '0', '-1').split('\n');
    expect(index.filter((tag) => before.ownTags.includes(tag))).toEqual([]);
  });

  test('leaves the directories as they were, and everything of others', () => {
    const after = look();
    expect(after.stats).toEqual(before.stats);
    expect(after.outside).toEqual(before.outside);
    expect(after.neighbours).toBe(before.neighbours);
  });

  test('says per service what redis-cli, find and du say', () => {
    for (const [index, name] of SERVICE_NAMES.entries()) {
      const service = report.services[name];
      const look = before.redis[index];
      expect({
        jobs: service.jobs_removed,
        results: service.results_removed,
        queued: service.tasks_purged.queued,
        inFlight: service.tasks_purged.in_flight,
      }).toEqual(look);
      const directories = allDirectories().flatMap(([owner, directory], at) => {
        const path = paths[at] as string;
        const bytes = (before.used[at] ?? 0) - diskUsage(path);
        const kind = directory === 'models' ? 'models' : 'files';
        const shown = directory.charAt(0).toUpperCase() + directory.slice(1);
        const deleted = before.files[at] ?? 0;
        return owner === name ? [{ name: shown, path, kind, deleted, bytes_freed: bytes }] : [];
      });
      expect(service.directories).toMatchObject(directories);
      expect(service.directories).toHaveLength(directories.length);
      const bytes = sum(directories.map((directory) => directory.bytes_freed));
      const count = (kind: string): number =>
        sum(directories.map((directory) => (directory.kind === kind ? directory.deleted : 0)));
      expect(service).toMatchObject({
        files_deleted: count('files'),
        models_deleted: count('models'),
        bytes_freed: bytes,
        space_freed_mb: Math.round((bytes / MB) * 100) / 100,
        tasks_cancelled: 0,
        bytes_held_open: 0,
        verified: true,
        remaining: { jobs: 0, tasks: 0, files: 0, models: 0 },
        ...{ errors: [], failures: [] },
        warnings: expect.any(Array) as string[],
      });
      // Neighbours that look like this service's; they stay, and are named.
      const neighbours = [
        /\(1 string, is called like its jobs\): left alone/,
        /the queue "foreign_queue" holds \d messages?, and no service of the config names it/,
      ];
      expect(service.warnings).toEqual(
        neighbours.map((text) => expect.stringMatching(text) as string),
      );
    }
  });

  test('says the sums, and its message', () => {
    const services = Object.values(report.services);
    const total = (figure: (service: ServiceJson) => number): number => sum(services.map(figure));
    const megabytes = Math.round((total((service) => service.bytes_freed) / MB) * 100) / 100;
    const [jobs, files, models] = [
      total((service) => service.jobs_removed),
      total((service) => service.files_deleted),
      total((service) => service.models_deleted),
    ];
    expect(report).toMatchObject({
      ...{ version: 1, status: 'completed', dry_run: false, verified: true },
      ...{ jobs_removed: jobs, files_deleted: files, models_deleted: models },
      tasks_purged: total(({ tasks_purged: tasks }) => tasks.queued + tasks.in_flight),
      ...{ tasks_cancelled: 0, space_freed_mb: megabytes, errors: [] },
      warnings: services.flatMap(({ warnings }) => warnings),
      cleanup_id: expect.stringMatching(/^cleanup_total_\d{8}_\d{6}$/) as string,
      message: `🔥 TOTAL WIPE COMPLETED: ${jobs} jobs + ${files} files + ${models} models removed (${megabytes}MB freed)`,
    });
    const [started, finished] = [report['started_at'], report['finished_at']] as [string, string];
    expect(new Date(started).toISOString()).toBe(started);
    expect(Date.parse(finished) - Date.parse(started)).toBe(report['duration_ms']);
  });

  test('has the fields of the contract and prints nothing else', () => {
    expect(stdout).toBe(`${JSON.stringify(report, null, 2)}\n`);
    expect(Object.keys(report).join(' ')).toBe(
      'version cleanup_id status message dry_run started_at finished_at duration_ms jobs_removed tasks_purged tasks_cancelled files_deleted models_deleted space_freed_mb verified errors warnings services file_systems redis_servers',
    );
    expect(Object.keys(report.services)).toEqual(SERVICE_NAMES);
    for (const service of Object.values(report.services)) {
      expect(Object.keys(service).join(' ')).toBe(
        'redis jobs_removed results_removed index_keys_removed tasks_purged tasks_cancelled files_deleted models_deleted space_freed_mb bytes_freed bytes_held_open verified unknown not_configured remaining errors warnings failures directories came_back inodes_freed',
      );
      expect(Object.keys(service.tasks_purged)).toEqual(['queued', 'in_flight']);
      expect(Object.keys(service.remaining)).toEqual(['jobs', 'tasks', 'files', 'models']);
      for (const directory of service.directories) {
        expect(Object.keys(directory).join(' ')).toBe(
          'name path kind deleted bytes_freed inodes_freed bytes_held_open',
        );
      }
    }
  });

  test('removes nothing when run again, and is content', async () => {
    const again = await stack.run(['all', '--yes', '--json']);
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({
      ...{ status: 'completed', verified: true, errors: [] },
      ...{ jobs_removed: 0, tasks_purged: 0, files_deleted: 0, models_deleted: 0 },
      ...{ space_freed_mb: 0 },
      message: '🔥 TOTAL WIPE COMPLETED: 0 jobs + 0 files + 0 models removed (0MB freed)',
    });
    expect(look().neighbours).toBe(before.neighbours);
  });
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
