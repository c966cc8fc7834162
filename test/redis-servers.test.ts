/** What a server gave back, and whether the wipe survives its crash. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { wipeJson, writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { startRedis } from './support/redis.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startWipe } from './support/started-wipe.ts';
import { runTool } from './support/tool.ts';

interface ServerFigures {
  readonly server: string;
  readonly services: readonly string[];
  readonly items_removed: number;
  readonly used_memory_before: number;
  readonly used_memory_after: number;
  readonly memory_freed_bytes: number;
  readonly still_freeing: boolean;
  readonly on_disk: string;
}

const JOBS = 20_000;

/** A server that saves as `config` says, with jobs in two databases, all of it on its disk. */
async function savingServer(config: readonly string[]) {
  const folder = testFolder();
  const start = async (port?: number): Promise<TestRedis> => {
    const at = port === undefined ? {} : { port };
    const redis = await startRedis(folder, { config, ...at });
    onTestFinished(async () => redis.stop());
    return redis;
  };
  const redis = await start();
  const lua = `for i = 1, ${JOBS} do redis.call('SET', 'job:' .. i, string.rep('x', 600)) end`;
  for (const db of ['1', '2']) redis.cli('-n', db, 'EVAL', lua, '0');
  redis.cli('SAVE');
  const file = writeConfig(folder, {
    one: { redis: redis.url(1), keyPrefix: 'job:' },
    two: { redis: redis.url(2), keyPrefix: 'job:' },
  });
  const wipe = async (...flags: readonly string[]) => {
    const result = await wipeJson(file, { folder }, ...flags);
    const { redis_servers: servers } = JSON.parse(result.stdout) as {
      redis_servers: readonly ServerFigures[];
    };
    return { ...result, servers };
  };
  /** As after a power cut: what is on the disk is what there is. */
  const restarted = async (): Promise<TestRedis> => {
    await redis.stop();
    return await start(redis.port);
  };
  return { folder, redis, file, wipe, restarted };
}

describe.skipIf(!requireOrSkip('redis'))('a server of two services', () => {
  test('is told once, with its memory before and after', async () => {
    const { redis, wipe } = await savingServer([]);
    const used = (): number => Number(/used_memory:(\d+)/.exec(redis.cli('INFO', 'memory'))?.[1]);
    const before = used();
    const { code, servers } = await wipe();
    expect(code).toBe(0);
    const after = used();
    expect(servers).toHaveLength(1);
    const [figures] = servers;
    expect(figures).toMatchObject({
      server: `127.0.0.1:${redis.port}`,
      services: ['one', 'two'],
      items_removed: 2 * JOBS,
      still_freeing: false,
    });
    expect(Math.abs((figures?.used_memory_before ?? 0) - before)).toBeLessThan(2 ** 20);
    expect(Math.abs((figures?.used_memory_after ?? 0) - after)).toBeLessThan(2 ** 20);
    expect(figures?.memory_freed_bytes).toBeGreaterThan(2 * JOBS * 600);
  });

  test('with snapshots alone: not on disk until the next one, and the report says so', async () => {
    const { folder, file, wipe, restarted } = await savingServer(['save 3600 1']);
    const { code, servers } = await wipe();
    expect([code, servers[0]?.on_disk]).toEqual([0, 'at the next save']);
    // The promise that is not made.
    const redis = await restarted();
    expect(redis.cli('-n', '1', 'DBSIZE')).toBe(String(JOBS));
    redis.cli('CONFIG', 'SET', 'save', '3600 1');
    writeConfig(folder, { one: { redis: redis.url(1), keyPrefix: 'job:' } });
    const text = await runTool(['all', '--yes', '--config', file], { folder });
    expect(text.stdout.replace(/\s+/g, ' ')).toContain(
      'not on disk until its next save: a crash before brings back what went (--persist asks for it)',
    );
  });

  test('--persist with snapshots: it survives a crash', async () => {
    const { wipe, restarted } = await savingServer(['save 3600 1']);
    const { code, servers, stderr } = await wipe('--persist');
    expect([code, servers[0]?.on_disk], stderr).toEqual([0, 'saved']);
    expect(stderr).toMatch(/it has saved to disk, after \d/);
    const redis = await restarted();
    // The lock of the run that saved is in the snapshot too, and expires.
    const left = ['1', '2'].map((db) => redis.cli('-n', db, '--scan'));
    for (const key of left) expect(key).toMatch(/^(media-cleanup:lock:\w+)?$/);
  });

  test('--persist with an append-only log: it survives a crash', async () => {
    const { wipe, restarted } = await savingServer(['appendonly yes', 'appendfsync everysec']);
    const { code, servers, stderr } = await wipe('--persist');
    expect([code, servers[0]?.on_disk], stderr).toEqual([0, 'log']);
    const redis = await restarted();
    expect(redis.cli('-n', '1', 'DBSIZE') + redis.cli('-n', '2', 'DBSIZE')).toBe('00');
  });

  test('--persist that cannot save is an error, and everything else is done', async () => {
    const { folder, wipe } = await savingServer(['save 3600 1']);
    // Its working directory, where the snapshots go.
    rmSync(join(folder, 'redis'), { recursive: true });
    const { code, report } = await wipe('--persist');
    expect(code).toBe(1);
    expect(report.jobs_removed).toBe(2 * JOBS);
    expect(report.errors).toEqual([
      expect.stringMatching(/^Redis\/.*\(save\): Redis could not save its snapshot/),
    ]);
  });

  test('--persist with a server that is killed while it saves: what is back is no success', async () => {
    const { redis, file, folder, restarted } = await savingServer(['save 3600 1']);
    // A snapshot takes longer than it takes to kill it.
    redis.cli('CONFIG', 'SET', 'rdb-key-save-delay', '1000');
    redis.cli('EVAL', "for i = 1, 5000 do redis.call('SET', 'other:' .. i, i) end", '0');
    const run = startWipe(file, { folder }, '--persist');
    await run.reaches('it saves', () =>
      redis.cli('INFO', 'persistence').includes('rdb_bgsave_in_progress:1'),
    );
    const again = await restarted();
    const { code, report } = await run.result;
    expect(again.cli('-n', '1', 'DBSIZE')).toBe(String(JOBS));
    expect(code).toBe(1);
    expect(report).toMatchObject({ status: 'completed_with_errors', verified: false });
    expect(report.errors[0]).toMatch(/started anew, or another server took over/);
  });
});
