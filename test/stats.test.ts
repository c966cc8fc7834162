/** `stats`: what is there now, as redis-cli, find and du say it; changes nothing. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  diskUsage,
  dumpAll,
  fillDirectories,
  fillQuickly,
  startLiveStack,
  type LiveStack,
} from './support/live-stack.ts';
import { redisCounts } from './support/redis-census.ts';
import { requireOrSkip } from './support/requirements.ts';
import { directoryOf, SERVICE_NAMES, SERVICES, type ServiceName } from './support/stack.ts';
import { countFiles, treeHash } from './support/witness.ts';

describe.skipIf(!requireOrSkip('redis', 'celery'))('stats', () => {
  let stack: LiveStack;
  let end: () => Promise<void>;
  /** What du counts for the directories themselves, which a wipe does not free. */
  const empty = new Map<string, number>();
  const look = (): string => `${dumpAll(stack.redis)} ${treeHash(join(stack.folder, 'services'))}`;

  beforeAll(async () => {
    ({ stack, end } = await startLiveStack());
    for (const path of SERVICE_NAMES.flatMap(pathsOf)) empty.set(path, diskUsage(path));
    fillQuickly(stack);
    fillDirectories(stack);
  });

  afterAll(async () => {
    await end();
  });

  function pathsOf(name: ServiceName): string[] {
    return SERVICES[name].directories.map((one) => directoryOf(stack.folder, name, one));
  }

  function expected(names: readonly ServiceName[]): object {
    const mb = (paths: readonly string[]): number => {
      const bytes = paths.map((path) => diskUsage(path) - (empty.get(path) ?? 0));
      return Math.round((bytes.reduce((a, b) => a + b, 0) / 2 ** 20) * 100) / 100;
    };
    const services = names.map((name) => {
      const { jobs, queued, inFlight } = redisCounts(stack.redis, name);
      const paths = pathsOf(name);
      const files = (ofModels: boolean): number =>
        paths
          .filter((path) => path.endsWith('/models') === ofModels)
          .reduce((sum, path) => sum + countFiles(path), 0);
      return [
        name,
        {
          total_jobs: jobs,
          tasks: { queued, in_flight: inFlight },
          files: files(false),
          models: files(true),
          size_mb: mb(paths),
          directories: SERVICES[name].directories.map((directory, index) => ({
            name: directory.charAt(0).toUpperCase() + directory.slice(1),
            path: paths[index],
            files: countFiles(paths[index] as string),
            size_mb: mb([paths[index] as string]),
          })),
          errors: [],
          celery: {
            ...{ listening: 0, waiting: 0, silent: 0, silent_names: [], trouble: null },
            ...{ workers: [], held: [] },
          },
        },
      ] as const;
    });
    const jobs = services.reduce((sum, [, service]) => sum + service.total_jobs, 0);
    return { version: 1, total_jobs: jobs, services: Object.fromEntries(services) };
  }

  test.each<{ words: readonly string[]; names: readonly ServiceName[] }>([
    { words: ['all'], names: SERVICE_NAMES },
    { words: ['video-downloader'], names: ['video-downloader'] },
  ])('as JSON: $words', async ({ words, names }) => {
    const before = look();
    const { code, stdout, stderr } = await stack.run(['stats', ...words, '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(`${JSON.stringify(expected(names), null, 2)}\n`);
    expect(look()).toBe(before);
  });

  test('as a table, within 80 columns', async () => {
    const env = { ...stack.env, COLUMNS: '80' };
    const { code, stdout, stderr } = await stack.run(['stats', 'all'], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    // A line that is nothing but a path is not broken, so that it can be copied.
    for (const line of lines) if (!/^ +\/\S+$/.test(line)) expect(line.length).toBeLessThan(81);
    expect(lines[0]).toMatch(/^Service +Jobs +Queued +In flight +Files +Models +MB$/);
    expect(stdout).toMatch(/^audio-transcriber +3 +2 +1 +57 +19 +\d\.\d\d$/m);
    expect(stdout).toMatch(/^Total +9 +6 +3 +171 +19 +\d\.\d\d$/m);
    expect(stdout).toContain(`video-downloader  Redis 127.0.0.1:${stack.redis.port}/1`);
  });

  test('all zeros after a wipe', async () => {
    expect((await stack.run(['all', '--yes', '--quiet'])).code).toBe(0);
    const { code, stdout } = await stack.run(['stats', 'all', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(expected(SERVICE_NAMES));
    const numbers = stdout.replace(/"(version|path)": .*/g, '').match(/\d+(\.\d+)?/g);
    expect(new Set(numbers)).toEqual(new Set(['0']));
    const table = await stack.run(['stats', 'all']);
    expect(table.stdout).toMatch(/^Total +0 +0 +0 +0 +0 +0\.00$/m);
  });

  test('a target is needed, and a known one', async () => {
    expect(await stack.run(['stats'])).toMatchObject({ code: 2, stdout: '' });
    const { code, stderr } = await stack.run(['stats', 'nobody']);
    expect(code).toBe(2);
    expect(stderr).toContain('known: audio-transcriber, audio-normalization, video-downloader');
  });
});
