/** What ends a wipe before its time: a second signal, a closed terminal, a closed pipe, `--timeout`. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { enqueue } from './support/celery.ts';
import { makeFiles, writeConfig, type JsonReport } from './support/config-file.ts';
import { confine, startConfined, type Running } from './support/confine.ts';
import { mountAt, testFolder } from './support/folder.ts';
import { startRedis, type TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { endBackground, runIdsIn, stateOf, statusJson } from './support/runs.ts';
import { CTRL_C, startOnTerminal } from './support/terminal.ts';
import { runTool, startTool, TOOL, toolEnvironment } from './support/tool.ts';
import { until } from './support/until.ts';
import { VIDEO, videoStack } from './support/video-workers.ts';
import { countFiles, fileList } from './support/witness.ts';

interface Scene {
  readonly folder: string;
  readonly config: string;
  readonly redis: TestRedis;
  jobs(): number;
  /** `all --yes`, and further arguments. */
  start(...args: readonly string[]): Running;
  /** What the history says of the newest run. */
  last(): ReturnType<typeof statusJson>;
}

async function scene(count: number): Promise<Scene> {
  const folder = testFolder();
  endBackground(folder);
  const redis = await startRedis(folder);
  onTestFinished(async () => redis.stop());
  redis.cli('-n', '1', 'EVAL', `for i = 1, ${count} do redis.call('SET', 'job:' .. i, i) end`, '0');
  makeFiles(join(folder, 'uploads'), 3);
  const config = writeConfig(folder, {
    media: { redis: redis.url(1), keyPrefix: 'job:', root: '..', directories: ['uploads'] },
  });
  return {
    folder,
    config,
    redis,
    jobs: () => {
      const keys = redis.cli('-n', '1', '--scan', '--pattern', 'job:*');
      return keys === '' ? 0 : new Set(keys.split('\n')).size;
    },
    start: (...args) => {
      const all = ['all', '--yes', '--config', config, ...args];
      const run = startTool(all, { folder, cwd: join(folder, 'cwd') });
      run.endInput();
      return run;
    },
    last: async () => await statusJson(runIdsIn(folder).at(-1) ?? '', { folder }),
  };
}

/** A second service, and a second directory of the first. */
async function twoServices(count: number): Promise<Scene> {
  const at = await scene(count);
  at.redis.cli('-n', '2', 'MSET', ...[1, 2, 3, 4, 5].flatMap((id) => [`job:${id}`, '{}']));
  mkdirSync(join(at.folder, 'temp'));
  makeFiles(join(at.folder, 'cache'), 4);
  writeConfig(at.folder, {
    media: {
      redis: at.redis.url(1),
      keyPrefix: 'job:',
      root: '..',
      directories: ['uploads', 'temp'],
    },
    other: { redis: at.redis.url(2), keyPrefix: 'job:', root: '..', directories: ['cache'] },
  });
  return at;
}

function numberIn(pattern: RegExp, text: string): number {
  const [, digits] = pattern.exec(text) ?? [];
  if (digits === undefined) throw new Error(`${pattern.source} is not in:\n${text}`);
  return Number(digits.replaceAll(',', ''));
}

/** Services do not wait for each other. */
async function otherIsProven(run: Running): Promise<void> {
  await until('the other service is proven', () => run.stderr().includes('Verified: other'));
}

/** Resolves when some jobs are gone. */
async function inTheMiddle(at: Scene, count: number): Promise<void> {
  await until('the first jobs go', () => Number(at.redis.cli('-n', '1', 'DBSIZE')) < count - 100);
}

