/** What is kept of runs, and what `status` and `logs` make of it, while they go on and afterwards. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeFiles, wipeJson, writeConfig } from './support/config-file.ts';
import { confine, type Result } from './support/confine.ts';
import { mountAt, testFolder } from './support/folder.ts';
import { startRedis, type TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import {
  backgroundPids,
  endBackground,
  runIdsIn,
  stateOf,
  statusJson,
  type Detached,
  type RunStatus,
} from './support/runs.ts';
import { FIRST, SECOND, tracesInFiles } from './support/secret.ts';
import { CTRL_C, startOnTerminal } from './support/terminal.ts';
import { runTool, startTool, TOOL, toolEnvironment, type ToolOptions } from './support/tool.ts';
import { until } from './support/until.ts';
import { countFiles, fileList } from './support/witness.ts';

interface Scene {
  readonly folder: string;
  readonly config: string;
  path(...names: readonly string[]): string;
  run(args: readonly string[], options?: Partial<ToolOptions>): Promise<Result>;
  /** `all --yes --json`, and further arguments. */
  wipe(options?: Partial<ToolOptions>, ...args: readonly string[]): ReturnType<typeof wipeJson>;
}

function scene(service: object = {}): Scene {
  const folder = testFolder();
  endBackground(folder);
  const config = writeConfig(folder, {
    media: { root: '..', directories: ['uploads'], ...service },
  });
  makeFiles(join(folder, 'uploads'), 3);
  const cwd = join(folder, 'cwd');
  return {
    folder,
    config,
    path: (...names) => join(folder, ...names),
    run: async (args, options = {}) => await runTool(args, { folder, cwd, ...options }),
    wipe: async (options = {}, ...args) => await wipeJson(config, { folder, ...options }, ...args),
  };
}

async function jobsScene(count: number): Promise<Scene & { readonly redis: TestRedis }> {
  const folder = testFolder();
  const redis = await startRedis(folder);
  onTestFinished(async () => redis.stop());
  redis.cli('-n', '1', 'EVAL', `for i = 1, ${count} do redis.call('SET', 'job:' .. i, i) end`, '0');
  return { ...scene({ redis: redis.url(1), keyPrefix: 'job:' }), redis };
}

/** `all --yes --detach`. @returns the id. */
async function detach(at: Scene, ...args: readonly string[]): Promise<string> {
  const all = ['all', '--yes', '--detach', '--json', '--config', at.config, ...args];
  const { code, stdout, stderr } = await at.run(all);
  expect(code, stderr).toBe(0);
  return (JSON.parse(stdout) as Detached).cleanup_id;
}

/** A run that ended that many seconds after 1970, written by hand. */
function plant(at: Scene, second: number): string {
  const id = `cleanup_total_20200101_${String(second).padStart(6, '0')}`;
  const startedAt = new Date(Date.UTC(2020, 0, 1) + second * 1000).toISOString();
  mkdirSync(stateOf(at.folder, 'runs', id), { recursive: true, mode: 0o700 });
  const text = JSON.stringify({
    cleanupId: id,
    status: 'completed',
    targets: ['all'],
    kinds: ['files'],
    configFile: '/config',
    detached: false,
    user: 'ops',
    host: 'host',
    pid: 1,
    startedAt,
    finishedAt: startedAt,
    exitCode: 0,
    message: 'done',
    removed: { jobs: 0, tasks: 0, files: second, models: 0, bytes: 0 },
    errors: 0,
    process: { pid: 1, started: '1', realm: 'elsewhere', host: 'host' },
  });
  writeFileSync(stateOf(at.folder, 'runs', id, 'run.json'), text, { mode: 0o600 });
  return id;
}

