/** As cron runs it: no terminal, no environment, from /; and what goes to which stream. */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { confine } from './support/confine.ts';
import { fillQuickly, liveStack, type LiveStack } from './support/live-stack.ts';
import { redisCounts } from './support/redis-census.ts';
import { requireOrSkip } from './support/requirements.ts';
import { directoryOf, SERVICE_NAMES, type ServiceName } from './support/stack.ts';
import { startOnTerminal } from './support/terminal.ts';
import { TOOL } from './support/tool.ts';
import { countFiles, fileList } from './support/witness.ts';

const LOG_LINE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - (DEBUG|INFO|WARNING|ERROR) - \S/;
const CONTROL = /(?!\n)\p{Cc}/u;

/** The shipped config with this test's addresses in it, since cron's environment has none. */
function cronConfig(stack: LiveStack): string {
  const text = readFileSync(join(stack.folder, 'cleanup.config.json'), 'utf8');
  const file = join(stack.folder, 'cron.json');
  writeFileSync(
    file,
    text.replace(/\$\{([A-Z_]+):-[^}]*\}/g, (_, name: string) => stack.env[name] ?? ''),
  );
  return file;
}

function expectWiped(stack: LiveStack): void {
  for (const name of SERVICE_NAMES) {
    expect(fileList(join(stack.folder, 'services', name))).toEqual([]);
    expect(redisCounts(stack.redis, name)).toEqual({
      jobs: 0,
      results: 0,
      queued: 0,
      inFlight: 0,
    });
  }
}

