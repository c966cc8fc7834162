/** `--detach`: checks and asks in the foreground, wipes in the background, and tells of it later. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeFiles, writeConfig } from './support/config-file.ts';
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
} from './support/runs.ts';
import { startOnTerminal } from './support/terminal.ts';
import { mutantTool, runTool, TOOL, toolEnvironment, type ToolOptions } from './support/tool.ts';
import { until } from './support/until.ts';
import { countFiles, fileList } from './support/witness.ts';

const ID = /^cleanup_total_\d{8}_\d{6}$/;

interface Scene {
  readonly folder: string;
  readonly config: string;
  path(...names: readonly string[]): string;
  run(args: readonly string[], options?: Partial<ToolOptions>): Promise<Result>;
  /** `all --yes --detach --json`. @returns what it printed. */
  detach(args?: readonly string[], options?: Partial<ToolOptions>): Promise<Detached>;
  wait(id: string): ReturnType<typeof statusJson>;
}

function scene(services: Readonly<Record<string, object>>): Scene {
  const folder = testFolder();
  endBackground(folder);
  const config = writeConfig(folder, services);
  const cwd = join(folder, 'cwd');
  const run = async (args: readonly string[], options: Partial<ToolOptions> = {}) =>
    await runTool(args, { folder, cwd, ...options });
  return {
    folder,
    config,
    path: (...names) => join(folder, ...names),
    run,
    detach: async (args = [], options = {}) => {
      const all = ['all', '--yes', '--detach', '--json', '--config', config, ...args];
      const { code, stdout, stderr } = await run(all, options);
      expect([code, stderr]).toEqual([0, '']);
      return JSON.parse(stdout) as Detached;
    },
    wait: async (id) => await statusJson(id, { folder, cwd }, '--wait'),
  };
}

const MEDIA = { media: { root: '..', directories: ['uploads'] } };

function filesScene(count = 3): Scene {
  const at = scene(MEDIA);
  makeFiles(at.path('uploads'), count);
  return at;
}

/** Jobs that go slowly: `--rate 300` takes seconds for some thousands. */
async function jobsScene(count: number): Promise<Scene & { readonly redis: TestRedis }> {
  const at = scene({});
  const redis = await startRedis(at.folder);
  onTestFinished(async () => redis.stop());
  redis.cli('-n', '1', 'EVAL', `for i = 1, ${count} do redis.call('SET', 'job:' .. i, i) end`, '0');
  writeConfig(at.folder, {
    media: { redis: redis.url(1), keyPrefix: 'job:', root: '..', directories: ['uploads'] },
  });
  makeFiles(at.path('uploads'), 3);
  return { ...at, redis };
}

/** A port that accepts and never answers. */
async function deafPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

describe('what it prints', () => {
  test('text', async () => {
    const at = filesScene();
    const { code, stdout, stderr } = await at.run([
      'all',
      '--yes',
      '--detach',
      '--config',
      at.config,
    ]);
    const [id = ''] = runIdsIn(at.folder);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('internal')]);
    expect(stdout).toBe(
      [
        '🔥 TOTAL WIPE STARTED in the background',
        `  cleanup_id  ${id}`,
        '  status      processing',
        '  warning     EVERYTHING of media is being removed. There is no way back.',
        `  note        How far it is: media-cleanup status ${id} (--wait: until it has ended); its log: media-cleanup logs ${id} --follow`,
        '',
      ].join('\n'),
    );
    expect((await at.wait(id)).code).toBe(0);
    expect(fileList(at.path('uploads'))).toEqual([]);
  });

  test('JSON: these fields and no others', async () => {
    const at = filesScene();
    const started = await at.detach();
    expect(started).toEqual({
      version: 1,
      message: '🔥 TOTAL WIPE STARTED in the background',
      cleanup_id: expect.stringMatching(ID) as string,
      status: 'processing',
      warning: 'EVERYTHING of media is being removed. There is no way back.',
      note: expect.stringContaining(`media-cleanup status ${started.cleanup_id}`) as string,
    });
    await at.wait(started.cleanup_id);
  });

  test('of a part', async () => {
    const at = filesScene();
    const { message, cleanup_id: id, ...rest } = await at.detach(['--only', 'files']);
    expect(message).toBe('🔥 WIPE STARTED in the background');
    expect(rest).toMatchObject({
      warning: expect.stringMatching(/^files of media is being/) as string,
    });
    await at.wait(id);
  });
});

