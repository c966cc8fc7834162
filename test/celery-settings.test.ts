/** Workers whose app sets what Celery and kombu let an app set: looked at, wiped, and left working. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { enqueue, startWorker, type CeleryApp, type Worker } from './support/celery.ts';
import { createFolder, testFolder } from './support/folder.ts';
import { startSentinels } from './support/redis-sentinel.ts';
import { startRedis, type TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { writeConfig } from './support/config-file.ts';
import { runTool } from './support/tool.ts';
import type { Result } from './support/confine.ts';

interface Case {
  readonly name: string;
  readonly transport?: Readonly<Record<string, unknown>>;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** What the config says of it beside the queues. */
  readonly celery?: Readonly<Record<string, unknown>>;
}

/** One database each. */
const CASES: readonly Case[] = [
  { name: 'colon', transport: { sep: ':' } },
  { name: 'hyphen', transport: { sep: '-' }, celery: { separator: '-' } },
  { name: 'exchange', settings: { control_exchange: 'mine' } },
  { name: 'shared', transport: { fanout_prefix: false } },
  {
    name: 'prefix',
    transport: { fanout_prefix: '/own{db}.' },
    celery: { fanoutPrefix: '/own{db}.' },
  },
];
const NAMES = CASES.map(({ name }) => name);

interface Scene {
  readonly redis: TestRedis;
  readonly apps: readonly CeleryApp[];
  readonly workers: readonly Worker[];
  run(...args: readonly string[]): Promise<Result>;
}

describe.skipIf(!requireOrSkip('redis', 'celery'))('workers with settings of their own', () => {
  let scene: Scene;
  const ends: (() => unknown)[] = [];

  beforeAll(async () => {
    const { path: folder, remove } = createFolder();
    ends.push(remove);
    const redis = await startRedis(folder);
    ends.push(async () => await redis.stop());
    const services = CASES.map(({ name, celery }, db) => [
      name,
      { redis: redis.url(db), keyPrefix: 'job:', celery: { queues: [name], ...celery } },
    ]);
    const file = writeConfig(folder, Object.fromEntries(services) as Record<string, object>);
    const apps = CASES.map(({ name, transport = {}, settings = {} }, db): CeleryApp => ({
      ...{ folder, broker: redis.url(db), queues: [name], keyPrefix: 'job:', acksLate: true },
      settings: { broker_transport_options: { priority_steps: [0, 5], ...transport }, ...settings },
    }));
    const workers = apps.map((app) => startWorker(app, { name: app.queues[0] }));
    ends.push(async () => await Promise.all(workers.map(async (worker) => worker.stop('kill'))));
    await Promise.all(workers.map(async (worker) => worker.waitUntilReady()));
    const run = async (...args: readonly string[]): Promise<Result> =>
      await runTool(['--config', file, ...args], { folder });
    scene = { redis, apps, workers, run };
  }, 120_000);

  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
  });

  const allWork = async (id: string): Promise<void> => {
    for (const app of scene.apps) enqueue(app, [{ id, priority: 5 }]);
    await Promise.all(scene.workers.map(async (worker) => worker.waitForLog(`quick ${id}`)));
  };

  test('go on after each kind of look', async () => {
    for (const args of [['stats', 'all'], ['stats', 'all'], ['doctor'], ['all', '--dry-run']]) {
      const { code, stdout, stderr } = await scene.run(...args);
      expect({ args, code, out: code === 0 ? '' : stdout + stderr }).toEqual({
        args,
        code: 0,
        out: '',
      });
    }
    await allWork('looked-at');
  }, 120_000);

  test('are wiped, their tasks cancelled, and go on', async () => {
    const { redis, apps, workers } = scene;
    for (const app of apps) {
      const queued = ['one', 'two'].map((id) => ({ id, priority: 5 }));
      enqueue(app, [{ id: 'long', task: 'sleep', args: [600] }, ...queued]);
    }
    await Promise.all(workers.map(async (worker) => worker.waitForLog('[long] received')));
    const { code, stdout, stderr } = await scene.run('all', '--yes', '--json');
    expect({ code, stderr: code === 0 ? '' : stdout + stderr }).toEqual({ code: 0, stderr: '' });
    const report = JSON.parse(stdout) as { services: Record<string, { tasks_cancelled: number }> };
    for (const [db, name] of NAMES.entries()) {
      expect(report.services[name], name).toMatchObject({
        verified: true,
        errors: [],
        warnings: [],
      });
      expect(report.services[name]?.tasks_cancelled, name).toBeGreaterThanOrEqual(1);
      const cli = (...args: readonly string[]): string => redis.cli('-n', String(db), ...args);
      expect(cli('--scan', '--pattern', '*media-cleanup*'), name).toBe('');
      expect(cli('--scan', '--pattern', '*reply*'), name).toBe('');
      expect(cli('EXISTS', 'unacked', 'unacked_index', name), name).toBe('0');
    }
    await allWork('afterwards');
  }, 120_000);

  test('give no orders on a channel that a worker of the same name in another database hears', async () => {
    const { apps, redis, run } = scene;
    const at = NAMES.indexOf('shared');
    const other = 12;
    const app = {
      ...(apps[at] as CeleryApp),
      broker: redis.url(other),
      queues: ['theirs'] as const,
    };
    const neighbour = startWorker(app, { name: 'shared' });
    onTestFinished(async () => await neighbour.stop('kill'));
    await neighbour.waitUntilReady();
    const { code, stdout } = await run('shared', '--yes', '--json');
    expect(code).toBe(1);
    const report = JSON.parse(stdout) as { services: Record<string, { errors: string[] }> };
    expect(report.services['shared']?.errors).toEqual([
      expect.stringMatching(/other databases.* hear celery\.pidbox .*neither held nor cancelled/),
    ]);
    // The order to consume again would declare the queue there.
    expect(redis.cli('-n', String(other), 'EXISTS', '_kombu.binding.shared')).toBe('0');
  }, 120_000);

  test('are not asked by an entry with another separator than theirs: said with the config line', async () => {
    const { redis, apps } = scene;
    const [app] = apps as [CeleryApp];
    const file = writeConfig(app.folder, {
      colon: {
        redis: redis.url(0),
        keyPrefix: 'job:',
        celery: { queues: ['colon'], separator: '|' },
      },
    });
    const run = async (...args: readonly string[]): Promise<Result> =>
      await runTool(['--config', file, ...args], { folder: app.folder });
    const line = /in the config, services\.colon\.celery: "separator": ":"/;
    for (const args of [['doctor'], ['colon', '--dry-run'], ['colon', '--yes']]) {
      const { code, stdout, stderr } = await run(...args);
      expect({ args, code }).toEqual({ args, code: 1 });
      expect((stdout + stderr).replaceAll(/\s+/g, ' ')).toMatch(line);
    }
    await allWork('contradicted');
  }, 120_000);
});