describe.skipIf(!requireOrSkip('redis'))('a second signal', () => {
  test('ends it at once, and says what went and what is left', async () => {
    const at = await scene(20_000);
    const run = at.start('--rate', '1000');
    await inTheMiddle(at, 20_000);
    // Files do not wait for Redis.
    await until('the files are gone', () => run.stderr().includes('Uploads: 3 files deleted'));
    // Stopped, so that the first signal alone ends nothing.
    at.redis.pause();
    await sleep(100);
    run.kill('SIGINT');
    await sleep(300);
    const before = performance.now();
    run.kill('SIGINT');
    const { code, stdout, stderr } = await run.result;
    expect(performance.now() - before).toBeLessThan(1000);
    expect(code).toBe(130);
    expect(stdout).toBe('');
    at.redis.resume();
    const left = at.jobs();
    const [, told] = /Removed before: ([\d,]+) jobs, 0 tasks, 3 files/.exec(stderr) ?? [];
    // What was sent when Redis stopped was done later, and nobody heard of it.
    expect(Number(told?.replace(',', ''))).toBeGreaterThan(0);
    expect(Number(told?.replace(',', ''))).toBeLessThanOrEqual(20_000 - left);
    expect(stderr).toContain('Ended at once, without a second look.');
    // Nothing was counted before, with --yes: what is left has names and no numbers.
    expect(stderr).toContain(
      `Left: jobs of media were being removed: ${told} gone, the rest is not counted. Run it again`,
    );
    expect(fileList(join(at.folder, 'uploads'))).toEqual([]);
    const { run: kept } = await at.last();
    expect(kept).toMatchObject({ status: 'interrupted', exit_code: 130, report: null });
    expect(kept.message).toContain('Ended at once');
    expect(kept.jobs_removed).toBe(Number(told?.replace(',', '')));
  });

  test('what was counted before is what it reckons with', async () => {
    const at = await twoServices(20_000);
    const run = at.start('--rate', '1000', '--max-jobs', '1000000');
    await inTheMiddle(at, 20_000);
    await otherIsProven(run);
    at.redis.pause();
    await sleep(100);
    run.kill('SIGINT');
    await sleep(300);
    const before = performance.now();
    run.kill('SIGINT');
    const { code, stderr } = await run.result;
    expect(performance.now() - before).toBeLessThan(1000);
    at.redis.resume();
    expect(code).toBe(130);
    const told = numberIn(/Removed before: ([\d,]+) jobs/, stderr);
    const left = numberIn(/Left: about ([\d,]+) jobs of media\. Run it/, stderr);
    expect(left).toBe(20_005 - told);
    // What was sent when Redis stopped was done later.
    expect(left).toBeGreaterThanOrEqual(at.jobs());
    expect(stderr).not.toContain('nothing was looked at again');
  });

  test('in the last kind: the directory at hand counts', async () => {
    const at = await scene(5);
    execFileSync('bash', ['-c', 'seq 60000 | xargs touch'], { cwd: join(at.folder, 'uploads') });
    const run = at.start('--max-files', '1000000', '--concurrency', '1', '--verbose');
    await until('the first files go', () => run.stderr().includes('files: Uploads/'));
    await until('the jobs are gone', () => run.stderr().includes('5 jobs removed'));
    run.kill('SIGSTOP');
    run.kill('SIGINT');
    run.kill('SIGTERM');
    run.kill('SIGCONT');
    const { code, stdout, stderr } = await run.result;
    expect([130, 143]).toContain(code);
    expect(stdout).toBe('');
    const left = fileList(join(at.folder, 'uploads')).length;
    const went = numberIn(/Removed before: 5 jobs, 0 tasks, ([\d,]+) files/, stderr);
    const told = numberIn(/Left: about ([\d,]+) files in Uploads of media\./, stderr);
    // 60 000 and the 3 of the scene; what was removed since the last message is not in it.
    expect(went + told).toBe(60_003);
    expect(told).toBeGreaterThanOrEqual(left);
    expect(left).toBeGreaterThan(0);
  });

  test.each([
    { title: 'the count before the wipe', args: ['--max-jobs', '1000000'] },
    { title: 'no count', args: [] },
  ])('a Redis that does not answer after the first signal: $title', async ({ args }) => {
    const at = await twoServices(20_000);
    const run = at.start('--rate', '1000', '--json', ...args);
    await inTheMiddle(at, 20_000);
    await otherIsProven(run);
    at.redis.pause();
    await sleep(100);
    run.kill('SIGINT');
    const { code, stdout } = await run.result;
    at.redis.resume();
    expect(code).toBe(130);
    const report = JSON.parse(stdout) as JsonReport;
    const isCounted = args.length > 0;
    expect(report.services).toMatchObject({
      media: {
        verified: false,
        remaining: { jobs: isCounted ? 20_005 - report.jobs_removed : null, files: 0 },
      },
      other: { verified: true, remaining: { jobs: 0, files: 0 } },
    });
    const warnings = report.services['media']?.warnings.join('\n');
    expect(warnings).toContain('interrupted: what is left of jobs');
  });

  test('with --json it is one document', async () => {
    const at = await scene(20_000);
    const run = at.start('--rate', '1000', '--json');
    await inTheMiddle(at, 20_000);
    at.redis.pause();
    await sleep(100);
    run.kill('SIGINT');
    await sleep(300);
    run.kill('SIGINT');
    const { code, stdout } = await run.result;
    at.redis.resume();
    expect(code).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      status: 'interrupted',
      error: { code: 'interrupted', problems: [] },
    });
  });

  test('npx relays what the terminal sends anyway: that is one Ctrl-C', async () => {
    const at = await scene(20_000);
    const run = at.start('--rate', '1000', '--json');
    await inTheMiddle(at, 20_000);
    run.kill('SIGINT');
    await sleep(20);
    run.kill('SIGINT');
    const { code, stdout } = await run.result;
    expect(code).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'interrupted', verified: false });
    expect(JSON.parse(stdout)).toHaveProperty('jobs_removed', 20_000 - at.jobs());
  });

  test('before anything was touched: says so, and the history too', async () => {
    const at = await scene(3);
    at.redis.pause();
    const run = at.start();
    await until('it begins', () => run.stderr().includes('STARTED'));
    // One right after the other, before the first can have done anything.
    run.kill('SIGSTOP');
    run.kill('SIGINT');
    run.kill('SIGTERM');
    run.kill('SIGCONT');
    const { code, stderr, durationMs } = await run.result;
    at.redis.resume();
    expect([130, 143]).toContain(code);
    expect(stderr).toMatch(/before anything was touched/);
    expect(durationMs).toBeLessThan(5000);
    expect([at.jobs(), fileList(join(at.folder, 'uploads')).length]).toEqual([3, 3]);
    expect((await at.last()).run.status).toBe('interrupted');
  });

  test('SIGHUP twice is a terminal that goes: the report is whole', async () => {
    const at = await scene(20_000);
    const run = at.start('--rate', '1000', '--json');
    await inTheMiddle(at, 20_000);
    run.kill('SIGHUP');
    run.kill('SIGHUP');
    await sleep(5);
    run.kill('SIGHUP');
    const { code, stdout } = await run.result;
    expect(code).toBe(129);
    const report = JSON.parse(stdout) as JsonReport;
    expect(report.status).toBe('interrupted');
    expect(report.jobs_removed).toBe(20_000 - at.jobs());
    const { run: kept } = await at.last();
    expect(kept).toMatchObject({ status: 'interrupted', exit_code: 129 });
    expect(kept.report).toEqual(report);
  });

  test('a terminal that goes in the middle: kept in the history', async () => {
    const at = await scene(20_000);
    const args = ['all', '--yes', '--rate', '1000', '--config', at.config];
    const terminal = startOnTerminal(args, {
      folder: at.folder,
      env: toolEnvironment(at.folder),
    });
    await inTheMiddle(at, 20_000);
    terminal.kill('SIGKILL');
    await terminal.result;
    const [id = ''] = runIdsIn(at.folder);
    const { code, run } = await statusJson(id, { folder: at.folder }, '--wait');
    expect([code, run.status]).toEqual([129, 'interrupted']);
    expect(run.jobs_removed).toBe(20_000 - at.jobs());
    expect(run.report).toMatchObject({ status: 'interrupted' });
  });

  test('a pipe that is closed ends nothing', async () => {
    const at = await scene(2000);
    const command = [process.execPath, TOOL, 'all', '--yes', '--verbose', '--config', at.config];
    const { code, stdout } = await confine(
      ['/bin/bash', '-c', 'set -o pipefail; "$@" 2>&1 | head -1', 'bash', ...command],
      { folder: at.folder, env: toolEnvironment(at.folder) },
    );
    expect(code).toBe(0);
    expect(stdout).toContain('STARTED');
    expect([at.jobs(), countFiles(join(at.folder, 'uploads'))]).toEqual([0, 0]);
    expect((await at.last()).run).toMatchObject({ status: 'completed', jobs_removed: 2000 });
  });
});