describe('where it is kept', () => {
  test('--state-dir, else XDG_STATE_HOME', async () => {
    const at = scene();
    const env = { ...toolEnvironment(at.folder), XDG_STATE_HOME: at.path('xdg') };
    await at.wipe({ env });
    expect(readdirSync(at.path('xdg/media-cleanup/runs'))).toHaveLength(1);
    await at.wipe({ env }, '--state-dir', '../flag');
    expect(readdirSync(at.path('flag/runs'))).toHaveLength(1);
    expect(readdirSync(at.path('xdg/media-cleanup/runs'))).toHaveLength(1);
    const list = await at.run(['status', '--json', '--state-dir', '../flag'], { env });
    expect(JSON.parse(list.stdout)).toMatchObject({ runs: [{ status: 'completed' }] });
    const none = await at.run(['status', '--state-dir', '../none'], { env });
    expect([none.code, none.stdout]).toEqual([0, `No runs are kept in ${at.path('none')}.\n`]);
    expect(existsSync(at.path('none'))).toBe(false);
  });

  test('for its owner alone, whatever the umask', async () => {
    const at = scene();
    const script = 'umask 0; exec "$@"';
    const command = [process.execPath, TOOL, 'all', '--yes', '--config', at.config];
    const { code, stderr } = await confine(['/bin/bash', '-c', script, 'bash', ...command], {
      folder: at.folder,
      cwd: at.path('cwd'),
      env: toolEnvironment(at.folder),
    });
    expect(code, stderr).toBe(0);
    const kept = readdirSync(stateOf(at.folder), { recursive: true, withFileTypes: true });
    expect(kept.length).toBeGreaterThan(4);
    for (const entry of kept) {
      const path = join(entry.parentPath, entry.name);
      expect(`${path} ${(lstatSync(path).mode & 0o777).toString(8)}`).toBe(
        `${path} ${entry.isDirectory() ? '700' : '600'}`,
      );
    }
    expect(lstatSync(stateOf(at.folder)).mode & 0o777).toBe(0o700);
  });

  test.each([
    {
      title: 'a link',
      spoil: (at: Scene) => {
        mkdirSync(at.path('elsewhere'));
        mkdirSync(at.path('state'));
        symlinkSync(at.path('elsewhere'), at.path('state/runs'));
      },
    },
    {
      title: 'writable for everybody',
      spoil: (at: Scene) => {
        mkdirSync(at.path('state/runs'), { recursive: true });
        chmodSync(at.path('state/runs'), 0o777);
      },
    },
    {
      title: 'in a directory that is writable for everybody',
      spoil: (at: Scene) => {
        mkdirSync(at.path('state'));
        chmodSync(at.path('state'), 0o777);
      },
    },
    {
      title: "somebody else's",
      needs: 'root',
      spoil: (at: Scene) => {
        mkdirSync(at.path('state/runs'), { recursive: true });
        execFileSync('chown', ['12345', at.path('state/runs')]);
      },
    },
    {
      title: "in somebody else's directory",
      needs: 'root',
      spoil: (at: Scene) => {
        mkdirSync(at.path('state'));
        execFileSync('chown', ['12345', at.path('state')]);
      },
    },
  ])('$title: not used, told of, and wiped all the same', async ({ spoil, needs }) => {
    if (needs === 'root' && !requireOrSkip('root')) return;
    const at = scene();
    spoil(at);
    const { code, report, stderr } = await at.wipe({}, '--state-dir', at.path('state'));
    expect(code, stderr).toBe(0);
    expect(report).toMatchObject({ status: 'completed', files_deleted: 3 });
    expect(report.warnings).toEqual([
      expect.stringContaining('It belongs to another user, or others may write to it'),
    ]);
    expect(report.warnings[0]).toContain('--state-dir');
    for (const name of ['elsewhere', 'state/runs']) {
      if (existsSync(at.path(name))) expect(readdirSync(at.path(name))).toEqual([]);
    }
  });

  test.skipIf(!requireOrSkip('root', 'mount'))(
    'on the full disk that the wipe makes room on: kept in the end, or told of',
    async () => {
      const at = scene();
      mountAt(at.path('disk'), ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=400', 'none']);
      mkdirSync(at.path('disk/uploads'));
      writeConfig(at.folder, { media: { root: '../disk', directories: ['uploads'] } });
      const fill = 'head -c 2M /dev/zero > fill || true';
      execFileSync('bash', ['-c', fill], { cwd: at.path('disk/uploads'), stdio: 'pipe' });
      const { code, report } = await at.wipe({}, '--state-dir', at.path('disk/state'));
      expect(code).toBe(0);
      expect(report).toMatchObject({ files_deleted: 1, verified: true });
      const told = report.warnings.join('\n');
      const status = await at.run(['status', '--json', '--state-dir', at.path('disk/state')]);
      const { runs } = JSON.parse(status.stdout) as { runs: readonly RunStatus[] };
      if (told.includes('not kept')) expect(told).toContain('No space left on device');
      else expect(runs).toMatchObject([{ status: 'completed', files_deleted: 1, exit_code: 0 }]);
      // Nothing half written is left of the lock that could not be made.
      expect(readdirSync(at.path('disk/state/locks'))).toEqual([]);
    },
  );
});

describe('how much is kept', () => {
  test('the last 50, and nothing else is removed', async () => {
    const at = scene();
    const planted = Array.from({ length: 52 }, (_, second) => plant(at, second));
    const elsewhere = at.path('elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'run.json'), '{}');
    symlinkSync(elsewhere, stateOf(at.folder, 'runs/cleanup_total_19990101_000000'));
    writeFileSync(stateOf(at.folder, 'runs/README'), 'stays');
    mkdirSync(stateOf(at.folder, 'runs/mine'));
    expect((await at.wipe()).code).toBe(0);
    const left = runIdsIn(at.folder);
    expect(left).toContain('README');
    expect(left).toContain('mine');
    expect(left).toContain('cleanup_total_19990101_000000');
    expect(existsSync(join(elsewhere, 'run.json'))).toBe(true);
    expect(left.filter((name) => planted.includes(name))).toEqual(planted.slice(3));
    const { stdout } = await at.run(['status', '--json']);
    const { runs } = JSON.parse(stdout) as { runs: readonly RunStatus[] };
    expect(runs).toHaveLength(50);
    expect(runs.slice(1).map((run) => run.cleanup_id)).toEqual(planted.slice(3).toReversed());
  });
});

describe('which runs are kept', () => {
  test('finished, refused and interrupted ones; not those with an error in the config or of a lock', async () => {
    const at = scene();
    await at.wipe();
    makeFiles(at.path('uploads'), 5);
    await at.wipe({}, '--max-files', '4', '--lock-wait', '10s');
    await at.wipe({}, '--dry-run');
    await at.run(['all', '--config', at.config]);
    await at.run(['nobody', '--yes', '--config', at.config]);
    const { stdout } = await at.run(['status', '--json']);
    const document = JSON.parse(stdout) as { runs: readonly RunStatus[] };
    expect(document).toMatchObject({ version: 1 });
    expect(document.runs.map(({ status, exit_code }) => [status, exit_code])).toEqual([
      ['refused', 3],
      ['completed', 0],
    ]);
    expect(document.runs[1]).toMatchObject({
      cleanup_id: expect.stringMatching(/^cleanup_total_\d{8}_\d{6}$/) as string,
      targets: ['all'],
      kinds: ['jobs', 'queue', 'files', 'models'],
      config: at.config,
      detached: false,
      process: 'gone',
      files_deleted: 3,
      errors: 0,
      progress: null,
    });
    const text = (await at.run(['status'])).stdout.split('\n');
    expect(text[0]).toMatch(/^Run +State +Took +Jobs +Files +MB freed +Exit$/);
    expect(text[2]).toMatch(/refused +\S+ +0 +0 +0\.00 +3$/);
    expect(text[3]).toMatch(/completed +\S+ +0 +3 +0\.01 +0$/);
  });

  test('status of one is its report, as it was printed', async () => {
    const at = scene();
    const { report, code } = await at.wipe();
    expect(code).toBe(0);
    const [id = ''] = runIdsIn(at.folder);
    const { run } = await statusJson(id, at);
    expect(run.report).toEqual(report);
    const text = await at.run(['status', id]);
    expect(text.stdout).toContain(`${id}  completed\n`);
    expect(text.stdout).toMatch(/^media +- +- +3 +- +0\.01 +0 +yes$/m);
    expect(text.stdout.match(/TOTAL WIPE COMPLETED/g)).toHaveLength(1);
    expect(text.stdout).not.toContain('\\x');
    const waited = await at.run(['status', '--wait']);
    expect([waited.code, waited.stdout]).toEqual([0, text.stdout]);
  });
});

describe('what cannot be told', () => {
  test.each([
    ['cleanup_total_20200101_000000', 'No run "cleanup_total_20200101_000000" is kept in'],
    ['../../etc', 'No run "../../etc" is kept in'],
    ['', 'No run "" is kept in'],
  ])('%j: 2', async (id, text) => {
    const at = scene();
    for (const command of [
      ['status', id],
      ['status', '--wait', id],
      ['logs', id],
    ]) {
      const { code, stderr, stdout } = await at.run(command);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain(text);
      expect(stderr).toContain('there are none');
    }
  });

  test('logs and status --wait without any run: 2', async () => {
    const at = scene();
    for (const command of [['status', '--wait'], ['logs']]) {
      const { code, stderr } = await at.run(command);
      expect(code).toBe(2);
      expect(stderr).toContain('No run is kept in');
    }
  });

  test('a run whose file is spoilt', async () => {
    const at = scene();
    await at.wipe();
    const [good = ''] = runIdsIn(at.folder);
    const [empty, spoilt] = [plant(at, 1), plant(at, 2)];
    rmSync(stateOf(at.folder, 'runs', empty, 'run.json'));
    writeFileSync(stateOf(at.folder, 'runs', spoilt, 'run.json'), '{"process":{},"startedAt":"x"}');
    const list = await at.run(['status', '--json']);
    expect(list.code, list.stderr).toBe(0);
    expect(JSON.parse(list.stdout)).toMatchObject({ runs: [{ cleanup_id: good }] });
    for (const id of [empty, spoilt]) {
      for (const command of ['status', 'logs']) {
        const { code, stderr } = await at.run([command, id]);
        expect(code, stderr).toBe(2);
        expect(stderr).toContain('its run.json is missing or spoilt');
      }
    }
    for (const name of ['report.json', 'log.jsonl']) {
      writeFileSync(stateOf(at.folder, 'runs', good, name), '{"half": ');
    }
    const text = await at.run(['status', good]);
    expect([text.code, text.stderr]).toEqual([0, '']);
    expect(text.stdout).toContain('TOTAL WIPE COMPLETED');
    expect((await at.run(['logs', good])).code).toBe(0);
    for (const document of ['{}', 'null', '[]', '{"services": 7}']) {
      writeFileSync(stateOf(at.folder, 'runs', good, 'report.json'), document);
      const { code, stderr } = await at.run(['status', good]);
      expect([code, stderr], document).toEqual([0, '']);
    }
  });

  test.skipIf(!requireOrSkip('root'))('to other users', async () => {
    const at = scene();
    await at.wipe({}, '--state-dir', at.path('state'));
    chmodSync(at.path('state'), 0o755);
    const user = { uid: 12345, gid: 12345 };
    for (const command of [['status'], ['status', '--wait'], ['logs']]) {
      const { code, stderr } = await at.run([...command, '--state-dir', at.path('state')], {
        user,
      });
      expect(code).toBe(2);
      expect(stderr).toContain('Permission denied. They are their owner');
    }
  });
});

describe.skipIf(!requireOrSkip('redis'))('while a run goes on', () => {
  test('status tells how far it is, and in the end what the report says', async () => {
    const at = await jobsScene(6000);
    const id = await detach(at, '--rate', '800');
    const seen: RunStatus[] = [];
    for (;;) {
      const { run } = await statusJson(id, at);
      seen.push(run);
      if (run.status !== 'processing') break;
      await sleep(100);
    }
    const counts = seen.map((run) => run.jobs_removed);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(new Set(counts).size).toBeGreaterThan(3);
    const during = seen.filter(({ progress }) => progress !== null);
    expect(during.map(({ progress }) => progress?.service)).toContain('media');
    expect(during.map(({ progress }) => progress?.step)).toContain('jobs');
    expect(during.every((run) => run.process === 'running' && run.exit_code === null)).toBe(true);
    expect(seen.at(-1)).toMatchObject({
      status: 'completed',
      jobs_removed: 6000,
      files_deleted: 3,
      progress: null,
      report: { jobs_removed: 6000, files_deleted: 3 },
    });
  });

  test.skipIf(!requireOrSkip('root', 'mount'))(
    'counts of files grow and end as the report says',
    async () => {
      const at = scene();
      for (const name of ['one', 'two']) {
        mountAt(at.path(name), ['-t', 'tmpfs', '-o', 'nr_inodes=100k', 'none']);
        const script = 'for d in $(seq 40); do mkdir $d; (cd $d; seq 1000 | xargs touch); done';
        execFileSync('bash', ['-c', script], { cwd: at.path(name) });
      }
      writeConfig(at.folder, {
        media: { root: '..', directories: ['one', 'two'] },
      });
      const id = await detach(at, '--concurrency', '1');
      const file = (name: string): string => stateOf(at.folder, 'runs', id, name);
      const counts: number[] = [];
      // The file itself: a process for each look would miss what lasts a second.
      await until(
        'the end',
        () => {
          const text = existsSync(file('progress.json'))
            ? readFileSync(file('progress.json'), 'utf8')
            : '';
          if (text !== '')
            counts.push((JSON.parse(text) as { removed: { files: number } }).removed.files);
          return existsSync(file('report.json'));
        },
        { within: 50_000, every: 3 },
      );
      const { run } = await statusJson(id, at, '--wait');
      expect(run.files_deleted).toBe(80_000);
      expect(counts).toEqual(counts.toSorted((a, b) => a - b));
      expect(Math.max(...counts)).toBeGreaterThan(0);
      expect(Math.max(...counts)).toBeLessThanOrEqual(80_000);
    },
  );

  test('logs --follow prints everything once and ends with the run', async () => {
    const at = await jobsScene(2500);
    const id = await detach(at, '--rate', '500');
    const [followed, asJson] = await Promise.all([
      at.run(['logs', id, '--follow']),
      at.run(['logs', id, '--follow', '--json']),
    ]);
    expect([followed.code, followed.stderr]).toEqual([0, '']);
    const after = await at.run(['logs', id]);
    expect(followed.stdout).toBe(after.stdout);
    expect(followed.stdout).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - WARNING - 🔥 TOTAL WIPE STARTED/,
    );
    expect(followed.stdout.match(/TOTAL WIPE COMPLETED/g)).toHaveLength(1);
    const lines = asJson.stdout.trimEnd().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const { time, level, message } of entries) {
      expect([typeof time, typeof level, typeof message]).toEqual(['string', 'string', 'string']);
    }
    expect(lines).toHaveLength(after.stdout.trimEnd().split('\n').length);
  });

  test('logs | head ends at once, and without a word', async () => {
    const at = await jobsScene(6000);
    const id = await detach(at, '--rate', '300');
    await until('its log', () => existsSync(stateOf(at.folder, 'runs', id, 'log.jsonl')));
    const log = stateOf(at.folder, 'runs', id, 'log.jsonl');
    const line = JSON.stringify({
      time: new Date(),
      level: 'INFO',
      step: 'x',
      message: 'x'.repeat(90),
    });
    writeFileSync(log, `${line}\n`.repeat(20_000), { flag: 'a' });
    for (const args of [
      ['logs', id],
      ['logs', id, '--follow'],
    ]) {
      const command = [process.execPath, TOOL, ...args];
      const { code, stdout, stderr, durationMs } = await confine(
        ['/bin/bash', '-c', 'set -o pipefail; "$@" | head -1', 'bash', ...command],
        { folder: at.folder, env: toolEnvironment(at.folder) },
      );
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout.split('\n')).toHaveLength(2);
      expect(durationMs).toBeLessThan(8000);
    }
    const [pid = 0] = backgroundPids(at.folder);
    expect(pid).toBeGreaterThan(0);
    process.kill(pid, 'SIGTERM');
    expect((await statusJson(id, at, '--wait')).code).toBe(143);
  });

  test('Ctrl-C in status --wait: 130, and the run goes on', async () => {
    const at = await jobsScene(3000);
    const id = await detach(at, '--rate', '500');
    const options = { folder: at.folder, env: toolEnvironment(at.folder) };
    const terminal = startOnTerminal(['status', id, '--wait'], options);
    await terminal.waitForScreen('jobs');
    terminal.write(CTRL_C);
    expect((await terminal.result).code).toBe(130);
    const follow = startTool(['logs', id, '--follow'], options);
    await until('its lines', () => follow.stdout().includes('STARTED'));
    follow.kill('SIGINT');
    expect((await follow.result).code).toBe(130);
    expect(backgroundPids(at.folder)).toHaveLength(1);
    const { code, run } = await statusJson(id, at, '--wait');
    expect([code, run.status, run.jobs_removed]).toEqual([0, 'completed', 3000]);
  });

  test('a run in the foreground is told of as well', async () => {
    const at = await jobsScene(3000);
    const run = startTool(['all', '--yes', '--rate', '800', '--config', at.config], {
      folder: at.folder,
      cwd: at.path('cwd'),
    });
    run.endInput();
    await until('it begins', () => runIdsIn(at.folder).length === 1);
    const [id = ''] = runIdsIn(at.folder);
    await until('its log', () => existsSync(stateOf(at.folder, 'runs', id, 'log.jsonl')));
    const status = await statusJson(id, at);
    expect(status.run).toMatchObject({ status: 'processing', detached: false, pid: run.pid });
    const waited = await statusJson(id, at, '--wait');
    expect([waited.code, waited.run.status]).toEqual([0, 'completed']);
    expect((await run.result).code).toBe(0);
  });
});

