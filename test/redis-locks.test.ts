/** One at a time on several hosts over one Redis: a key that names who it is, renewed, and let go. */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { identify } from '../src/runs/process-identity.ts';
import { testFolder } from './support/folder.ts';
import { KEY, lockScene, reportOf, startHolder, type LockScene } from './support/lock-scene.ts';
import { startProxy } from './support/proxy.ts';
import { startCluster } from './support/redis-cluster.ts';
import { times, type Command } from './support/redis-fill.ts';
import { startSentinels } from './support/redis-sentinel.ts';
import { startRedis, type TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startWipe } from './support/started-wipe.ts';
import { writeConfig } from './support/config-file.ts';
import { until } from './support/until.ts';
import { fileList, treeHash } from './support/witness.ts';

const WIPE = ['media', '--yes', '--json'];
const USER = 'janitor';
const SECRET = 's3cret-passw0rd';

function ttl(scene: LockScene): number {
  return Number(scene.cli('PTTL', KEY));
}

/** What a run on a host that we cannot see has written. */
function elsewhere(changes: object = {}): string {
  return JSON.stringify({
    ...{ token: 'of-another', pid: 4711, started: '1', realm: 'another-boot pid:[1]' },
    ...{ host: 'media-2', since: Date.now() - 60_000, user: 'ops', service: 'media' },
    ...{ cleanupId: 'cleanup_total_20251027_143022' },
    ...changes,
  });
}

/** The scene's service as a user with these permissions. */
function asUser(scene: LockScene, permissions: readonly string[]): void {
  scene.redis.cli('ACL', 'SETUSER', USER, 'reset', 'on', `>${SECRET}`, '+@all', ...permissions);
  scene.config({
    media: {
      root: '../media',
      redis: `redis://${USER}:${SECRET}@127.0.0.1:${scene.redis.port}/1`,
      keyPrefix: 'job:',
      directories: ['uploads'],
    },
  });
}

