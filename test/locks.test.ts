/** One at a time on one host: who comes second touches nothing and says who is at work. */
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { makeFiles } from './support/config-file.ts';
import type { Result } from './support/confine.ts';
import { mountAt } from './support/folder.ts';
import { KEY, lockScene, reportOf, startHolder } from './support/lock-scene.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startOnTerminal } from './support/terminal.ts';
import { until } from './support/until.ts';
import { countFiles, fileList, treeHash } from './support/witness.ts';

const WIPE = ['media', '--yes', '--json'];

describe.skipIf(!requireOrSkip('redis', 'root'))('runs on one host', () => {
  test('10 at once, three times: one wipes and counts all, nine touch nothing', async () => {
    const scene = await lockScene();
    for (let round = 1; round <= 3; round += 1) {
      scene.jobs(10_000);
      scene.fill(500);
      const results = await Promise.all(
        Array.from({ length: 10 }, async () => await scene.run(WIPE)),
      );
      const codes = results.map(({ code }) => code).toSorted((a, b) => (a ?? 0) - (b ?? 0));
      expect(codes, `round ${round}`).toEqual([0, ...Array.from({ length: 9 }, () => 75)]);
      const winner = results.find(({ code }) => code === 0);
      const report = winner && reportOf(winner);
      expect(report).toMatchObject({ jobs_removed: 10_000, files_deleted: 500, verified: true });
      expect([report?.errors, report?.warnings]).toEqual([[], []]);
      expect(scene.locks()).toEqual([]);
      expect(scene.cli('DBSIZE')).toBe('0');
    }
  }, 300_000);

  test('the second says who it is; of the first, killed in the wipe, the next takes over', async () => {
    const scene = await lockScene();
    scene.fill(20);
    const holder = await startHolder(scene, { jobs: 10_000, rate: 1000 });
    holder.kill('SIGSTOP');
    // It cannot renew it now, and a busy machine may need more than half a minute for all of this.
    scene.cli('PEXPIRE', KEY, '600000');
    const { cleanupId, since } = scene.lock();
    const state = (): readonly string[] => [
      treeHash(scene.media),
      scene.redis.dump(1, (key) => key !== KEY),
      scene.key(),
      JSON.stringify(scene.lock()),
    ];
    const before = state();
    const left = scene.jobsLeft();

    const json = await scene.run(WIPE);
    const report = reportOf(json);
    expect([json.code, report.status, report.error?.code]).toEqual([75, 'locked', 'locked']);
    const who = `media is being wiped by pid ${holder.pid} on ${hostname()} (user root), run ${String(cleanupId)}, since `;
    expect(report.error?.message).toContain(who);
    expect(report.error?.problems).toMatchObject([{ path: 'media' }]);
    const text = await scene.run(['all', '--yes']);
    expect([text.code, text.stdout]).toEqual([75, '']);
    const [date = ''] = new Date(Number(since)).toISOString().split('T');
    expect(text.stderr).toContain(`${who}${date}`);
    expect(text.stderr).toContain(
      `; wait for it with --lock-wait 10m, look with: media-cleanup status ${String(cleanupId)}\n`,
    );
    expect(state()).toEqual(before);

    const waited = await scene.run([...WIPE, '--lock-wait', '2s']);
    expect(waited.code).toBe(75);
    expect(waited.durationMs).toBeGreaterThan(2000);
    expect(waited.durationMs).toBeLessThan(20_000);
    expect(reportOf(waited).error?.message).toContain('; waited 2 s for it');

    const waiting = scene.start([...WIPE, '--lock-wait', '1m']);
    await until('it waits', () => waiting.stderr().includes('Waiting: media is being wiped by'));
    waiting.kill('SIGINT');
    expect((await waiting.result).code).toBe(130);
    expect(state()).toEqual(before);

    // Whoever only looks needs no lock.
    const look = await Promise.all(
      [
        ['media', '--dry-run', '--json'],
        ['stats', 'media', '--json'],
      ].map(async (args) => await scene.run(args)),
    );
    expect(look.map(({ code }) => code)).toEqual([0, 0]);
    expect(reportOf(look[0] as Result).services['media']?.jobs_removed).toBe(left);
    expect(state()).toEqual(before);

    holder.kill('SIGKILL');
    await holder.result;
    const next = await scene.run(WIPE);
    expect([next.code, reportOf(next).jobs_removed]).toEqual([0, left]);
    expect(countFiles(scene.media), 'files did not wait for Redis').toBe(0);
    expect(next.durationMs).toBeLessThan(30_000);
    expect([scene.key(), scene.locks()]).toEqual(['', []]);
  }, 300_000);

  test('who waits is told once, runs when the first has ended, and finds nothing', async () => {
    const scene = await lockScene();
    const holder = await startHolder(scene, { jobs: 3000, rate: 1000 });
    const waiter = await scene.run([...WIPE, '--lock-wait', '1m']);
    expect([waiter.code, reportOf(waiter).jobs_removed]).toEqual([0, 0]);
    expect(waiter.stderr.match(/Waiting: /g)).toHaveLength(1);
    const first = await holder.result;
    expect([first.code, reportOf(first).jobs_removed]).toEqual([0, 3000]);
    expect(scene.locks()).toEqual([]);
  }, 300_000);

  test('services of their own go in parallel, one in common is enough to be refused', async () => {
    const scene = await lockScene();
    const of = (directory: string): object => ({
      root: '../media',
      redis: scene.redis.url(1),
      keyPrefix: `${directory}:`,
      directories: [directory],
    });
    const media = { ...of('uploads'), keyPrefix: 'job:' };
    scene.config({ media, b: of('b'), c: of('c') });
    for (const name of ['b', 'c']) makeFiles(`${scene.media}/${name}`, 5);
    const holder = await startHolder(scene, { jobs: 10_000, rate: 500 });
    holder.kill('SIGSTOP');
    const refused = await scene.run(['b', 'media', '--yes', '--json']);
    expect(refused.code).toBe(75);
    expect(fileList(scene.media)).toHaveLength(10);
    const others = await Promise.all(
      ['b', 'c'].map(async (name) => await scene.run([name, '--yes', '--json'])),
    );
    expect(others.map(({ code, stderr }) => [code, stderr.match(/error/i)])).toEqual([
      [0, null],
      [0, null],
    ]);
    expect(fileList(scene.media)).toEqual([]);

    // The same directory under another name, in another config, by a link.
    symlinkSync(scene.media, `${scene.media}-link`);
    scene.config({ other: { root: '../media-link', directories: ['uploads', 'more'] } });
    const other = await scene.run(['other', '--yes', '--json']);
    expect([other.code, reportOf(other).error?.message]).toEqual([
      75,
      expect.stringContaining(`other is being wiped by pid ${holder.pid} `),
    ]);
    holder.kill('SIGKILL');
    await holder.result;
  }, 300_000);

  test('a directory is the same by a pattern, a link, a bind mount, or as what holds it', async () => {
    const scene = await lockScene();
    const { stack, media, redis } = scene;
    const here = (path: string): string => stack.path('here', path);
    for (const at of ['jobs/1/tmp', 'jobs/2/tmp', 'jobs/2/keep', 'apart']) {
      makeFiles(`${media}/${at}`, 3);
    }
    mkdirSync(here('view'));
    symlinkSync('media', here('link'));
    const redisOfA = { redis: redis.url(1), keyPrefix: 'job:' };
    scene.config({ media: { root: '../media', ...redisOfA, directories: ['jobs/*/tmp'] } });
    const holder = await startHolder(scene, { jobs: 10_000, rate: 500 });
    holder.kill('SIGSTOP');
    expect(scene.locks()).toHaveLength(1);
    makeFiles(`${media}/jobs/2/tmp`, 3);
    const before = treeHash(media);
    const mounts = [{ kind: 'bind', from: media, at: here('view') }] as const;
    for (const [root, directory] of [
      ['media', 'jobs/2/tmp'],
      ['media', 'jobs/2'],
      ['media', 'jobs/[2]/t*'],
      ['media', 'jobs/1/tmp/deeper'],
      ['media', 'jobs/*/tmp'],
      ['link', 'jobs/2/tmp'],
      ['view', 'jobs/2/tmp'],
      ['view/jobs', '?/tmp'],
    ] as const) {
      scene.config({ other: { root: `../${root}`, directories: [directory] } });
      const second = await scene.run(['other', '--yes', '--json'], { mounts });
      expect([second.code, reportOf(second).error?.message], `${root}/${directory}`).toEqual([
        75,
        expect.stringContaining(`other is being wiped by pid ${holder.pid} `),
      ]);
    }
    const doctor = await scene.run(['doctor', '--json'], { mounts });
    expect(doctor.stdout).toContain(`other is being wiped by pid ${holder.pid} `);
    expect(treeHash(media)).toBe(before);
    for (const directories of [['apart'], ['jobs/2/keep', 'jobs/3/*']]) {
      scene.config({ other: { root: '../view', directories } });
      const beside = await scene.run(['other', '--yes', '--json'], { mounts });
      expect([beside.code, reportOf(beside).files_deleted], beside.stderr).toEqual([0, 3]);
    }
    holder.kill('SIGKILL');
    await holder.result;
  }, 300_000);

  test('sets that overlap, named in any order, wait for each other without end', async () => {
    const scene = await lockScene();
    const names = ['a', 'b', 'c'];
    scene.config(
      Object.fromEntries(names.map((name) => [name, { root: '../media', directories: [name] }])),
    );
    for (const name of names) makeFiles(`${scene.media}/${name}`, 100);
    const sets = [
      ['a', 'b'],
      ['b', 'a'],
      ['c', 'b'],
      ['b', 'c'],
      ['c', 'a'],
      ['a', 'c'],
    ];
    const results = await Promise.all(
      sets.map(async (set) => await scene.run([...set, '--yes', '--json', '--lock-wait', '40s'])),
    );
    expect(results.map(({ code }) => code)).toEqual(sets.map(() => 0));
    const sum = results.reduce((total, one) => total + reportOf(one).files_deleted, 0);
    expect([sum, countFiles(scene.media)]).toEqual([300, 0]);
    expect(scene.locks()).toEqual([]);
  }, 300_000);

  test.each([
    ['success', {}, [], 0],
    ['a Redis that is not there', { redis: 'redis://127.0.0.1:1/0' }, [], 1],
    ['a guard', { directories: [{ path: 'uploads', mustBeMounted: true }] }, [], 3],
    ['--strict', { directories: ['missing'] }, ['--strict'], 3],
    ['a limit', {}, ['--max-jobs', '1'], 3],
    ['a config that is wrong', { keyPrefix: '' }, [], 2],
    ['nobody who could be asked', {}, 'no --yes', 2],
    ['--timeout', {}, ['--rate', '100', '--timeout', '3s'], undefined],
  ] as const)('the lock is released after %s', async (_, change, args, expected) => {
    const scene = await lockScene();
    scene.jobs(1000);
    scene.fill(3);
    scene.config({
      media: {
        root: '../media',
        redis: scene.redis.url(1),
        keyPrefix: 'job:',
        directories: ['uploads'],
        ...change,
      },
    });
    const { code, stderr } = await scene.run(
      args === 'no --yes' ? ['media', '--json'] : [...WIPE, ...args],
    );
    if (expected === undefined) expect([1, 124, 143], stderr).toContain(code);
    else expect(code, stderr).toBe(expected);
    expect([scene.locks(), scene.key()]).toEqual([[], '']);
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('and after %s', async (signal) => {
    const scene = await lockScene();
    const holder = await startHolder(scene, { jobs: 5000, rate: 500 });
    expect(scene.locks()).toHaveLength(1);
    expect(scene.key()).toContain(`"pid":${holder.pid}`);
    holder.kill(signal);
    expect((await holder.result).code).toBe({ SIGTERM: 143, SIGINT: 130, SIGHUP: 129 }[signal]);
    expect([scene.locks(), scene.key()]).toEqual([[], '']);
  });

  test('it is held while the question stands, and released when it is declined', async () => {
    const scene = await lockScene();
    scene.jobs(10);
    const { folder, path } = scene.stack;
    const asked = startOnTerminal(
      [...['media', '--config', path('here/etc/cleanup.config.json')]],
      { folder, env: { ...scene.env, TERM: 'xterm' } },
    );
    await asked.waitForScreen('to delete all of this on ');
    expect((await scene.run(WIPE)).code).toBe(75);
    asked.write('no\r');
    expect((await asked.result).code).toBe(4);
    expect([scene.locks(), scene.key(), scene.jobsLeft()]).toEqual([[], '', 10]);
  });

  test("--detach: the lock is the background process's until its end", async () => {
    const scene = await lockScene();
    scene.jobs(4000);
    const started = await scene.run([...WIPE, '--detach', '--rate', '500']);
    expect(started.code).toBe(0);
    const { cleanup_id: id } = JSON.parse(started.stdout) as { readonly cleanup_id: string };
    await until('it has the lock in Redis', () => scene.key() !== '');
    const { pid, cleanupId, token } = scene.lock() as Record<string, string>;
    expect(cleanupId).toBe(id);
    expect(JSON.parse(scene.key())).toMatchObject({ pid, cleanupId, token });
    const second = await scene.run(WIPE);
    expect([second.code, reportOf(second).error?.message]).toEqual([
      75,
      expect.stringContaining(`pid ${pid} on ${hostname()} (user root), run ${id}, since `),
    ]);
    process.kill(Number(pid), 0);
    await until('it has ended', () => scene.locks().length === 0, { within: 30_000 });
    expect([scene.key(), scene.jobsLeft()]).toEqual(['', 0]);
  });

  test('--detach with a question: no gap in which another host could come', async () => {
    const scene = await lockScene();
    scene.jobs(3000);
    const { folder, path } = scene.stack;
    const asked = startOnTerminal(
      [...['media', '--detach', '--rate', '500', '--config', path('here/etc/cleanup.config.json')]],
      { folder, env: { ...scene.env, TERM: 'xterm' } },
    );
    await asked.waitForScreen('to delete all of this on ');
    const first = JSON.parse(scene.key()) as Record<string, unknown>;
    asked.write('media\r');
    const values = new Set<string>();
    await until('jobs go', () => {
      values.add(scene.key());
      return scene.jobsLeft() < 3000;
    });
    expect((await asked.result).code).toBe(0);
    expect(values).not.toContain('');
    const now = JSON.parse(scene.key()) as Record<string, unknown>;
    expect([now['token'], now['pid'] === first['pid']]).toEqual([first['token'], false]);
    await until('it has ended', () => scene.locks().length === 0, { within: 30_000 });
    expect([scene.key(), scene.jobsLeft()]).toEqual(['', 0]);
  });
});

describe.skipIf(!requireOrSkip('redis', 'root', 'mount'))('where no lock can be', () => {
  test.each([
    ['a file in its place', (state: string) => writeFileSync(`${state}/locks`, '')],
    [
      'a directory that others may write to',
      (state: string) => {
        mkdirSync(`${state}/locks`);
        chmodSync(`${state}/locks`, 0o777);
      },
    ],
    [
      'a full disk',
      (state: string) => {
        mountAt(state, ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'none']);
        mkdirSync(`${state}/locks`, { mode: 0o700 });
        try {
          writeFileSync(`${state}/full`, Buffer.alloc(2 ** 20));
        } catch {
          // As it is to be.
        }
      },
    ],
    [
      'a read-only disk',
      (state: string) => {
        mountAt(state, ['-t', 'tmpfs', '-o', 'size=64k,ro', 'none']);
      },
    ],
  ])(
    '%s: the wipe goes on and says so, and Redis keeps others away',
    async (_, spoil) => {
      const scene = await lockScene();
      const { state } = scene;
      mkdirSync(state, { recursive: true, mode: 0o700 });
      spoil(state);
      const holder = await startHolder(scene, { jobs: 3000, rate: 500 });
      const second = await scene.host('there').run(WIPE);
      expect([second.code, reportOf(second).error?.message]).toEqual([
        75,
        expect.stringContaining(`pid ${holder.pid} on`),
      ]);
      const first = await holder.result;
      expect([first.code, reportOf(first).jobs_removed]).toEqual([0, 3000]);
      expect(reportOf(first).warnings.join()).toMatch(
        /Another run on this host would not be kept away: .*--state-dir/,
      );
      expect(first.stderr).not.toMatch(/^\s+at /m);
      expect(readdirSync(state).filter((name) => name.includes('new-'))).toEqual([]);
      expect(scene.key()).toBe('');
    },
    300_000,
  );
});
