/** contrib/ansible by a real ansible-playbook: two hosts, which are two trees, over one Redis. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findCommand } from './setup/needs.ts';
import { confine } from './support/confine.ts';
import { testFolder } from './support/folder.ts';
import { fillQuickly, type LiveStack } from './support/live-stack.ts';
import { startRedis } from './support/redis.ts';
import { redisCounts } from './support/redis-census.ts';
import { requireOrSkip } from './support/requirements.ts';
import { makeStack, SERVICE_NAMES, stackEnvironment } from './support/stack.ts';
import { REPOSITORY, runTool, TOOL } from './support/tool.ts';
import { fileList } from './support/witness.ts';

const PLAYBOOK = join(REPOSITORY, 'contrib/ansible/media-cleanup.yaml');
const HOSTS = ['media1', 'media2'] as const;

interface Fleet {
  readonly folder: string;
  readonly stack: LiveStack;
  readonly files: Readonly<Record<(typeof HOSTS)[number], () => readonly string[]>>;
  play(...args: readonly string[]): Promise<{ code: number | null; stdout: string }>;
}

async function fleet(): Promise<Fleet> {
  const folder = testFolder();
  const redis = await startRedis(folder);
  onTestFinished(async () => await redis.stop());
  const lines = HOSTS.map((name) => {
    const host = join(folder, name);
    mkdirSync(host);
    makeStack(host);
    const env = stackEnvironment(folder, redis);
    const file = join(host, 'cleanup.config.json');
    const text = readFileSync(file, 'utf8');
    writeFileSync(
      file,
      text.replace(/\$\{([A-Z_]+):-[^}]*\}/g, (_, variable: string) => env[variable] ?? ''),
    );
    const program = join(host, 'media-cleanup');
    // Each host has its own runs and locks.
    writeFileSync(
      program,
      `#!/bin/sh\necho "$@" >>${host}/calls\nexec ${process.execPath} ${TOOL} "$@" --state-dir ${host}/state\n`,
      { mode: 0o755 },
    );
    return `${name} media_cleanup_program=${program} media_cleanup_config=${file}`;
  });
  writeFileSync(join(folder, 'inventory'), `[media]\n${lines.join('\n')}\n`);
  const stackOf = (name: string): LiveStack => ({
    folder: join(folder, name),
    redis,
    env: {},
    victim: join(folder, 'victim'),
    run: async (args, options = {}) => await runTool(args, { folder, ...options }),
  });
  for (const name of HOSTS) fillQuickly(stackOf(name));
  const filesOf = (name: string) => () => fileList(join(folder, name, 'services'));
  return {
    folder,
    stack: stackOf('media1'),
    files: { media1: filesOf('media1'), media2: filesOf('media2') },
    play: async (...args) => {
      const ansible = [
        `${findCommand('ansible-playbook')} --inventory inventory ${PLAYBOOK}`,
        // No sudo in a test: it is root, or the files are its own.
        `--connection local --extra-vars '{"ansible_become": false}' --diff ${args.join(' ')}`,
      ].join(' ');
      const command = `mount -t tmpfs none /dev/shm; exec ${ansible}`;
      const HOME = join(folder, 'home');
      mkdirSync(HOME, { recursive: true });
      const PATH = `${dirname(process.execPath)}:/usr/bin:/bin:/usr/sbin`;
      const env = {
        PATH,
        HOME,
        LANG: 'C.UTF-8',
        ANSIBLE_NOCOLOR: '1',
        TMPDIR: HOME,
        ANSIBLE_LOCAL_TEMP: HOME,
        ANSIBLE_REMOTE_TEMP: HOME,
      };
      const unshared = ['unshare', '--mount', '/bin/sh', '-c', command] as const;
      return await confine(unshared, { folder, cwd: folder, env, timeout: 120_000 });
    },
  };
}

/** `media1 : ok=3 changed=2 …` */
function recap(stdout: string): Record<string, string> {
  const lines = stdout.split('PLAY RECAP')[1]?.split('\n').slice(1) ?? [];
  return Object.fromEntries(
    lines
      .filter((line) => line.trim() !== '')
      .map((line) => {
        const [name = '', counts = ''] = line.split(' : ');
        return [
          name.trim(),
          counts
            .trim()
            .replace(/\s+/g, ' ')
            .replace(/ skipped=.*/, ''),
        ];
      }),
  );
}

// A play takes seconds, on a busy machine many.
describe.skipIf(!requireOrSkip('redis', 'celery', 'root', 'mount', 'ansible'))(
  'ansible',
  { timeout: 240_000 },
  () => {
    test('first a look, then Redis once and each host its own files, then nothing is left to do', async () => {
      const { folder, stack, files, play } = await fleet();
      const before = { media1: files.media1(), media2: files.media2() };
      const look = await play('--check');
      expect(look, look.stdout).toMatchObject({ code: 0 });
      expect(recap(look.stdout)).toEqual({
        media1: 'ok=3 changed=0 unreachable=0 failed=0',
        media2: 'ok=2 changed=0 unreachable=0 failed=0',
      });
      expect({ media1: files.media1(), media2: files.media2() }).toEqual(before);
      expect(redisCounts(stack.redis, 'video-downloader').jobs).toBe(3);

      const wipe = await play();
      expect(wipe, wipe.stdout).toMatchObject({ code: 0 });
      expect(recap(wipe.stdout)).toEqual({
        media1: 'ok=3 changed=2 unreachable=0 failed=0',
        media2: 'ok=2 changed=1 unreachable=0 failed=0',
      });
      expect(files.media1()).toEqual([]);
      expect(files.media2()).toEqual([]);
      for (const name of SERVICE_NAMES) {
        expect(redisCounts(stack.redis, name)).toMatchObject({ jobs: 0, queued: 0, inFlight: 0 });
      }
      const calls = (host: string): number =>
        readFileSync(join(folder, host, 'calls'), 'utf8').split('--only jobs,queue').length - 1;
      // Both of the two plays, on one host.
      expect([calls('media1'), calls('media2')]).toEqual([2, 0]);

      const again = await play();
      expect(recap(again.stdout)).toEqual({
        media1: 'ok=3 changed=0 unreachable=0 failed=0',
        media2: 'ok=2 changed=0 unreachable=0 failed=0',
      });
    });

    test('a Redis that is down: the files go, and the play fails with the reason', async () => {
      const { stack, files, play } = await fleet();
      await stack.redis.stop();
      const { code, stdout } = await play();
      expect(code).not.toBe(0);
      expect(stdout).toContain('Connection refused');
      expect(files.media1()).toEqual([]);
      expect(files.media2()).toEqual([]);
      expect(recap(stdout)).toMatchObject({
        media1: expect.stringContaining('failed=1') as string,
        media2: expect.stringContaining('failed=1') as string,
      });
    });

    test('a config that is wrong on the first host: no host starts', async () => {
      const { folder, files, play } = await fleet();
      const before = files.media2();
      writeFileSync(join(folder, 'media1/cleanup.config.json'), '{');
      const { code, stdout } = await play();
      expect(code).not.toBe(0);
      expect(stdout).toContain('"rc": 2');
      expect(existsSync(join(folder, 'media1/calls'))).toBe(true);
      expect(existsSync(join(folder, 'media2/calls'))).toBe(false);
      expect(files.media2()).toEqual(before);
    });
  },
);