describe('the run', () => {
  test('ends, and status has its report', async () => {
    const at = filesScene(2000);
    const { cleanup_id: id } = await at.detach();
    const { code, run } = await at.wait(id);
    expect(code).toBe(0);
    expect(run).toMatchObject({
      status: 'completed',
      exit_code: 0,
      files_deleted: 2000,
      process: 'gone',
    });
    expect(run.report).toMatchObject({
      cleanup_id: id,
      status: 'completed',
      files_deleted: 2000,
      verified: true,
      dry_run: false,
      services: { media: { files_deleted: 2000, errors: [] } },
    });
    expect(run.report).toEqual(
      JSON.parse(readFileSync(stateOf(at.folder, 'runs', id, 'report.json'), 'utf8')),
    );
    expect((await statusJson(id, at)).run).toEqual(run);
    // Of its own output there is nothing to say.
    expect(readFileSync(stateOf(at.folder, 'runs', id, 'output'), 'utf8')).toBe('');
    const logs = await at.run(['logs', id]);
    expect(logs.stdout).toMatch(/TOTAL WIPE STARTED[^]*files deleted[^]*TOTAL WIPE COMPLETED/);
    const text = await at.run(['status', id]);
    expect(text.stdout).toContain('in the background');
    expect(text.stdout).toContain('TOTAL WIPE COMPLETED: 0 jobs + 2000 files');
  });

  test('is never mistaken for dead, however short it is', async () => {
    const at = filesScene(0);
    for (let round = 0; round < 10; round += 1) {
      const { cleanup_id: id } = await at.detach(['--lock-wait', '20s']);
      const { code, run } = await at.wait(id);
      expect([code, run.status], `round ${round}`).toEqual([0, 'completed']);
    }
  });

  test.skipIf(!requireOrSkip('chattr'))(
    'exits with 1 in status --wait when something is left',
    async () => {
      const at = filesScene();
      execFileSync('chattr', ['+i', at.path('uploads/file-1.mp3')]);
      const { cleanup_id: id } = await at.detach();
      const { code, run } = await at.wait(id);
      expect([code, run.exit_code, run.status]).toEqual([1, 1, 'completed_with_errors']);
      expect(run.report).toMatchObject({ errors: [expect.stringContaining('Uploads/file-1.mp3')] });
      expect(fileList(at.path('uploads'))).toEqual(['file-1.mp3']);
      const text = await at.run(['status', id]);
      expect(text.code).toBe(0);
      expect(text.stdout).toContain('with errors');
    },
  );

  test('exits with 3 when it is refused in the background', async () => {
    const at = filesScene(5);
    const { cleanup_id: id } = await at.detach(['--max-files', '4']);
    const { code, run } = await at.wait(id);
    expect([code, run.exit_code, run.status]).toEqual([3, 3, 'refused']);
    expect(run.message).toContain(
      '5 files would be removed, more than the 4 allowed by --max-files',
    );
    expect(run.report).toBeNull();
    expect(fileList(at.path('uploads'))).toHaveLength(5);
  });

  test('exits with 3 with --strict and a Redis that is down', async () => {
    const at = scene({
      media: {
        redis: 'redis://127.0.0.1:1/0',
        keyPrefix: 'job:',
        root: '..',
        directories: ['uploads'],
      },
    });
    makeFiles(at.path('uploads'), 2);
    const { cleanup_id: id } = await at.detach(['--strict']);
    const { code, run } = await at.wait(id);
    expect([code, run.status]).toEqual([3, 'refused']);
    expect(fileList(at.path('uploads'))).toHaveLength(2);
  });

  test('keeps to its own flags: --report-file, --log-file and --state-dir are relative', async () => {
    const at = filesScene();
    const config = '../config/cleanup.config.json';
    const args = [
      'all',
      '--yes',
      '--detach',
      '--json',
      '--config',
      config,
      '--state-dir',
      '../own',
    ];
    const outputs = ['--report-file', 'report.json', '--log-file', 'wipe.log'];
    const { code, stdout } = await at.run([...args, ...outputs]);
    expect(code).toBe(0);
    const { cleanup_id: id } = JSON.parse(stdout) as Detached;
    const waited = await at.run(['status', id, '--wait', '--json', '--state-dir', '../own']);
    expect(waited.code).toBe(0);
    expect(existsSync(at.path('own/runs', id, 'report.json'))).toBe(true);
    expect(JSON.parse(readFileSync(at.path('cwd/report.json'), 'utf8'))).toMatchObject({
      cleanup_id: id,
      files_deleted: 3,
    });
    expect(readFileSync(at.path('cwd/wipe.log'), 'utf8')).toContain('TOTAL WIPE COMPLETED');
    expect(runIdsIn(at.folder)).toEqual([]);
  });

  test('works from /', async () => {
    const at = filesScene();
    const { cleanup_id: id } = await at.detach([], { cwd: '/' });
    expect((await at.wait(id)).code).toBe(0);
    expect(fileList(at.path('uploads'))).toEqual([]);
  });

  test.skipIf(!requireOrSkip('root'))('works for a user without privileges', async () => {
    const at = filesScene();
    const user = { uid: 12345, gid: 12345 };
    execFileSync('chown', ['-R', '12345:12345', at.path('uploads')]);
    const { cleanup_id: id } = await at.detach([], { user });
    const { code, run } = await statusJson(
      id,
      { folder: at.folder, cwd: at.path('cwd'), user },
      '--wait',
    );
    expect([code, run.status]).toEqual([0, 'completed']);
    expect(fileList(at.path('uploads'))).toEqual([]);
  });

  test('ids differ although all start at once', async () => {
    const names = ['one', 'two', 'three', 'four'];
    const at = scene(
      Object.fromEntries(names.map((name) => [name, { root: '..', directories: [name] }])),
    );
    for (const name of names) makeFiles(at.path(name), 2);
    const started = await Promise.all(
      names.map(async (name) =>
        at.run([name, '--yes', '--detach', '--json', '--config', at.config]),
      ),
    );
    expect(started.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    const ids = started.map(({ stdout }) => (JSON.parse(stdout) as Detached).cleanup_id);
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) {
      expect(id).toMatch(ID);
      expect((await at.wait(id)).code).toBe(0);
    }
    for (const name of names) expect(fileList(at.path(name))).toEqual([]);
  });
});