describe.skipIf(!requireOrSkip('redis'))('runs on several hosts over one Redis', () => {
  test('the key names the run, lives as long as it, and is renewed', async () => {
    const scene = await lockScene();
    const run = await startHolder(scene, { jobs: 1000, rate: 500 }, '--verify-for', '34s');
    const value = scene.key();
    expect(JSON.parse(value)).toMatchObject({
      ...{ pid: run.pid, host: hostname(), user: 'root', service: 'media' },
      cleanupId: expect.stringMatching(/^cleanup_total_\d{8}_\d{6}/) as string,
    });
    expect(Math.abs(Date.now() - (JSON.parse(value) as { since: number }).since)).toBeLessThan(
      9000,
    );
    let least = Infinity;
    for (const end = Date.now() + 33_000; Date.now() < end; await sleep(250)) {
      expect(scene.key()).toBe(value);
      expect(ttl(scene)).toBeLessThanOrEqual(30_000);
      least = Math.min(least, ttl(scene));
    }
    expect(least).toBeGreaterThan(15_000);
    const result = await run.result;
    expect([result.code, reportOf(result).jobs_removed]).toEqual([0, 1000]);
    expect(reportOf(result).warnings).toEqual([]);
    expect([scene.key(), scene.cli('DBSIZE')]).toEqual(['', '0']);
  }, 300_000);

  test('the second is told of the first, or waits for it; each empties its own', async () => {
    const scene = await lockScene();
    const there = scene.host('there');
    scene.fill(10);
    there.fill(20);
    const holder = await startHolder(scene, { jobs: 4000, rate: 1000 });
    const before = treeHash(there.media);
    const refused = await there.run(WIPE);
    expect([refused.code, reportOf(refused).error?.message]).toEqual([
      75,
      expect.stringContaining(`media is being wiped by pid ${holder.pid} on ${hostname()} (user `),
    ]);
    expect(treeHash(there.media)).toBe(before);
    expect(there.locks()).toEqual([]);
    const second = await there.run([...WIPE, '--lock-wait', '1m']);
    const first = await holder.result;
    expect([first.code, second.code]).toEqual([0, 0]);
    const [one, two] = [reportOf(first), reportOf(second)];
    expect(one.jobs_removed + two.jobs_removed).toBe(4000);
    expect([one.files_deleted, two.files_deleted]).toEqual([10, 20]);
    expect([fileList(scene.media), fileList(there.media), scene.key()]).toEqual([[], [], '']);
  }, 300_000);

  test('three at the same moment, all of which wait: exact in sum', async () => {
    const scene = await lockScene();
    const hosts = [scene, scene.host('b'), scene.host('c')];
    scene.jobs(5000);
    hosts.forEach((host, at) => host.fill(10 + at));
    const results = await Promise.all(
      hosts.map(async (host) => await host.run([...WIPE, '--lock-wait', '1m'])),
    );
    const reports = results.map(reportOf);
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(reports.map(({ jobs_removed: jobs }) => jobs).toSorted((a, b) => a - b)).toEqual([
      0, 0, 5000,
    ]);
    expect(reports.map(({ files_deleted: files }) => files)).toEqual([10, 11, 12]);
    expect(scene.key()).toBe('');
  }, 300_000);

  test('files and models alone need no lock in Redis', async () => {
    const scene = await lockScene();
    const there = scene.host('there');
    there.fill(5);
    const holder = await startHolder(scene, { jobs: 5000, rate: 500 });
    const { code, stdout, stderr } = await there.run([...WIPE, '--only', 'files,models']);
    expect([code, reportOf({ stdout, stderr } as never).files_deleted]).toEqual([0, 5]);
    holder.kill('SIGKILL');
    await holder.result;
  });

  test('the owner was killed on this host: nobody waits for the expiry', async () => {
    const scene = await lockScene();
    const holder = await startHolder(scene, { jobs: 10_000, rate: 500 });
    holder.kill('SIGKILL');
    await holder.result;
    const left = scene.jobsLeft();
    const expiry = ttl(scene);
    expect(expiry).toBeGreaterThan(15_000);
    const next = await scene.host('there').run(WIPE);
    expect([next.code, reportOf(next).jobs_removed]).toEqual([0, left]);
    expect(next.durationMs).toBeLessThan(expiry);
    expect(scene.key()).toBe('');
  });

  test.each([
    ['of another host', {}],
    ['of another host with our name', { host: hostname() }],
    ['of another container', { realm: `${identify(1).realm.split(' ')[0]} pid:[1]` }],
  ])('an owner %s is respected until the expiry', async (_, changes) => {
    const scene = await lockScene();
    scene.jobs(10);
    const value = elsewhere(changes);
    scene.cli('SET', KEY, value, 'PX', '20000');
    const refused = await scene.run(WIPE);
    expect(refused.code).toBe(75);
    expect(reportOf(refused).error?.message).toMatch(
      /pid 4711 on \S+ \(user ops\), run cleanup_total_20251027_143022, since \d{4}-/,
    );
    expect([scene.key(), scene.jobsLeft()]).toEqual([value, 10]);
    scene.cli('PEXPIRE', KEY, '2500');
    const next = await scene.run([...WIPE, '--lock-wait', '20s']);
    expect([next.code, reportOf(next).jobs_removed]).toEqual([0, 10]);
    expect(scene.key()).toBe('');
  });

  test.each([
    ['garbage', 'garbage \x1b[31m\x07\r\n\u202e', 'locked by somebody unknown'],
    ['nothing', '', 'locked by somebody unknown'],
    ['a list', '[1]', 'locked by somebody unknown'],
    ['a strange run', elsewhere({ host: 'h\x1b]0;x\x07', since: 9e15, user: 1 }), 'pid 4711 on h'],
  ])('%s in the key: locked, and told as text', async (_, value, message) => {
    const scene = await lockScene();
    scene.jobs(10);
    scene.redis.cliInput(value, '-n', '1', 'SET', KEY);
    const json = await scene.run(WIPE);
    expect([json.code, reportOf(json).error?.message]).toEqual([
      75,
      expect.stringContaining(message),
    ]);
    const text = await scene.run(['media', '--yes']);
    expect(text.code).toBe(75);
    expect(text.stderr.replace('🔥', '')).not.toMatch(/[^\n\x20-\x7e]/);
    if (message.includes('unknown')) {
      expect(text.stderr).toContain(`(Redis 127.0.0.1:${scene.redis.port}/1, key ${KEY})`);
    }
    expect([scene.key().length > 0 || value === '', scene.jobsLeft()]).toEqual([true, 10]);
  });

  test.each([
    ['m', ''],
    ['media-', ''],
    ['media-cleanup:', ''],
    ['media-cleanup:lock:', ''],
    ['media-cleanup:lock', 'media-'],
    ['shop:m', 'shop:'],
  ])('no prefix %j matches it, with the global prefix %j', async (keyPrefix, globalKeyPrefix) => {
    const scene = await lockScene();
    scene.config({
      media: {
        root: '../media',
        redis: scene.redis.url(1),
        keyPrefix,
        celery: { queues: ['queue'], globalKeyPrefix },
        directories: ['uploads'],
      },
    });
    const others = [`${globalKeyPrefix}media-cleanup:lock:other`, 'media-cleanup:lock:old'];
    for (const key of others) scene.cli('SET', key, elsewhere());
    const isJob = keyPrefix !== 'media-cleanup:lock:';
    const jobs = isJob ? 500 : 0;
    if (isJob) {
      scene.cli(
        'EVAL',
        `for i = 1, ${jobs} do redis.call('SET', KEYS[1] .. 'x' .. i, 'x') end`,
        '1',
        keyPrefix,
      );
    }
    const plan = reportOf(await scene.run(['media', '--dry-run', '--json']));
    expect(plan.services['media']?.jobs_removed).toBe(jobs);
    const run = scene.start([...WIPE, '--rate', '400']);
    const key = `${globalKeyPrefix}${KEY}`;
    if (isJob) await until('it has the lock', () => scene.key(key) !== '');
    const result = await run.result;
    const report = reportOf(result);
    expect([result.code, report.jobs_removed]).toEqual([0, jobs]);
    expect(report).toMatchObject({ errors: [], verified: true });
    expect(JSON.stringify(report.warnings)).not.toContain('media-cleanup:lock');
    expect(report.services['media']).toMatchObject({ warnings: [], remaining: { jobs: 0 } });
    expect(scene.redis.entries(1).map((entry) => entry.key)).toEqual(others.toSorted());
    const doctor = await scene.run(['doctor', 'media', '--json']);
    expect(JSON.stringify(JSON.parse(doctor.stdout))).not.toMatch(/EPREFIX|look like jobs/);
  });

  test('lost meanwhile: taken again when it is free', async () => {
    const scene = await lockScene();
    const run = await startHolder(scene, { jobs: 7000, rate: 500 });
    const value = scene.key();
    scene.cli('DEL', KEY);
    await until('it is taken again', () => scene.key() === value);
    const { code, stdout, stderr } = await run.result;
    expect(code).toBe(0);
    expect(reportOf({ stdout, stderr } as never).warnings).toEqual([]);
    expect(scene.key()).toBe('');
  }, 300_000);

  test('lost to another run: left to it, and told', async () => {
    const scene = await lockScene();
    const run = await startHolder(scene, { jobs: 7000, rate: 500 });
    scene.cli('SET', KEY, elsewhere(), 'PX', '60000');
    const result = await run.result;
    const report = reportOf(result);
    expect([result.code, report.status, report.jobs_removed]).toEqual([0, 'completed', 7000]);
    expect(report.warnings.join()).toContain('The lock of media was lost to another run');
    expect(scene.key()).toBe(
      elsewhere({ since: (JSON.parse(scene.key()) as { since: number }).since }),
    );
    expect(ttl(scene)).toBeGreaterThan(20_000);
  }, 300_000);

  test('without scripts a watched key does the same', async () => {
    const scene = await lockScene();
    asUser(scene, ['-@scripting', '~*', '&*']);
    const run = await startHolder(scene, { jobs: 8000, rate: 500 });
    const value = scene.key();
    scene.cli('PEXPIRE', KEY, '9000');
    await until('it is renewed', () => ttl(scene) > 20_000);
    expect(scene.key()).toBe(value);
    run.kill('SIGKILL');
    await run.result;
    const left = scene.jobsLeft();
    const next = await scene.run(WIPE);
    expect([next.code, reportOf(next).jobs_removed, reportOf(next).warnings]).toEqual([
      0,
      left,
      [],
    ]);
    expect(scene.key()).toBe('');
    scene.cli('SET', KEY, elsewhere(), 'PX', '60000');
    expect((await scene.run(WIPE)).code).toBe(75);
    const doctor = await scene.run(['doctor', 'media', '--json']);
    expect(doctor.stdout).not.toContain('would not be kept away');
  }, 300_000);

  test.each([
    ['may not be read by this user', ['~*', '-get'], 'SET'],
    ['is no text', ['~*'], 'LPUSH'],
  ])('one whose owner %s is locked all the same', async (_, rules, command) => {
    const scene = await lockScene();
    asUser(scene, rules);
    scene.jobs(10);
    scene.cli(command, KEY, 'of another host');
    const { code, stdout } = await scene.run(WIPE);
    expect([code, JSON.parse(stdout)]).toEqual([75, expect.objectContaining({ status: 'locked' })]);
    expect(scene.jobsLeft()).toBe(10);
  });

  test('without the permission for the key the wipe goes on, and the permission is named', async () => {
    const scene = await lockScene();
    asUser(scene, ['-@dangerous', 'resetkeys', '~job:*', '~celery-task-meta-*']);
    scene.jobs(100);
    const doctor = await scene.run(['doctor', 'media', '--json']);
    const { services } = JSON.parse(doctor.stdout) as {
      services: Record<string, { checks: { check: string; status: string; hint: string }[] }>;
    };
    const found = services['media']?.checks.find(({ check }) => check === 'lock');
    expect([doctor.code, found?.status]).toEqual([0, 'warning']);
    expect(found?.hint).toContain(
      `ACL SETUSER ${USER} +set +get +pexpire +eval ~media-cleanup:lock:*`,
    );
    const { code, stdout, stderr } = await scene.run([...WIPE, '--strict']);
    const report = reportOf({ stdout, stderr } as never);
    expect([code, report.jobs_removed, report.errors]).toEqual([0, 100, []]);
    expect(report.services['media']?.warnings).toEqual([
      expect.stringContaining(`ACL SETUSER ${USER} +set ~media-cleanup:lock:*`),
    ]);
    const [, grant = ''] = /ACL SETUSER \S+ (.*)/.exec(found?.hint ?? '') ?? [];
    scene.redis.cli('ACL', 'SETUSER', USER, ...grant.split(' '));
    scene.jobs(1000);
    const again = await scene.run(WIPE);
    expect([again.code, reportOf(again).services['media']?.warnings]).toEqual([0, []]);
  });

  test('a Redis that dies meanwhile: the run ends, the lock with it', async () => {
    const scene = await lockScene();
    scene.fill(5);
    const run = await startHolder(scene, { jobs: 10_000, rate: 500 });
    await scene.redis.stop();
    const result = await run.result;
    expect([result.code, reportOf(result).files_deleted]).toEqual([1, 5]);
    expect(reportOf(result).errors.join()).toContain('Redis/');
    expect(scene.locks()).toEqual([]);
  });

  test('over a slow link', async () => {
    const scene = await lockScene();
    const proxy = await startProxy(scene.redis.port, { delayMs: 150 });
    onTestFinished(async () => await proxy.stop());
    scene.config({ media: { root: '../media', redis: proxy.url(1), keyPrefix: 'job:' } });
    scene.jobs(100);
    const started = await scene.run([...WIPE, '--detach']);
    expect(started.code).toBe(0);
    await until('all is gone', () => scene.jobsLeft() === 0 && scene.key() === '');
    await until('it has ended', () => scene.locks().length === 0);
  });

  test('where the broker is another Redis, where there is none, and over a Unix socket', async () => {
    const scene = await lockScene({ socket: true });
    const broker = await startRedis(testFolder());
    onTestFinished(async () => await broker.stop());
    scene.cli('EVAL', "for i = 1, 1000 do redis.call('SET', 'job:' .. i, 'x') end", '0');
    broker.cli('RPUSH', 'queue', 'x');
    const celery = { queues: ['queue'], broker: broker.url() };
    const media = { root: '../media', redis: scene.redis.url(1), keyPrefix: 'job:', celery };
    scene.config({
      media,
      only: { root: '../media', celery: { ...celery, queues: ['another_queue'] } },
      files: { root: '../media', directories: ['uploads'] },
    });
    scene.fill(3);
    const run = scene.start([...WIPE, '--rate', '500']);
    await until('it has the lock', () => scene.key() !== '');
    expect((await scene.host('there').run(['media', '--dry-run'])).code).toBe(0);
    const result = await run.result;
    expect([result.code, reportOf(result).jobs_removed]).toEqual([0, 1000]);
    expect([scene.key(), broker.cli('DBSIZE')]).toEqual(['', '0']);
    broker.cli('SET', 'media-cleanup:lock:only', elsewhere(), 'PX', '60000');
    expect((await scene.run(['only', '--yes'])).code).toBe(75);
    const files = await scene.run(['files', '--yes', '--json']);
    expect([files.code, reportOf(files).files_deleted]).toEqual([0, 3]);
  });

  test('doctor tells who has it, and of one that is gone', async () => {
    const scene = await lockScene();
    const checks = async (): Promise<readonly Record<string, string>[]> => {
      const { stdout } = await scene.run(['doctor', 'media', '--json']);
      const { services } = JSON.parse(stdout) as {
        services: Record<string, { checks: Record<string, string>[] }>;
      };
      return services['media']?.checks.filter(({ check }) => check === 'lock') ?? [];
    };
    expect(await checks()).toEqual([]);
    const run = await startHolder(scene, { jobs: 20_000, rate: 500 });
    run.kill('SIGSTOP');
    const before = scene.redis.dump(1, (key) => key !== KEY);
    expect(await checks()).toMatchObject([
      { status: 'warning', message: expect.stringContaining(`by pid ${run.pid} on`) as string },
    ]);
    expect(scene.redis.dump(1, (key) => key !== KEY)).toBe(before);
    run.kill('SIGKILL');
    await run.result;
    expect(await checks()).toMatchObject([
      { status: 'ok', message: expect.stringContaining('the next run takes it over') as string },
    ]);
    scene.cli('SET', KEY, elsewhere(), 'PX', '60000');
    expect((await checks()).map(({ message }) => message).join()).toContain('pid 4711 on media-2');
    scene.cli('SET', KEY, 'garbage');
    expect((await checks()).map(({ message }) => message).join()).toContain('somebody unknown');
  });
});