describe.skipIf(!requireOrSkip('redis'))('the first signal', () => {
  const HEARD = 'Interrupted: finishing the item at hand; press Ctrl-C again to end at once';
  const LOG_LINE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - WARNING - Interrupted/m;

  /** Signals while Redis answers nothing, and returns what is said until then. */
  async function heard(at: Scene, run: Running, signal: NodeJS.Signals): Promise<string> {
    await inTheMiddle(at, 20_000);
    at.redis.pause();
    await sleep(100);
    const before = run.stderr().length;
    run.kill(signal);
    await until('it is heard', () => run.stderr().length > before, { within: 700 });
    const text = run.stderr().slice(before);
    at.redis.resume();
    await run.result;
    return text;
  }

  test.each([[], ['--quiet'], ['--json']])(
    'is a log line without a terminal: %s',
    async (...args) => {
      const at = await scene(20_000);
      const text = await heard(at, at.start('--rate', '1000', ...args), 'SIGINT');
      expect(text).toContain(HEARD);
      expect(text).toMatch(LOG_LINE);
      const [id = ''] = runIdsIn(at.folder);
      expect(readFileSync(stateOf(at.folder, 'runs', id, 'log.jsonl'), 'utf8')).toContain(HEARD);
    },
  );

  test.each([
    [
      'SIGTERM',
      'Interrupted by SIGTERM: finishing the item at hand; a second SIGTERM ends it at once',
    ],
    ['SIGHUP', 'Interrupted by SIGHUP: finishing the item at hand; SIGTERM ends it at once'],
  ] as const)('%s', async (signal, message) => {
    const at = await scene(20_000);
    expect(await heard(at, at.start('--rate', '1000'), signal)).toContain(message);
  });

  test('has a priority in the journal', async () => {
    const at = await scene(20_000);
    const errors = join(at.folder, 'journal');
    const command = [process.execPath, TOOL, 'all', '--yes', '--quiet', '--rate', '1000'];
    const run = startConfined(
      [
        '/bin/bash',
        '-c',
        'exec 2>"$1"; shift; JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$@"',
        'bash',
        errors,
        ...command,
        '--config',
        at.config,
      ],
      { folder: at.folder, env: toolEnvironment(at.folder) },
    );
    await inTheMiddle(at, 20_000);
    run.kill('SIGINT');
    expect((await run.result).code).toBe(130);
    expect(readFileSync(errors, 'utf8')).toBe(`<4>${HEARD}\n`);
  });

  test('on a terminal stands above the spinner, and the last words below it', async () => {
    const at = await scene(20_000);
    const args = ['all', '--yes', '--rate', '1000', '--config', at.config];
    const env = { ...toolEnvironment(at.folder), TERM: 'xterm', LANG: 'C.UTF-8', NO_COLOR: '1' };
    const terminal = startOnTerminal(args, { folder: at.folder, env });
    await terminal.waitForScreen(' removed, ');
    at.redis.pause();
    await sleep(100);
    terminal.write(CTRL_C);
    await terminal.waitForScreen(HEARD.slice(0, 40));
    await sleep(300);
    const before = performance.now();
    terminal.write(CTRL_C);
    const { code, stdout } = await terminal.result;
    expect(performance.now() - before).toBeLessThan(1000);
    at.redis.resume();
    expect(code).toBe(130);
    // Both in lines of their own: the spinner's was cleared before.
    expect(stdout).toContain('^C\x1b[1G\x1b[0K\x1b[1G⚠ Interrupted: ');
    expect(stdout.slice(stdout.lastIndexOf('media-cleanup: Ended'))).toMatch(
      /^media-cleanup: Ended at once[^\r]* Run it again to remove the rest\.\r+\n$/,
    );
  });

  test('at the question ends it, without a word of deleting', async () => {
    const at = await scene(3);
    const terminal = startOnTerminal(['all', '--config', at.config], {
      folder: at.folder,
      env: toolEnvironment(at.folder),
    });
    await terminal.waitForScreen('to delete all of this on ');
    terminal.write(CTRL_C);
    const { code, stdout } = await terminal.result;
    expect(code).toBe(130);
    expect(stdout).toContain('Interrupted by SIGINT before anything was touched.');
    expect(stdout).not.toContain('finishing the item');
  });
});