describe('before anything starts', () => {
  /** Nothing was begun and nothing removed. */
  function untouched(at: Scene, count: number): void {
    expect(backgroundPids(at.folder)).toEqual([]);
    expect(countFiles(at.path('uploads'))).toBe(count);
  }

  test('a guard refuses', async () => {
    const at = scene({ media: { root: '..', directories: ['uploads', 'config'] } });
    makeFiles(at.path('uploads'), 3);
    const { code, stderr } = await at.run(['all', '--yes', '--detach', '--config', at.config]);
    expect(code, stderr).toBe(3);
    untouched(at, 3);
    expect(runIdsIn(at.folder)).toEqual([]);
  });

  test('a config error', async () => {
    const at = scene({ media: { root: '..', directorys: ['uploads'] } });
    makeFiles(at.path('uploads'), 3);
    const { code, stdout } = await at.run([
      'all',
      '--yes',
      '--detach',
      '--json',
      '--config',
      at.config,
    ]);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'config' } });
    untouched(at, 3);
    expect(runIdsIn(at.folder)).toEqual([]);
  });

  test.each([
    { title: 'without terminal and --yes', args: ['--detach'], text: 'pass --yes' },
    {
      title: 'with --dry-run',
      args: ['--detach', '--dry-run', '--yes'],
      text: 'exclude each other',
    },
    {
      title: '--background by hand',
      args: ['--background', '--yes'],
      text: '--background is for --detach',
    },
    {
      title: '--background by hand with words',
      args: ['--background', '--yes'],
      stdin: 'all\n',
      text: '--background is for --detach',
    },
    {
      title: '--background by hand with a made up place',
      args: ['--background', '--yes'],
      stdin: JSON.stringify({ cleanupId: '../../elsewhere', token: 'x' }),
      text: '--background is for --detach',
    },
    {
      title: '--background by hand with a made up token',
      args: ['--background', '--yes'],
      stdin: JSON.stringify({ cleanupId: 'cleanup_total_20260101_000000', token: '../x' }),
      text: '--background is for --detach',
    },
  ])('$title: 2', async ({ args, text, stdin }) => {
    const at = filesScene();
    const input = stdin === undefined ? {} : { stdin };
    const { code, stderr } = await at.run(['all', '--config', at.config, ...args], input);
    expect(code).toBe(2);
    expect(stderr).toContain(text);
    untouched(at, 3);
    expect(runIdsIn(at.folder)).toEqual([]);
  });

  test('--background by hand on a terminal: 2', async () => {
    const at = filesScene();
    const terminal = startOnTerminal(['all', '--config', at.config, '--background', '--yes'], {
      folder: at.folder,
      env: toolEnvironment(at.folder),
    });
    expect((await terminal.result).code).toBe(2);
    untouched(at, 3);
  });
});

