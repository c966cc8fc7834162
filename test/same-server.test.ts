/**
 * Two addresses of a config that lead to one Redis: what the config's rules refuse for one address is
 * refused for both, before anything is touched. The addresses here differ in every way that only a
 * connection can tell: a proxy, a second proxy, a socket, a replica.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createFolder, type Folder } from './support/folder.ts';
import { ownStack, type OwnStack } from './support/own-config.ts';
import { startProxy, type Proxy } from './support/proxy.ts';
import { inSync } from './support/redis-replication.ts';
import { freePort, startRedis, type TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';

const NO_INFO = ['user quiet on >secret ~* &* +@all -info', 'user mute on >secret ~* &* +@read'];

describe.skipIf(!requireOrSkip('redis'))('one Redis by two addresses', () => {
  let folders: readonly Folder[];
  let redis: TestRedis;
  let other: TestRedis;
  let replica: TestRedis;
  /** Replicas that have not had anything of their primary yet: of the primary, and of the first. */
  let late: TestRedis;
  let later: TestRedis;
  let orphan: TestRedis;
  let proxy: Proxy;
  let second: Proxy;
  let stack: OwnStack;
  let socket: string;

  beforeAll(async () => {
    folders = [createFolder(), createFolder(), createFolder()];
    const unsynced = [createFolder(), createFolder(), createFolder()] as const;
    folders = [...folders, ...unsynced];
    const [folder = '', otherFolder = '', replicaFolder = ''] = folders.map(({ path }) => path);
    socket = join(folder, 'also.sock');
    redis = await startRedis(folder, { config: [`unixsocket ${socket}`, ...NO_INFO] });
    other = await startRedis(otherFolder);
    replica = await startRedis(replicaFolder, {
      config: [`replicaof 127.0.0.1 ${redis.port}`, 'repl-diskless-sync-delay 0'],
    });
    proxy = await startProxy(redis.port);
    second = await startProxy(redis.port);
    await inSync(redis, [replica]);
    redis.cli('CONFIG', 'SET', 'repl-diskless-sync', 'yes');
    redis.cli('CONFIG', 'SET', 'repl-diskless-sync-delay', '36000');
    const startReplica = async (folder: Folder, port: number): Promise<TestRedis> =>
      await startRedis(folder.path, { config: [`replicaof 127.0.0.1 ${port}`] });
    late = await startReplica(unsynced[0], redis.port);
    later = await startReplica(unsynced[1], late.port);
    orphan = await startReplica(unsynced[2], await freePort());
  });

  afterAll(async () => {
    await Promise.all([proxy.stop(), second.stop()]);
    const servers = [redis, other, replica, late, later, orphan];
    await Promise.all(servers.map(async (one) => await one.stop()));
    for (const folder of folders) folder.remove();
  });

  beforeEach(() => {
    for (const server of [redis, other]) {
      server.cli('FLUSHDB');
      server.cli('-n', '1', 'FLUSHDB');
      server.cli('MSET', 'job:1', '{}', 'job:b:1', '{}', 'celery-task-meta-foreign', '{}');
      server.cli('RPUSH', 'job:queue', 'message');
    }
  });

  const services = (a: object, b: object, urls: readonly [string, string]): void => {
    stack = ownStack();
    stack.configAll({ a: { redis: urls[0], ...a }, b: { redis: urls[1], ...b } });
  };
  const url = (name: string): string => `redis://${name}:secret@127.0.0.1:${redis.port}/0`;

  const OVERLAPS: readonly (readonly [what: string, a: object, b: object, text: string])[] = [
    ['the same prefix', { keyPrefix: 'job:' }, { keyPrefix: 'job:' }, 'is the same as'],
    ['a prefix within', { keyPrefix: 'job:' }, { keyPrefix: 'job:b:' }, 'begins with'],
    ['a prefix around', { keyPrefix: 'job:b:' }, { keyPrefix: 'job:' }, 'is the beginning of'],
    [
      'all results',
      { keyPrefix: 'x:', celery: { queues: ['a'], results: 'all' } },
      { keyPrefix: 'y:', celery: { queues: ['b'] } },
      'would delete the results of',
    ],
    [
      'one queue',
      { keyPrefix: 'x:', celery: { queues: ['q'] } },
      { keyPrefix: 'y:', celery: { queues: ['q'] } },
      'is the same queue as',
    ],
    [
      'a queue that begins with the prefix',
      { keyPrefix: 'job:' },
      { keyPrefix: 'y:', celery: { queues: ['job:queue'] } },
      'would match the queue',
    ],
    [
      "an index over the other's jobs",
      { keyPrefix: 'x:', indexKeys: ['job:b*'] },
      { keyPrefix: 'job:' },
      'would match keys that begin with services.b.keyPrefix',
    ],
    [
      "an index below the other's prefix",
      { keyPrefix: 'job:' },
      { keyPrefix: 'y:', indexKeys: ['job:b:1'] },
      'begins with services.a.keyPrefix',
    ],
  ];

  /** A target beside a service that is none, and the other way round; both; and a dry run. */
  const WAYS = [
    ['a', '-y'],
    ['b', '-y'],
    ['all', '-y'],
    ['all', '-n'],
  ] as const;
  const rows = OVERLAPS.map((row, index) => [...row, WAYS[index % WAYS.length] ?? []] as const);

  test.each(rows)('%s is refused', async (_, a, b, text, args) => {
    services(a, b, [redis.url(0), proxy.url(0)]);
    const before = redis.dump(0);
    const { code, stderr } = await stack.run(args);
    expect(code, stderr).toBe(3);
    expect(stderr).toContain('are the same Redis database');
    expect(stderr.replace(/\s+/g, ' ')).toContain(text);
    expect(redis.dump(0)).toBe(before);
  });

  const [SAME = [], , , ALL_RESULTS = []] = OVERLAPS;

  test.each([
    ['two proxies', () => [proxy.url(0), second.url(0)]],
    ['a socket', () => [redis.url(0), `unix://${socket}?db=0`]],
    ['a replica of it', () => [redis.url(0), replica.url(0)]],
    ['a replica that is not in sync yet', () => [redis.url(0), late.url(0)]],
    ['a replica of such a replica', () => [redis.url(0), later.url(0)]],
    ['a user that may not INFO', () => [url('quiet'), proxy.url(0)]],
    ['the other may not INFO', () => [proxy.url(0), url('quiet')]],
  ] as const)('%s', async (_, urls) => {
    const [one, two] = urls();
    services(SAME[1] as object, SAME[2] as object, [one ?? '', two ?? '']);
    const before = redis.dump(0);
    const { code, stdout } = await stack.run(['a', '-y', '--json']);
    expect(code, stdout).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'refused',
      error: { problems: [{ path: 'services.b.keyPrefix' }] },
    });
    expect(redis.dump(0)).toBe(before);
  });

  test('jobs and queues of one service by two addresses', async () => {
    stack = ownStack();
    stack.config({
      redis: redis.url(0),
      keyPrefix: 'job:',
      celery: { broker: proxy.url(0), queues: ['job:queue'] },
    });
    expect(await stack.run(['media', '-y'])).toMatchObject({ code: 3 });
    expect(redis.cli('EXISTS', 'job:1', 'job:queue')).toBe('2');
  });

  test.each([
    ['another server', () => [redis.url(0), other.url(0)]],
    ['another database of the server', () => [redis.url(0), proxy.url(1)]],
  ] as const)('%s is no overlap: all of the one goes, nothing of the other', async (_, urls) => {
    const [one, two] = urls();
    services(SAME[1] as object, SAME[2] as object, [one ?? '', two ?? '']);
    redis.cli('-n', '1', 'SET', 'job:1', '{}');
    const [before, beforeOne] = [other.dump(0), redis.dump(1)];
    await stack.run(['a', '-y']);
    expect(redis.cli('EXISTS', 'job:1', 'job:b:1')).toBe('0');
    expect([other.dump(0), redis.dump(1)]).toEqual([before, beforeOne]);
  });

  test('where nothing could overlap no other server is asked', async () => {
    services({ keyPrefix: 'job:' }, { keyPrefix: 'other:' }, [redis.url(0), second.url(0)]);
    const connections = second.connections();
    await stack.run(['a', '-y']);
    expect(redis.cli('EXISTS', 'job:1')).toBe('0');
    expect(second.connections()).toBe(connections);
  });

  test('who does not answer or may not be asked is a warning', async () => {
    const dead = `redis://127.0.0.1:${await freePort()}/0`;
    services(ALL_RESULTS[1] as object, ALL_RESULTS[2] as object, [redis.url(0), dead]);
    const unreachable = await stack.run(['a', '-y', '--json']);
    expect(unreachable.stdout).toContain('could not be judged whether');
    expect(redis.cli('EXISTS', 'celery-task-meta-foreign')).toBe('0');

    services(SAME[1] as object, SAME[2] as object, [redis.url(0), orphan.url(0)]);
    const lost = await stack.run(['a', '-n', '--json']);
    expect(lost.stdout).toContain('is a replica without a link to 127.0.0.1:');

    services(SAME[1] as object, SAME[2] as object, [other.url(0), url('quiet')]);
    const dry = await stack.run(['a', '-n', '--json']);
    expect(dry.stdout).toContain('does not name itself (INFO)');
    // It is told apart by a key, of which nothing stays.
    const wiped = await stack.run(['a', '-y', '--json']);
    expect(wiped.stdout).not.toContain('could not be judged');
    expect(other.cli('KEYS', 'job:*')).toBe('');
    for (const server of [redis, other]) expect(server.cli('KEYS', '*nonce*')).toBe('');
  });

  test('doctor tells of it', async () => {
    services(SAME[1] as object, SAME[2] as object, [redis.url(0), proxy.url(0)]);
    const { code, stdout } = await stack.run(['doctor', 'all']);
    expect(code).toBe(1);
    expect(stdout.replace(/\s+/g, ' ')).toContain('are the same Redis database: a wipe is refused');
  });
});