describe.skipIf(!requireOrSkip('redis', 'celery'))('from cron', () => {
  test('wipes with an empty environment and from /', async () => {
    const stack = await liveStack();
    fillQuickly(stack);
    const args = ['all', '--yes', '--config', cronConfig(stack)];
    const { code, stdout, stderr } = await stack.run(args, { env: {}, cwd: '/' });
    expect(code).toBe(0);
    expectWiped(stack);
    for (const text of [stdout, stderr]) expect(text).not.toMatch(CONTROL);
    const lines = stderr.trimEnd().split('\n');
    for (const line of lines) expect(line).toMatch(LOG_LINE);
    const messages = lines.map((line) => line.replace(/^\S+ \S+ - /, ''));
    expect(messages[0]).toBe('WARNING - 🔥 TOTAL WIPE STARTED - EVERYTHING WILL BE REMOVED!');
    expect(messages).toContain('INFO - 🗑️  Redis: 3 jobs removed');
    const message = messages.at(-1)?.replace('INFO - ', '') ?? '';
    expect(message).toMatch(
      /^🔥 TOTAL WIPE COMPLETED: 9 jobs \+ 18 files \+ 2 models removed \(0\.\d+MB freed\)$/,
    );
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(message);
    expect(stdout.split('\n')[0]).toMatch(
      /^Service +Jobs +Tasks +Files +Models +MB freed +Errors +Verified$/,
    );
    // Local time, as the machine's own clock says it; midnight may have passed since.
    const today = (...args: readonly string[]): string =>
      spawnSync('date', ['+%Y-%m-%d', ...args], { env: {}, encoding: 'utf8' }).stdout.trim();
    expect([today(), today('--date=-1 hour')]).toContain(lines.at(-1)?.slice(0, 10));
  });

  test('with --quiet it is silent when all is well', async () => {
    const stack = await liveStack();
    fillQuickly(stack);
    const args = ['all', '--yes', '--quiet', '--config', cronConfig(stack)];
    const options = { env: { PATH: '/usr/bin:/bin' }, cwd: '/' };
    expect(await stack.run(args, options)).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expectWiped(stack);
  });

  test.skipIf(!requireOrSkip('root'))(
    'a user without a passwd entry and without HOME',
    async () => {
      const stack = await liveStack();
      const user = { uid: 54321, gid: 54321 };
      const options = { env: {}, cwd: '/', user };
      const found = await stack.run(['stats', 'all', '--config', cronConfig(stack)], options);
      expect(found).toMatchObject({ code: 0, stderr: '' });
      const { code, stderr } = await stack.run(['stats', 'all'], options);
      expect(code).toBe(2);
      expect(stderr).toContain('no cleanup.config.json found');
    },
  );

  test('with --quiet a prefix that matches nothing and a missing directory are not silent', async () => {
    const stack = await liveStack();
    fillQuickly(stack);
    stack.redis.cli('-n', '1', 'EVAL', "redis.call('FLUSH' .. 'DB')", '0');
    stack.redis.cli('-n', '1', 'MSET', 'other_job:1', '{}', 'other_job:2', '{}');
    rmSync(directoryOf(stack.folder, 'video-downloader', 'temp'), { recursive: true });
    const { code, stdout, stderr } = await stack.run(['all', '--yes', '--quiet']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain(
      `${directoryOf(stack.folder, 'video-downloader', 'temp')} does not exist`,
    );
    expect(lines[1]).toMatch(LOG_LINE);
    expect(lines[1]).toContain('- WARNING - video-downloader: Redis');
    expect(lines[1]).toContain('no key begins with "video_job:"');
    expect(lines[1]).toContain('other_job:* 2 strings (100 %)');
  });

  test('with --quiet --json there is a document all the same', async () => {
    const stack = await liveStack();
    const { stdout, stderr } = await stack.run(['all', '--yes', '--quiet', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'completed' });
    expect(stderr).toBe('');
  });

  test('a report that cannot be written is said, and the wipe is done', async () => {
    const stack = await liveStack();
    fillQuickly(stack);
    const { folder, env } = stack;
    const command = [process.execPath, TOOL, 'all', '--yes', '--json'].join(' ');
    const result = await confine(['/bin/sh', '-c', `${command} > /dev/full`], { folder, env });
    expect(result.stderr).toContain('the report could not be written: ENOSPC');
    expect(result.code).toBe(1);
    expectWiped(stack);
  });

  test('with --quiet the whole report comes when something is wrong', async () => {
    const stack = await liveStack();
    fillQuickly(stack);
    const config = cronConfig(stack);
    await stack.redis.stop();
    const args = ['all', '--yes', '--config', config];
    const { code, stdout } = await stack.run([...args, '--quiet'], { env: {}, cwd: '/' });
    expect(code).toBe(1);
    for (const name of SERVICE_NAMES) {
      expect(fileList(join(stack.folder, 'services', name))).toEqual([]);
      expect(stdout).toContain(name);
    }
    expect(stdout).toContain('Connection refused');
    expect(stdout).toContain('WIPE FINISHED WITH ERRORS: 0 jobs + 18 files + 2 models removed');
    expect(stdout).not.toMatch(CONTROL);
  });

  test('--verbose has a line for each item', async () => {
    const stack = await liveStack();
    const name: ServiceName = 'audio-transcriber';
    fillQuickly(stack, [name]);
    writeFileSync(join(directoryOf(stack.folder, name, 'temp'), 'two\nlines \x1b[31m'), 'x');
    const files = countFiles(join(stack.folder, 'services', name));
    const { code, stdout, stderr } = await stack.run([name, '--yes', '--verbose', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ verified: true });
    expect(stderr).not.toMatch(CONTROL);
    const items = stderr.split('\n').filter((line) => line.includes(' - DEBUG - '));
    for (const line of items) expect(line).toMatch(LOG_LINE);
    expect(items.filter((line) => /: (files|models): /.test(line))).toHaveLength(files);
    expect(items.some((line) => line.endsWith(': models: Models/sub/file'))).toBe(true);
    expect(items.some((line) => line.endsWith('Temp/two\\nlines \\x1b[31m'))).toBe(true);
    expect(items.filter((line) => line.includes(': jobs: transcription_job:'))).toHaveLength(3);
    expect(items.filter((line) => line.includes(': queue: task '))).toHaveLength(2);
    expect(items.filter((line) => line.includes(': in-flight: task one'))).toHaveLength(1);
  });

  test.each(['| head -1', '>&-', '2>&-', '>/dev/full', '2>/dev/full'])(
    'wipes with its output %s',
    async (redirection) => {
      const stack = await liveStack();
      fillQuickly(stack);
      const script = join(stack.folder, 'run.sh');
      writeFileSync(
        script,
        `set -o pipefail\n"$@" all --yes --verbose ${redirection}\necho "code $?" >code\n`,
      );
      chmodSync(script, 0o755);
      const { folder, env } = stack;
      await confine(['/bin/bash', script, process.execPath, TOOL], { folder, env });
      expectWiped(stack);
      expect(readFileSync(join(folder, 'code'), 'utf8')).toBe(
        // The files are gone, and nobody can read what went: that is no success.
        redirection === '>/dev/full' ? 'code 1\n' : 'code 0\n',
      );
    },
  );
});

describe.skipIf(!requireOrSkip('redis'))('colours', () => {
  test.each([
    { title: 'none in pipes', env: {}, args: [], colour: false },
    { title: 'FORCE_COLOR', env: { FORCE_COLOR: '1' }, args: [], colour: true },
    { title: 'FORCE_COLOR=0', env: { FORCE_COLOR: '0' }, args: [], colour: false },
    {
      title: 'NO_COLOR beats FORCE_COLOR',
      env: { FORCE_COLOR: '1', NO_COLOR: '1' },
      args: [],
      colour: false,
    },
    {
      title: '--no-color beats all',
      env: { FORCE_COLOR: '3' },
      args: ['--no-color'],
      colour: false,
    },
    { title: 'none in JSON', env: { FORCE_COLOR: '1' }, args: ['--json'], colour: false },
  ])('$title', async ({ env, args, colour }) => {
    const stack = await liveStack();
    const options = { env: { ...stack.env, ...env } };
    for (const command of [
      ['stats', 'all'],
      ['all', '--dry-run'],
      ['all', '--yes'],
    ]) {
      const { code, stdout } = await stack.run([...command, ...args], options);
      expect(code).toBe(0);
      expect({ command, colour: stdout.includes('\x1b[') }).toEqual({ command, colour });
      const [, ...codes] = stdout.split('\x1b[');
      for (const code of codes) expect(code, 'a colour, no cursor').toMatch(/^[\d;]*m/);
    }
  });

  test.each([
    { title: 'a terminal', env: {}, args: [], colour: true },
    { title: 'a terminal with NO_COLOR', env: { NO_COLOR: '1' }, args: [], colour: false },
    { title: 'a dumb terminal', env: { TERM: 'dumb' }, args: [], colour: false },
    { title: 'a terminal with --no-color', env: {}, args: ['--no-color'], colour: false },
  ])('on $title', async ({ env, args, colour }) => {
    const stack = await liveStack();
    const { folder } = stack;
    const options = { folder, env: { ...stack.env, TERM: 'xterm', ...env } };
    const { code, stdout } = await startOnTerminal(['stats', 'all', ...args], options).result;
    expect(code).toBe(0);
    expect(stdout.includes('\x1b[')).toBe(colour);
  });
});