describe.skipIf(!requireOrSkip('redis'))('with Redis', () => {
  test('another run holds the lock: 75, and it is named', async () => {
    const at = await jobsScene(3000);
    const { cleanup_id: id } = await at.detach(['--rate', '300']);
    const second = await at.run(['all', '--yes', '--detach', '--json', '--config', at.config]);
    expect(second.code).toBe(75);
    expect(JSON.parse(second.stdout)).toMatchObject({
      status: 'locked',
      error: { code: 'locked' },
    });
    expect(second.stderr).toContain(`run ${id}`);
    const [pid = 0] = backgroundPids(at.folder);
    expect(second.stderr).toContain(`pid ${pid} `);
    process.kill(pid, 'SIGTERM');
    await at.wait(id);
    expect(runIdsIn(at.folder)).toEqual([id]);
  });

  test('a run on another host holds the lock in Redis: told in the background, 75', async () => {
    const at = await jobsScene(10);
    const holder = { token: 'other', pid: 7, started: '1', realm: 'elsewhere', host: 'other-host' };
    const since = Date.now();
    const value = JSON.stringify({ ...holder, since, user: 'ops', service: 'media' });
    at.redis.cli('-n', '1', 'SET', 'media-cleanup:lock:media', value, 'PX', '60000');
    const { cleanup_id: id } = await at.detach();
    const { code, run } = await at.wait(id);
    expect([code, run.status, run.exit_code]).toEqual([75, 'locked', 75]);
    expect(run.message).toContain('pid 7 on other-host (user ops)');
    expect(at.redis.cli('-n', '1', '--scan', '--pattern', 'job:*').split('\n')).toHaveLength(10);
    expect(fileList(at.path('uploads'))).toHaveLength(3);
  });

  test('the process has no terminal and nothing of who started it', async () => {
    const at = await jobsScene(3000);
    const pipe = at.path('held');
    writeFileSync(pipe, '');
    // Descriptor 9 is what `flock 9` in a crontab leaves open.
    const script = `exec 9>"$1"; shift; "$@" | cat`;
    const command = [process.execPath, TOOL, 'all', '--yes', '--detach', '--json', '--rate', '300'];
    const { code, stdout, durationMs } = await confine(
      ['/bin/bash', '-c', script, 'bash', pipe, ...command, '--config', at.config],
      { folder: at.folder, cwd: at.path('cwd'), env: toolEnvironment(at.folder) },
    );
    expect(code).toBe(0);
    expect(durationMs).toBeLessThan(5000);
    const { cleanup_id: id } = JSON.parse(stdout) as Detached;
    const [pid = 0, ...others] = backgroundPids(at.folder);
    expect(others).toEqual([]);
    const descriptors = execFileSync('ls', ['-l', `/proc/${pid}/fd`], { encoding: 'utf8' });
    expect(descriptors).not.toContain(pipe);
    expect(descriptors).toContain(`runs/${id}/output`);
    const [session, terminal] = execFileSync('ps', ['-o', 'sid=,tty=', '-p', String(pid)], {
      encoding: 'utf8',
    })
      .trim()
      .split(/\s+/);
    expect([Number(session), terminal]).toEqual([pid, '?']);
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe(at.path('cwd'));
    process.kill(pid, 'SIGTERM');
    await at.wait(id);
  });

  test('SIGTERM: interrupted, 143, with what went', async () => {
    const at = await jobsScene(5000);
    const { cleanup_id: id } = await at.detach(['--rate', '1000']);
    const before = Number(at.redis.cli('-n', '1', 'DBSIZE'));
    await until(
      'the first jobs go',
      () => Number(at.redis.cli('-n', '1', 'DBSIZE')) < before - 100,
    );
    const [pid = 0] = backgroundPids(at.folder);
    process.kill(pid, 'SIGTERM');
    const { code, run } = await at.wait(id);
    expect([code, run.status, run.exit_code]).toEqual([143, 'interrupted', 143]);
    const left = at.redis.cli('-n', '1', '--scan', '--pattern', 'job:*').split('\n').length;
    expect(run.jobs_removed).toBe(5000 - left);
    expect(run.jobs_removed).toBeGreaterThan(0);
    expect(run.report).toMatchObject({ status: 'interrupted', jobs_removed: run.jobs_removed });
    // Files do not wait for Redis.
    expect(fileList(at.path('uploads'))).toHaveLength(3 - run.files_deleted);
    expect(at.redis.cli('-n', '1', '--scan', '--pattern', 'media-cleanup:*')).toBe('');
  });

  test('SIGKILL: status says that it died, --wait is 1, logs say so', async () => {
    const at = await jobsScene(5000);
    const { cleanup_id: id } = await at.detach(['--rate', '300']);
    await until('its log', () => existsSync(stateOf(at.folder, 'runs', id, 'log.jsonl')));
    const [pid = 0] = backgroundPids(at.folder);
    const running = await statusJson(id, at);
    expect(running.run).toMatchObject({ status: 'processing', process: 'running', pid });
    const waiting = at.wait(id);
    await sleep(300);
    process.kill(pid, 'SIGKILL');
    const { code, run } = await waiting;
    expect(code).toBe(1);
    expect(run).toMatchObject({
      status: 'died',
      exit_code: null,
      finished_at: null,
      report: null,
      process: 'gone',
    });
    const text = await at.run(['status', id]);
    expect(text.stdout).toContain('Its process is gone and has not told of an end');
    const logs = await at.run(['logs', id, '--follow']);
    expect(logs.code).toBe(0);
    expect(logs.stderr).toContain('has not told of an end: its process is gone');
    // The dead one's locks are in nobody's way, though Redis has to let go of its own.
    const again = await at.detach(['--lock-wait', '20s']);
    expect((await at.wait(again.cleanup_id)).code).toBe(0);
  });

  test('a terminal that is closed at once ends nothing', async () => {
    const at = await jobsScene(2000);
    const args = ['all', '--yes', '--detach', '--rate', '1000', '--config', at.config];
    const terminal = startOnTerminal(args, {
      folder: at.folder,
      cwd: at.path('cwd'),
      env: toolEnvironment(at.folder),
    });
    await terminal.waitForScreen('cleanup_id');
    terminal.kill('SIGKILL');
    await terminal.result;
    const [id = ''] = runIdsIn(at.folder);
    const { code, run } = await at.wait(id);
    expect([code, run.status, run.jobs_removed, run.files_deleted]).toEqual([
      0,
      'completed',
      2000,
      3,
    ]);
  });

  test('the question is asked in the foreground', async () => {
    const at = await jobsScene(10);
    const options = { folder: at.folder, cwd: at.path('cwd'), env: toolEnvironment(at.folder) };
    const args = ['all', '--detach', '--config', at.config];
    const no = startOnTerminal(args, options);
    await no.waitForScreen('to delete all of this on ');
    expect(backgroundPids(at.folder)).toEqual([]);
    no.write('no\n');
    expect((await no.result).code).toBe(4);
    expect(backgroundPids(at.folder)).toEqual([]);
    expect(at.redis.cli('-n', '1', 'DBSIZE')).toBe('10');
    const [declined = ''] = runIdsIn(at.folder);
    expect((await statusJson(declined, at)).run).toMatchObject({
      status: 'declined',
      exit_code: 4,
    });
    const yes = startOnTerminal(args, options);
    await yes.waitForScreen('to delete all of this on ');
    yes.write('all\n');
    expect((await yes.result).code).toBe(0);
    expect(yes.stdout()).toContain('WIPE STARTED in the background');
    const id = runIdsIn(at.folder).at(-1) ?? '';
    const { code, run } = await at.wait(id);
    expect([code, run.status, run.jobs_removed, run.files_deleted]).toEqual([
      0,
      'completed',
      10,
      3,
    ]);
    expect(run.report).toMatchObject({ warnings: [] });
  });
});

