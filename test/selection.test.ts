/** What is wiped and what is not: services, kinds, the dry run. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  dumpAll,
  fillDirectories,
  fillQuickly,
  liveStack,
  type LiveStack,
} from './support/live-stack.ts';
import { redisCounts } from './support/redis-census.ts';
import { requireOrSkip } from './support/requirements.ts';
import { directoryOf, SERVICE_NAMES, SERVICES, type ServiceName } from './support/stack.ts';
import { fileList, treeHash } from './support/witness.ts';

const NONE = { jobs: 0, results: 0, queued: 0, inFlight: 0 };

/** Everything of one service, and whether anything at all is left of it. */
function stateOf(stack: LiveStack, name: ServiceName): { hash: string; empty: boolean } {
  const tree = join(stack.folder, 'services', name);
  const counts = redisCounts(stack.redis, name);
  return {
    hash: `${stack.redis.dump(SERVICES[name].db)} ${treeHash(tree)}`,
    empty: fileList(tree).length === 0 && JSON.stringify(counts) === JSON.stringify(NONE),
  };
}

describe.skipIf(!requireOrSkip('redis', 'celery'))('targets', () => {
  test.each<{ words: readonly string[]; wiped: readonly ServiceName[] }>([
    { words: ['video-downloader'], wiped: ['video-downloader'] },
    {
      words: ['video-downloader', 'audio-transcriber'],
      wiped: ['audio-transcriber', 'video-downloader'],
    },
    { words: ['all'], wiped: SERVICE_NAMES },
  ])('$words', async ({ words, wiped }) => {
    const stack = await liveStack();
    fillQuickly(stack);
    const before = SERVICE_NAMES.map((name) => stateOf(stack, name));
    const { code, stdout } = await stack.run([...words, '--yes', '--json']);
    expect(code).toBe(0);
    const { services } = JSON.parse(stdout) as { services: Record<string, object> };
    expect(Object.keys(services)).toEqual(wiped);
    for (const service of Object.values(services)) {
      expect(service).toMatchObject({
        jobs_removed: 3,
        results_removed: 1,
        tasks_purged: { queued: 2, in_flight: 1 },
      });
    }
    for (const [index, name] of SERVICE_NAMES.entries()) {
      const after = stateOf(stack, name);
      if (wiped.includes(name)) expect(after).toMatchObject({ empty: true });
      else expect(after).toEqual(before[index]);
    }
  });
});

