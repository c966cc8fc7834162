/** The question: only the typed word is yes, and until then nothing is touched. */
import { readFileSync, renameSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  allDirectories,
  dumpAll,
  fillQuickly,
  liveStack,
  startLiveStack,
  type LiveStack,
} from './support/live-stack.ts';
import { requireOrSkip } from './support/requirements.ts';
import { directoryOf } from './support/stack.ts';
import { CTRL_C, CTRL_D, startOnTerminal, type OnTerminal } from './support/terminal.ts';
import { fileList, treeHash } from './support/witness.ts';

function look(stack: LiveStack): string {
  return `${dumpAll(stack.redis)} ${treeHash(join(stack.folder, 'services'))}`;
}

async function asked(
  stack: LiveStack,
  args: readonly string[],
  stdoutFile?: string,
): Promise<OnTerminal> {
  const { folder, env } = stack;
  const terminal = startOnTerminal(args, { folder, env }, stdoutFile);
  await terminal.waitForScreen(`Type "${args.filter((arg) => !arg.startsWith('-')).join(' ')}" to`);
  return terminal;
}

describe.skipIf(!requireOrSkip('redis', 'celery'))('the question', () => {
  let stack: LiveStack;
  let end: () => Promise<void>;
  let before: string;

  beforeAll(async () => {
    ({ stack, end } = await startLiveStack());
    fillQuickly(stack);
    before = look(stack);
  });

  afterAll(async () => {
    await end();
  });

  test('comes after the plan, which shows all that would go', async () => {
    const terminal = await asked(stack, ['all']);
    const screen = terminal.stdout();
    const host = `127.0.0.1:${stack.redis.port}`;
    expect(screen.split(/\r?\n/)[0]).toBe('media-cleanup: getting ready');
    expect(screen).toContain('cleanup.config.json');
    expect(screen).toContain(`Redis ${host}/3: 3 jobs, 2 tasks queued, 1 in flight`);
    expect(screen).toContain(`Redis ${host}/1: 3 jobs, 2 tasks queued, 1 in flight`);
    expect(screen).toContain('Total: 9 jobs, 9 tasks, 18 files, 2 models, ');
    for (const [name, directory] of allDirectories()) {
      expect(screen.replace(/\s+/g, '')).toContain(directoryOf(stack.folder, name, directory));
    }
    expect(screen).toMatch(/Type "all" to delete all of this on .+: $/);
    await sleep(300);
    expect(look(stack), 'while the question is open').toBe(before);
    terminal.write(`no\n`);
    expect((await terminal.result).code).toBe(4);
    expect(look(stack)).toBe(before);
  });

  test.each([
    { title: 'an empty line', typed: '\n' },
    { title: 'the end of input', typed: CTRL_D },
    { title: 'yes', typed: 'yes\n' },
    { title: 'the word in the wrong case', typed: 'ALL\n' },
    { title: 'the word and more', typed: 'all of it\n' },
    { title: 'the word with a blank', typed: ' all\n' },
    { title: 'another service', typed: 'video-downloader\n' },
    { title: 'the end of input within the word', typed: `al${CTRL_D}${CTRL_D}` },
  ])('$title is no', async ({ typed }) => {
    const terminal = await asked(stack, ['all']);
    terminal.write(typed);
    const { code, stdout } = await terminal.result;
    expect(stdout).toContain('Not confirmed: nothing was touched.');
    expect(code).toBe(4);
    expect(look(stack)).toBe(before);
  });

  test('Ctrl-C ends it with 130', async () => {
    const terminal = await asked(stack, ['all']);
    terminal.write(CTRL_C);
    expect((await terminal.result).code).toBe(130);
    expect(look(stack)).toBe(before);
  });

  test('no, with --json: one document', async () => {
    const file = join(stack.folder, 'out.json');
    const terminal = await asked(stack, ['all', '--json'], file);
    terminal.write('\n');
    expect((await terminal.result).code).toBe(4);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      version: 1,
      status: 'declined',
      error: { code: 'declined', message: 'Not confirmed: nothing was touched.', problems: [] },
    });
    expect(look(stack)).toBe(before);
  });

  test('a terminal that is gone is no', async () => {
    const terminal = await asked(stack, ['all']);
    // Closes the master's side: the command gets SIGHUP and the end of its input.
    terminal.kill('SIGKILL');
    await terminal.result;
    await sleep(300);
    expect(look(stack)).toBe(before);
  });
});