test.skipIf(!requireOrSkip('redis'))('what was not begun shows no figure', async () => {
  const at = await twoServices(20_000);
  const uploads = join(at.folder, 'uploads');
  execFileSync('bash', ['-c', 'seq 100000 | xargs touch'], { cwd: uploads });
  // Slow, and the second service's directory waits for its turn.
  const run = at.start('--rate', '1000', '--concurrency', '1', '--verbose');
  await until('the first files go', () => run.stderr().includes('files: Uploads/'));
  run.kill('SIGINT');
  const { code, stdout } = await run.result;
  expect(code).toBe(130);
  const cells = (text: string, name: string): readonly string[] =>
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(/ +/) ?? [];
  const [, , tasks, files, models, , errors, verified] = cells(stdout, 'other');
  expect([tasks, files, models, errors, verified]).toEqual(['-', '-', '-', '0', 'NO']);
  expect(fileList(join(at.folder, 'cache'))).toHaveLength(4);
  const { run: kept } = await at.last();
  expect(kept.report).toMatchObject({
    services: {
      media: { not_begun: expect.not.arrayContaining(['files']) as unknown },
      other: { not_begun: expect.arrayContaining(['files', 'models']) as unknown },
    },
  });
  // What status shows is read back from the JSON.
  const [id = ''] = runIdsIn(at.folder);
  const shown = await runTool(['status', id], { folder: at.folder });
  expect(cells(shown.stdout, 'other').slice(2, 5)).toEqual(['-', '-', '-']);
});

