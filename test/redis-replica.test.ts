/**
 * A replica named by mistake: its primary would still have all, so nothing is removed there, even
 * where it would take writes, and the error names the primary.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeFiles, wipeJson, writeConfig, type JsonReport } from './support/config-file.ts';
import { createFolder } from './support/folder.ts';
import { startRedis, type TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { runTool } from './support/tool.ts';
import { until } from './support/video-workers.ts';
import { fileList } from './support/witness.ts';

const SECRET = 's3cret-passw0rd';
const FLIGHT = '[{"headers": {"id": "2"}, "properties": {}, "body": ""}, "", "service_queue"]';

let folder = '';
const servers: TestRedis[] = [];

async function start(name: string, config: readonly string[] = []): Promise<TestRedis> {
  mkdirSync(join(folder, name));
  const server = await startRedis(join(folder, name), {
    password: SECRET,
    config: ['repl-diskless-sync yes', 'repl-diskless-sync-delay 0', ...config],
  });
  servers.push(server);
  return server;
}

/** A replica of `primary` that has caught up. */
async function replicaOf(
  primary: TestRedis,
  name: string,
  config: readonly string[] = [],
): Promise<TestRedis> {
  const replica = await start(name, [
    `replicaof 127.0.0.1 ${primary.port}`,
    `masterauth ${SECRET}`,
    ...config,
  ]);
  const size = (server: TestRedis): string => server.cli('-n', '1', 'DBSIZE');
  await until('the keys of the primary', () => size(replica) === size(primary));
  return replica;
}

function at(servers: readonly TestRedis[], index: number): TestRedis {
  const server = servers[index];
  if (server === undefined) throw new Error('not started');
  return server;
}

function configFor(redis: TestRedis): string {
  return writeConfig(folder, {
    service: {
      redis: redis.url(1),
      keyPrefix: 'job:',
      celery: { queues: ['service_queue'] },
      root: '..',
      directories: ['uploads'],
    },
  });
}

describe.skipIf(!requireOrSkip('redis'))('a replica', () => {
  let primary: TestRedis;
  let readOnly: TestRedis;
  /** As many as there are tests that a bug lets write to one. */
  let writable: readonly TestRedis[];
  let chained: TestRedis;
  let promoted: TestRedis;

  let remove = (): void => undefined;

  beforeAll(async () => {
    ({ path: folder, remove } = createFolder());
    primary = await start('primary');
    const cli = (...args: readonly string[]): string => primary.cli('-n', '1', ...args);
    cli('MSET', 'job:1', 'x', 'job:2', 'x', 'job:3', 'x', 'celery-task-meta-1', 'x');
    cli('RPUSH', 'service_queue', 'one message', 'another');
    cli('HSET', 'unacked', 'tag', FLIGHT);
    cli('ZADD', 'unacked_index', '1', 'tag');
    [readOnly, promoted, ...writable] = await Promise.all([
      replicaOf(primary, 'read-only'),
      replicaOf(primary, 'promoted'),
      ...['one', 'two', 'three'].map(
        async (name) => await replicaOf(primary, `writable-${name}`, ['replica-read-only no']),
      ),
    ] as const);
    chained = await replicaOf(readOnly, 'chained');
  });
  afterAll(async () => {
    for (const server of servers) await server.stop();
    remove();
  });
  beforeEach(() => makeFiles(join(folder, 'uploads'), 5));

  /** An error that names the primary, and not a key gone, on it or anywhere. */
  async function expectRefused(replica: TestRedis, master: TestRedis): Promise<void> {
    const before = [primary.dump(1), replica.dump(1)];
    const { code, report, stdout, stderr } = await wipeJson(configFor(replica), { folder });
    expect(report).toMatchObject({ status: 'completed_with_errors', jobs_removed: 0 });
    const service = report.services['service'];
    expect(service?.failures).not.toEqual([]);
    for (const { hint } of service?.failures ?? []) {
      expect(hint).toContain(`127.0.0.1:${master.port}`);
    }
    for (const line of report.errors) expect(line).toMatch(/replica/i);
    expect(new Set(report.errors).size).toBe(report.errors.length);
    expect(stderr).toMatch(/- ERROR - .*replica/i);
    expect(stdout + stderr).not.toContain(SECRET);
    expect(service?.verified).toBe(false);
    expect(code).toBe(1);
    expect(fileList(join(folder, 'uploads'))).toEqual([]);
    expect([primary.dump(1), replica.dump(1)]).toEqual(before);
  }

  test('that is read-only', async () => {
    await expectRefused(readOnly, primary);
  });

  test('that would take writes', async () => {
    await expectRefused(at(writable, 0), primary);
  });

  test('of a replica: the one that it copies is named', async () => {
    await expectRefused(chained, readOnly);
  });

  test.each([
    ['read-only', (): TestRedis => readOnly],
    ['writable', (): TestRedis => at(writable, 1)],
  ])('that is %s: --strict refuses, and the files stay', async (_, replica) => {
    const before = [primary.dump(1), replica().dump(1)];
    const { code, report } = await wipeJson(configFor(replica()), { folder }, '--strict');
    expect(code).toBe(3);
    expect(report.error?.message).toMatch(/replica/i);
    expect(report.error?.message).toContain(`127.0.0.1:${primary.port}`);
    expect([primary.dump(1), replica().dump(1)]).toEqual(before);
    expect(fileList(join(folder, 'uploads'))).toHaveLength(5);
  });

  test.each([
    ['read-only', (): TestRedis => readOnly],
    ['writable', (): TestRedis => at(writable, 2)],
  ])('that is %s: stats show what is there', async (_, replica) => {
    const before = replica().dump(1);
    const config = configFor(replica());
    const result = await runTool(['stats', 'all', '--json', '--config', config], { folder });
    const service = (JSON.parse(result.stdout) as JsonReport).services['service'];
    expect(service).toMatchObject({
      total_jobs: 3,
      tasks: { queued: 2, in_flight: 1 },
      files: 5,
      errors: [],
    });
    expect(result.code).toBe(0);
    expect(replica().dump(1)).toBe(before);
  });

  test('that has become the primary is wiped', async () => {
    promoted.cli('REPLICAOF', 'NO', 'ONE');
    const { code, report } = await wipeJson(configFor(promoted), { folder });
    expect(report).toMatchObject({ status: 'completed', jobs_removed: 3, errors: [] });
    expect(code).toBe(0);
    expect(promoted.cli('-n', '1', 'DBSIZE')).toBe('0');
    expect(primary.cli('-n', '1', 'DBSIZE')).toBe('7');
  });

  test('that has lost its primary is still one', async () => {
    const gone = await start('gone');
    gone.cli('-n', '1', 'SET', 'job:1', 'x');
    const orphan = await replicaOf(gone, 'orphan', ['replica-read-only no']);
    await gone.stop();
    const { code, report } = await wipeJson(configFor(orphan), { folder });
    const hints = (report.services['service']?.failures ?? []).map(({ hint }) => hint);
    expect(hints.join()).toContain(`127.0.0.1:${gone.port}`);
    expect(code).toBe(1);
    expect(orphan.cli('-n', '1', 'EXISTS', 'job:1')).toBe('1');
  });
});