describe.skipIf(!requireOrSkip('redis', 'celery'))('kinds', () => {
  const name = 'audio-transcriber';
  const { db, queue, keyPrefix } = SERVICES[name];

  function hashes(stack: LiveStack): Record<string, string> {
    const { redis, folder } = stack;
    const tree = (...names: readonly string[]): string =>
      names.map((one) => treeHash(directoryOf(folder, name, one))).join(' ');
    return {
      jobs: redis.dump(db, (key) => key.startsWith(keyPrefix)),
      queue: redis.dump(db, (key) => key.startsWith(queue) || key.startsWith('unacked')),
      results: redis.dump(db, (key) => key.startsWith('celery-task-meta-')),
      files: tree('uploads', 'transcriptions', 'temp'),
      models: tree('models'),
      rest: redis.dump(db, (key) => key.startsWith('_kombu')),
    };
  }

  test.each([
    { flags: ['--only', 'jobs'], gone: ['jobs', 'results'] },
    { flags: ['--only', 'queue'], gone: ['queue', 'results'] },
    { flags: ['--only', 'files'], gone: ['files'] },
    { flags: ['--only', 'models'], gone: ['models'] },
    { flags: ['--only=jobs,models'], gone: ['jobs', 'results', 'models'] },
    { flags: ['--skip', 'jobs,queue'], gone: ['files', 'models'] },
    { flags: ['--skip', 'files'], gone: ['jobs', 'queue', 'results', 'models'] },
    { flags: ['--keep-models'], gone: ['jobs', 'queue', 'results', 'files'] },
    { flags: ['--only', 'files,models', '--keep-models'], gone: ['files'] },
  ])('$flags', async ({ flags, gone }) => {
    const stack = await liveStack();
    const empty = hashes(stack);
    fillQuickly(stack, [name]);
    const before = hashes(stack);
    const { code, stdout } = await stack.run([name, '--yes', '--json', ...flags]);
    expect(code).toBe(0);
    const after = hashes(stack);
    for (const kind of ['jobs', 'queue', 'results', 'rest']) {
      expect([kind, after[kind]]).toEqual([kind, (gone.includes(kind) ? empty : before)[kind]]);
    }
    for (const [kind, directories] of [
      ['files', ['uploads', 'transcriptions', 'temp']],
      ['models', ['models']],
    ] as const) {
      const files = directories.flatMap((one) => fileList(directoryOf(stack.folder, name, one)));
      if (gone.includes(kind)) expect(files).toEqual([]);
      else expect([kind, after[kind]]).toEqual([kind, before[kind]]);
    }
    const there = (kind: string, count: number): number => (gone.includes(kind) ? count : 0);
    const { message, ...report } = JSON.parse(stdout) as { message: string };
    expect(report).toMatchObject({
      verified: true,
      jobs_removed: there('jobs', 3),
      tasks_purged: there('queue', 3),
      files_deleted: there('files', 6),
      models_deleted: there('models', 2),
    });
    expect(message).toMatch(/^🔥 WIPE COMPLETED \([a-z, ]+ only\): /);
  });
});

describe.skipIf(!requireOrSkip('redis', 'celery'))('a dry run', () => {
  test('changes not a byte, and tells what the wipe then removes', async () => {
    const stack = await liveStack();
    fillQuickly(stack);
    fillDirectories(stack);
    mkdirSync(join(directoryOf(stack.folder, 'video-downloader', 'cache'), 'empty-one'));
    const look = (): string => `${dumpAll(stack.redis)} ${treeHash(stack.folder, 'home')}`;
    // Redis' own directory is in the folder too, and stays as it is.
    const before = look();
    const dry = await stack.run(['all', '--dry-run', '--json']);
    expect(look()).toBe(before);
    expect(dry.code).toBe(0);
    const planned = JSON.parse(dry.stdout) as Report;
    expect(planned).toMatchObject({ status: 'planned', dry_run: true, verified: false });

    const shown = await stack.run(['all', '--dry-run', '--yes']);
    expect(shown.code).toBe(0);
    expect(look()).toBe(before);
    expect(shown.stdout).toContain(`Config: ${stack.folder}/cleanup.config.json`);
    expect(shown.stdout).toContain(directoryOf(stack.folder, 'audio-transcriber', 'models'));
    expect(shown.stdout.trimEnd().split('\n').at(-1)).toBe(
      `DRY RUN: 9 jobs + ${planned['files_deleted'] as number} files + ${planned['models_deleted'] as number} models would be removed (${planned['space_freed_mb'] as number}MB), ${planned['tasks_purged'] as number} tasks, nothing was changed`,
    );

    const real = await stack.run(['all', '--yes', '--json']);
    expect(real.code).toBe(0);
    expect(figures(JSON.parse(real.stdout) as Report)).toEqual(figures(planned));
  });
});

type Report = Readonly<Record<string, unknown>> & {
  readonly services: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
};

/** All counts; not times, and not what a run says about itself. */
function figures({ services, ...totals }: Report): unknown {
  const names = [
    ...['jobs_removed', 'results_removed', 'tasks_purged', 'files_deleted', 'models_deleted'],
    ...['space_freed_mb', 'bytes_freed', 'errors', 'warnings', 'directories'],
  ];
  const pick = (object: Readonly<Record<string, unknown>>): unknown =>
    names.map((name) => [name, object[name]]);
  return [pick(totals), Object.entries(services).map(([name, service]) => [name, pick(service)])];
}