describe.skipIf(!requireOrSkip('redis', 'celery'))(
  'a second signal while consumers are held',
  () => {
    test('they go on within two seconds', async () => {
      const stack = await videoStack();
      const worker = await stack.worker({ concurrency: 1 });
      enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [600] }]);
      const args = [VIDEO, '--yes', '--verify-for', '30s'];
      const run = startTool(args, { folder: stack.folder, env: stack.env });
      await worker.waitForLog('Canceling queue');
      run.kill('SIGINT');
      await sleep(300);
      const before = performance.now();
      run.kill('SIGINT');
      const { code, stderr } = await run.result;
      expect(performance.now() - before).toBeLessThan(3500);
      expect(code).toBe(130);
      await worker.waitForLog('Started consuming from');
      expect(stack.cli('EXISTS', 'media-cleanup:held-consumers')).toBe('0');
      expect(stderr).not.toContain('doctor --fix');
      expect(stderr).toContain('Interrupted: finishing the item at hand, resuming consumers; ');
      const [id = ''] = runIdsIn(stack.folder);
      const { run: kept } = await statusJson(id, { folder: stack.folder });
      expect(kept).toMatchObject({ status: 'interrupted', exit_code: 130 });
    });

    test('when they cannot be told, doctor --fix is named', async () => {
      const stack = await videoStack();
      const worker = await stack.worker({ concurrency: 1 });
      const args = [VIDEO, '--yes', '--verify-for', '30s'];
      const run = startTool(args, { folder: stack.folder, env: stack.env });
      await worker.waitForLog('Canceling queue');
      await until('all is removed', () => run.stderr().includes('Downloads'));
      stack.redis.pause();
      run.kill('SIGINT');
      await sleep(300);
      const before = performance.now();
      run.kill('SIGINT');
      const { code, stderr } = await run.result;
      const took = performance.now() - before;
      stack.redis.resume();
      expect(took).toBeLessThan(4000);
      expect(code).toBe(130);
      expect(stderr).toContain('not told to go on: 1; tell them with media-cleanup doctor --fix');
      const fixed = await stack.run(['doctor', VIDEO, '--fix']);
      expect(fixed.stdout + fixed.stderr).not.toBe('');
      await worker.waitForLog('Started consuming from');
    });
  },
);

