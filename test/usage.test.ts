/** Wrong words on the command line: nothing is touched, whatever stands beside them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dumpAll, fillQuickly, startLiveStack, type LiveStack } from './support/live-stack.ts';
import { ownStack } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
import { treeHash } from './support/witness.ts';

describe.skipIf(!requireOrSkip('redis', 'celery'))('usage errors', () => {
  let stack: LiveStack;
  let end: () => Promise<void>;
  let before: string;
  const look = (): string => `${dumpAll(stack.redis)} ${treeHash(join(stack.folder, 'services'))}`;

  beforeAll(async () => {
    ({ stack, end } = await startLiveStack());
    fillQuickly(stack);
    before = look();
  });

  afterAll(async () => {
    expect(look()).toBe(before);
    await end();
  });

  const known = 'known: audio-transcriber, audio-normalization, video-downloader, all';
  test.each([
    { words: ['nothing'], message: `nothing: unknown service; ${known}` },
    {
      words: ['video-downlaoder'],
      message: `video-downlaoder: unknown service; did you mean video-downloader? ${known}`,
    },
    {
      words: ['video-downloader', 'video-downloader'],
      message: `video-downloader: named twice; ${known}`,
    },
    {
      words: ['all', 'video-downloader'],
      message: `all: already means every service; name it alone; ${known}`,
    },
    { words: ['all', 'all'], message: `all: named twice; ${known}` },
    { words: ['Video-Downloader'], message: `Video-Downloader: unknown service` },
    { words: ['--only', 'jobs,everything', 'all'], message: '"everything" is none of jobs, queue' },
    { words: ['--only', 'models', '--keep-models', 'all'], message: 'nothing to remove' },
    { words: ['--delete', 'all'], message: "Unknown option '--delete'" },
  ])('$words is a usage error', async ({ words, message }) => {
    const plain = await stack.run([...words, '--yes']);
    expect(plain).toMatchObject({ code: 2, stdout: '' });
    expect(plain.stderr).toContain(message);
    const json = await stack.run([...words, '--yes', '--json']);
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stdout)).toEqual({
      version: 1,
      status: 'refused',
      error: {
        code: 'usage',
        message: expect.stringContaining(message) as string,
        problems: expect.any(Array) as unknown[],
      },
    });
  });

  test('without a target: the help, on stderr', async () => {
    for (const args of [[], ['--yes']]) {
      const { code, stdout, stderr } = await stack.run(args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain('Usage: media-cleanup [options] <target...>');
    }
    const { code, stdout, stderr } = await stack.run(['--json']);
    expect(code).toBe(2);
    expect(stderr).toContain('Usage: media-cleanup [options] <target...>');
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      error: { code: 'usage', problems: [] },
    });
  });
});

test('durations that a timer of Node cannot hold are as long as they say', async () => {
  const stack = ownStack();
  stack.config({ directories: ['cache'] });
  stack.files('cache/a');
  const long = ['--timeout', '--lock-wait', '--wait-idle'].flatMap((flag) => [flag, '30d']);
  const { code, stderr } = await stack.run(['media', '--yes', ...long]);
  expect(code, stderr).toBe(0);
  expect(stderr).not.toContain('TimeoutOverflowWarning');
  expect(existsSync(stack.path('cache/a'))).toBe(false);
});