describe('a state directory that cannot be used', () => {
  test.skipIf(!requireOrSkip('root', 'mount')).each([
    { title: 'full', mount: { size: '16k' }, prepare: 'head -c 1M /dev/zero > state/fill || true' },
    { title: 'without inodes', mount: { size: '1m', inodes: 1 }, prepare: 'true' },
  ])('$title: wipes all the same, with a warning or the history', async ({ mount, prepare }) => {
    const at = filesScene();
    const args = ['all', '--yes', '--detach', '--json', '--config', at.config];
    const { code, stdout, stderr } = await at.run([...args, '--state-dir', at.path('state')], {
      mounts: [{ kind: 'tmpfs', at: at.path('state'), ...mount }],
      prepare,
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'processing' });
    expect(stderr).toContain('WARNING');
    expect(stderr).toContain('No space left on device');
    await until('the files go', () => countFiles(at.path('uploads')) === 0);
    await until('it ends', () => backgroundPids(at.folder).length === 0);
  });

  test.skipIf(!requireOrSkip('root'))(
    'not writable: wipes all the same, with a warning',
    async () => {
      const at = filesScene();
      mkdirSync(at.path('state'), { mode: 0o755 });
      execFileSync('chown', ['-R', '12345:12345', at.path('uploads')]);
      const args = ['all', '--yes', '--detach', '--json', '--config', at.config];
      const { code, stdout, stderr } = await at.run([...args, '--state-dir', at.path('state')], {
        user: { uid: 12345, gid: 12345 },
      });
      expect(code).toBe(0);
      expect(stderr).toContain('Permission denied');
      expect(JSON.parse(stdout)).toMatchObject({
        note: 'This run is not kept, so that status and logs cannot tell of it.',
      });
      await until('the files go', () => countFiles(at.path('uploads')) === 0);
      await until('it ends', () => backgroundPids(at.folder).length === 0);
    },
  );
});