describe.skipIf(!requireOrSkip('redis', 'celery'))('a worker behind Redis Sentinel', () => {
  test('is asked where kombu before 5.4 listens: its channel names no database', async () => {
    const folder = testFolder();
    const sentinels = await startSentinels(folder);
    onTestFinished(async () => await sentinels.stop());
    const primary = sentinels.primary();
    const [url = ''] = sentinels.urls();
    const app: CeleryApp = {
      ...{ folder, queues: ['media_queue'], keyPrefix: 'job:', acksLate: true },
      ...{ broker: url.replace('redis://', 'sentinel://'), results: primary.url(3) },
      jobs: primary.url(3),
      settings: { broker_transport_options: { master_name: sentinels.name } },
    };
    // The number of the database is the path of each sentinel's URL.
    const withDb = { ...app, broker: `${app.broker.replace(/\/\d*$/, '')}/3` };
    const worker = startWorker(withDb);
    onTestFinished(async () => await worker.stop('kill'));
    await worker.waitUntilReady();
    enqueue(withDb, [{ id: 'long', task: 'sleep', args: [600] }, { id: 'next' }]);
    await worker.waitForLog('[next] received');
    const redis = { sentinels: sentinels.urls(), name: sentinels.name, db: 3 };
    const file = writeConfig(folder, {
      media: { redis, keyPrefix: 'job:', celery: { queues: ['media_queue'] } },
    });
    const { code, stdout, stderr } = await runTool(['--config', file, 'media', '--yes', '--json'], {
      folder,
    });
    expect({ code, stderr: code === 0 ? '' : stdout + stderr }).toEqual({ code: 0, stderr: '' });
    const report = JSON.parse(stdout) as { services: Record<string, object> };
    expect(report.services['media']).toMatchObject({ verified: true, tasks_cancelled: 2 });
    enqueue(withDb, [{ id: 'afterwards' }]);
    await worker.waitForLog('quick afterwards');
  }, 120_000);
});