describe.skipIf(!requireOrSkip('redis'))('--timeout', () => {
  test('among many jobs: exit 1, and the report is exact', async () => {
    const at = await scene(300_000);
    // A busy machine may take longer than 2 s until the first job goes; all of them take 15 s.
    const wipeFor = async (timeout: string) => {
      const run = at.start('--json', '--rate', '20000', '--timeout', timeout);
      const { code, stdout } = await run.result;
      return { timeout, code, report: JSON.parse(stdout) as JsonReport };
    };
    let last = await wipeFor('2s');
    if (last.report.jobs_removed === 0) last = await wipeFor('12s');
    const { timeout, code, report } = last;
    expect(code).toBe(1);
    expect(report.status).toBe('interrupted');
    expect(report.warnings).toContainEqual(
      `Stopped by --timeout ${timeout}. Run it again to remove the rest.`,
    );
    expect(report.jobs_removed).toBe(300_000 - at.jobs());
    expect(report.jobs_removed).toBeGreaterThan(0);
    expect(report.jobs_removed).toBeLessThan(300_000);
    expect(fileList(join(at.folder, 'uploads'))).toEqual([]);
    expect((await at.last()).run).toMatchObject({
      status: 'interrupted',
      exit_code: 1,
      jobs_removed: report.jobs_removed,
    });
    expect(at.redis.cli('-n', '1', '--scan', '--pattern', 'media-cleanup:*')).toBe('');
  });

  test.skipIf(!requireOrSkip('root', 'mount'))('among many files', async () => {
    const at = await scene(0);
    const many = join(at.folder, 'many');
    mountAt(many, ['-t', 'tmpfs', '-o', 'nr_inodes=300k', 'none']);
    const script = 'for d in $(seq 150); do mkdir $d; (cd $d; seq 1000 | xargs touch); done';
    execFileSync('bash', ['-c', script], { cwd: many });
    writeConfig(at.folder, { media: { root: '..', directories: ['many'] } });
    const run = at.start('--json', '--concurrency', '1', '--timeout', '700ms');
    const { code, stdout } = await run.result;
    const report = JSON.parse(stdout) as JsonReport;
    expect([code, report.status]).toEqual([1, 'interrupted']);
    expect(report.files_deleted).toBe(150_000 - countFiles(many));
    expect(report.files_deleted).toBeLessThan(150_000);
  });

  test('that is long enough changes nothing', async () => {
    const at = await scene(5);
    const { code, stdout, durationMs } = await at.start('--json', '--timeout', '10m').result;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'completed', warnings: [] });
    expect(durationMs).toBeLessThan(10_000);
  });

  /** Nothing was touched. */
  async function stopped(at: Scene, run: Running): Promise<void> {
    const { code, stdout, stderr, durationMs } = await run.result;
    expect(code).toBe(1);
    expect(stderr).toContain('media-cleanup: Stopped by --timeout ');
    expect(durationMs).toBeLessThan(6000);
    if (stdout.startsWith('{')) {
      expect(JSON.parse(stdout)).toMatchObject({
        status: 'interrupted',
        error: { code: 'timeout' },
      });
    }
    expect(at.jobs()).toBe(3);
    expect(fileList(join(at.folder, 'uploads'))).toHaveLength(3);
  }

  test('while it connects to a Redis that does not answer', async () => {
    const at = await scene(3);
    const deaf = createServer().listen(0, '127.0.0.1');
    await once(deaf, 'listening');
    onTestFinished(() => void deaf.close());
    const { port } = deaf.address() as { port: number };
    const url = `redis://127.0.0.1:${port}/0`;
    writeConfig(at.folder, {
      media: { redis: url, keyPrefix: 'job:', root: '..', directories: ['uploads'] },
    });
    await stopped(at, at.start('--json', '--timeout', '500ms'));
    expect((await at.last()).run).toMatchObject({ status: 'interrupted', exit_code: 1 });
  });

  test('while the question is open', async () => {
    const at = await scene(3);
    const terminal = startOnTerminal(['all', '--timeout', '3s', '--config', at.config], {
      folder: at.folder,
      env: toolEnvironment(at.folder),
    });
    await terminal.waitForScreen('to delete all of this on ');
    const { code, stdout } = await terminal.result;
    expect(code).toBe(1);
    expect(stdout).toContain('Stopped by --timeout 3s.');
    expect([at.jobs(), fileList(join(at.folder, 'uploads')).length]).toEqual([3, 3]);
    expect((await at.last()).run).toMatchObject({ status: 'interrupted', exit_code: 1 });
  });

  test('while it waits for another run', async () => {
    const at = await scene(20_000);
    const first = at.start('--rate', '1000');
    await inTheMiddle(at, 20_000);
    const second = await at.start('--json', '--lock-wait', '10m', '--timeout', '700ms').result;
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('Waiting: media is being wiped by pid ');
    expect(JSON.parse(second.stdout)).toMatchObject({ error: { code: 'timeout' } });
    expect(runIdsIn(at.folder)).toHaveLength(1);
    first.kill('SIGTERM');
    expect((await first.result).code).toBe(143);
    expect(
      readFileSync(stateOf(at.folder, 'runs', runIdsIn(at.folder)[0] ?? '', 'run.json'), 'utf8'),
    ).toContain('interrupted');
  });
});