test('a bug in the background is told of', async () => {
  const at = filesScene();
  const tool = mutantTool(testFolder(), [
    [
      'async function wipeAll(services, request, io, planned) {',
      'async function wipeAll(services, request, io, planned) { throw new TypeError("a bug");',
    ],
  ]);
  const { cleanup_id: id } = await at.detach([], { tool });
  const { code, run } = await at.wait(id);
  expect([code, run.status]).toEqual([1, 'failed']);
  const { stdout } = await at.run(['status', id]);
  expect(stdout).toContain('TypeError: a bug');
});

test.skipIf(!requireOrSkip('root', 'mount'))(
  'returns quickly with 100,000 files and a Redis that does not answer',
  { timeout: 120_000 },
  async () => {
    const port = await deafPort();
    const at = scene({
      media: {
        redis: `redis://127.0.0.1:${port}/0`,
        keyPrefix: 'job:',
        root: '..',
        directories: ['uploads'],
      },
    });
    // In memory, where so many files are quickly there.
    mountAt(at.path('uploads'), ['-t', 'tmpfs', '-o', 'nr_inodes=200k', 'none']);
    const script = 'for d in $(seq 100); do mkdir $d; (cd $d; seq 1000 | xargs touch); done';
    execFileSync('bash', ['-c', script], { cwd: at.path('uploads') });
    const args = ['all', '--yes', '--detach', '--json', '--config', at.config];
    const took: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      const { code, stdout, stderr, durationMs } = await at.run(args);
      expect(code, stderr).toBe(0);
      took.push(durationMs);
      const { cleanup_id: id } = JSON.parse(stdout) as Detached;
      const [pid = 0] = backgroundPids(at.folder);
      expect(pid, id).toBeGreaterThan(0);
      process.kill(pid, 'SIGKILL');
      await until('it is gone', () => backgroundPids(at.folder).length === 0);
    }
    const sorted = took.toSorted((a, b) => a - b).map(Math.round);
    process.stdout.write(
      `--detach, 20 times: min ${sorted[0]}, median ${sorted[10]}, max ${sorted[19]} ms\n`,
    );
    expect(sorted[19]).toBeLessThan(2000);
    expect(countFiles(at.path('uploads'))).toBe(100_000);
  },
);