describe.skipIf(!requireOrSkip('redis', 'celery'))('the typed word', () => {
  test('wipes what was shown, and nothing else', async () => {
    const stack = await liveStack();
    fillQuickly(stack);
    const others = (): string =>
      `${stack.redis.dump(1)} ${treeHash(join(stack.folder, 'services/video-downloader'))}`;
    const before = others();
    const words = ['audio-transcriber', 'audio-normalization'];
    const file = join(stack.folder, 'out.json');
    const terminal = await asked(stack, [...words, '--json'], file);
    terminal.write(`${words.join(' ')}\n`);
    const { code } = await terminal.result;
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      jobs_removed: 6,
      files_deleted: 12,
      models_deleted: 2,
      verified: true,
    });
    for (const name of words) {
      expect(fileList(join(stack.folder, 'services', name))).toEqual([]);
    }
    expect(stack.redis.entries(2).map(({ type }) => type)).toEqual(['set']);
    expect(others()).toBe(before);
  });

  test('counts after a long wait as well: a closed connection is made again', async () => {
    const stack = await liveStack();
    fillQuickly(stack, ['video-downloader']);
    stack.redis.cli('CONFIG', 'SET', 'timeout', '1');
    const file = join(stack.folder, 'out.json');
    const terminal = await asked(stack, ['video-downloader', '--json'], file);
    // The server looks for idle clients once a second.
    await sleep(3500);
    terminal.write('video-downloader\n');
    expect((await terminal.result).code).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ jobs_removed: 3, errors: [] });
  });

  test('does not empty a directory that was moved away while it was asked', async () => {
    const stack = await liveStack();
    fillQuickly(stack);
    const uploads = directoryOf(stack.folder, 'audio-transcriber', 'uploads');
    const moved = join(stack.folder, 'moved');
    const file = join(stack.folder, 'out.json');
    const terminal = await asked(stack, ['audio-transcriber', '--json'], file);
    renameSync(uploads, moved);
    symlinkSync(moved, uploads);
    const before = treeHash(moved);
    terminal.write('audio-transcriber\n');
    expect((await terminal.result).code).toBe(1);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      verified: false,
      errors: ['Uploads/.: Moved or replaced while it was being looked at'],
    });
    expect(treeHash(moved)).toBe(before);
    expect(fileList(directoryOf(stack.folder, 'audio-transcriber', 'models'))).toEqual([]);
  });
});

describe.skipIf(!requireOrSkip('redis'))('without a terminal and without --yes', () => {
  test.each([
    { stdin: undefined },
    { stdin: 'all\n' },
    { stdin: 'all\n', args: ['--json'] },
    { stdin: undefined, args: ['--quiet'] },
  ])('ends before any connection is opened: $stdin $args', async ({ stdin, args = [] }) => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const { stack, end } = await startLiveStack();
    onTestFinished(end);
    const url = `redis://127.0.0.1:${port}/0`;
    const env = Object.fromEntries(
      Object.entries(stack.env).map(([name, value]) => [
        name,
        name.includes('REDIS') ? url : value,
      ]),
    );
    const before = treeHash(join(stack.folder, 'services'));
    const input = stdin === undefined ? {} : { stdin };
    const result = await stack.run(['all', ...args], { env, ...input });
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('pass --yes to wipe without a question');
    expect(connections).toBe(0);
    expect(treeHash(join(stack.folder, 'services'))).toBe(before);
    if (args.length > 0) return;
    // The counter counts.
    await stack.run(['stats', 'all'], { env });
    expect(connections).toBe(3);
  });
});