describe.skipIf(!requireOrSkip('redis'))('the lock of a Redis of several servers', () => {
  const jobs = times(3000, (at): Command => ['SET', `job:${at}`, 'x']);

  test('a cluster', async () => {
    const folder = testFolder();
    const cluster = await startCluster(folder);
    onTestFinished(async () => await cluster.stop());
    await cluster.put(jobs);
    const redis = { cluster: cluster.nodes.slice(0, 2).map((node) => node.url()) };
    const config = writeConfig(folder, { media: { redis, keyPrefix: 'job:' } });
    await expectOneAtATime(folder, config, () => cluster.primaryOf(KEY), 0);
    expect(cluster.size()).toBe(0);
  }, 300_000);

  test('a server that sentinels watch', async () => {
    const folder = testFolder();
    const sentinels = await startSentinels(folder);
    onTestFinished(async () => await sentinels.stop());
    const primary = sentinels.primary();
    primary.cli(
      '-n',
      '3',
      'EVAL',
      "for i = 1, 3000 do redis.call('SET', 'job:' .. i, 'x') end",
      '0',
    );
    const redis = { sentinels: sentinels.urls(), name: sentinels.name, db: 3 };
    const config = writeConfig(folder, { media: { redis, keyPrefix: 'job:' } });
    await expectOneAtATime(folder, config, () => primary, 3);
    expect(primary.cli('-n', '3', 'DBSIZE')).toBe('0');
  }, 300_000);
});

/** One is killed, its lock is kept from nobody; the second keeps a third away, and lets go. */
async function expectOneAtATime(
  folder: string,
  config: string,
  server: () => TestRedis,
  db: number,
): Promise<void> {
  const key = (): string => server().cli('-n', String(db), 'GET', KEY);
  const first = startWipe(config, { folder }, '--rate', '300');
  await first.reaches('the lock is there', () => key() !== '');
  const value = key();
  const { pid } = JSON.parse(value) as { pid: number };
  const third = await startWipe(config, { folder }, '--state-dir', `${folder}/there`).result;
  expect([third.code, third.report.error?.message]).toEqual([
    75,
    expect.stringContaining(`pid ${pid} on`),
  ]);
  process.kill(pid, 'SIGKILL');
  await first.result.catch(() => undefined);
  expect(key()).toBe(value);
  const next = await startWipe(config, { folder }, '--state-dir', `${folder}/there`).result;
  expect([next.code, next.report.errors, next.report.warnings]).toEqual([0, [], []]);
  expect(key()).toBe('');
}