describe.skipIf(!requireOrSkip('redis'))('passwords', () => {
  test.each([
    { title: 'that are right', wrong: false },
    { title: 'that are wrong, in what is told of that', wrong: true },
  ])('$title: none in any file', async ({ wrong }) => {
    const password = FIRST + SECOND;
    const folder = testFolder();
    endBackground(folder);
    const redis = await startRedis(folder, { password: wrong ? 'another' : password });
    onTestFinished(async () => redis.stop());
    const at = scene();
    const url = `redis://:${password}@127.0.0.1:${redis.port}/1`;
    writeConfig(at.folder, {
      media: { redis: '${MEDIA_REDIS}', keyPrefix: 'job:', root: '..', directories: ['uploads'] },
    });
    const env = { ...toolEnvironment(at.folder), MEDIA_REDIS: url };
    const code = wrong ? 1 : 0;
    expect((await at.wipe({ env }, '--verbose')).code).toBe(code);
    const args = [
      'all',
      '--yes',
      '--detach',
      '--json',
      '--lock-wait',
      '10s',
      '--config',
      at.config,
    ];
    const started = await at.run(args, { env });
    const { cleanup_id: id } = JSON.parse(started.stdout) as Detached;
    expect((await statusJson(id, at, '--wait')).code).toBe(code);
    expect((await at.wipe({ env }, '--strict', '--lock-wait', '10s')).code).toBe(wrong ? 3 : 0);
    expect(runIdsIn(at.folder)).toHaveLength(3);
    expect(tracesInFiles(stateOf(at.folder), () => false)).toEqual([]);
    expect(statSync(stateOf(at.folder, 'runs', id, 'report.json')).size).toBeGreaterThan(0);
    expect(countFiles(at.path('uploads'))).toBe(0);
    expect(fileList(at.path('uploads'))).toEqual([]);
  });
});
