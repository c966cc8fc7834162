import { mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { confine, startConfined } from './confine.ts';
import { createFolder, testFolder } from './folder.ts';
import { startRedis } from './redis.ts';
import { requireOrSkip } from './requirements.ts';

const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

/** Errno names, since a shell's own words depend on the language. */
const TRY = `
import errno, os, sys
def attempt(name, action):
    try: action(); print(name, "done")
    except OSError as error: print(name, errno.errorcode[error.errno])
for folder in sys.argv[1:]:
    path = os.path.join(folder, "media-cleanup-confine-probe")
    attempt("create", lambda: os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)))
    attempt("remove", lambda: os.unlink(path))
`;

describe.skipIf(!requireOrSkip('root', 'mount'))('confine', () => {
  test('makes everything but the folder read-only', async () => {
    const folder = testFolder();
    const other = testFolder();
    writeFileSync(join(other, 'precious'), 'x');
    const outside = ['/', '/dev', '/dev/shm', '/usr', '/root', realpathSync(tmpdir()), other];
    const { stdout, stderr } = await confine(['/usr/bin/python3', '-c', TRY, ...outside, folder], {
      folder,
    });
    expect(stderr).toBe('');
    const lines = stdout.trim().split('\n');
    for (const line of lines.slice(0, -2).filter((text) => text.startsWith('create'))) {
      expect(line).toMatch(/EROFS/);
    }
    expect(stdout.match(/create EROFS/g)).toHaveLength(outside.length);
    expect(lines.slice(-2)).toEqual(['create done', 'remove done']);
  });

  test('keeps what exists elsewhere from being deleted, and deletes in the folder', async () => {
    const folder = testFolder();
    const other = testFolder();
    writeFileSync(join(other, 'precious'), 'x');
    writeFileSync(join(folder, 'rubbish'), 'x');
    const { code, stderr } = await confine(
      ['rm', '-r', join(folder, 'rubbish'), join(other, 'precious')],
      { folder, env: { PATH, LC_ALL: 'C' } },
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/precious': Read-only file system/);
    expect(readFileSync(join(other, 'precious'), 'utf8')).toBe('x');
    expect(() => statSync(join(folder, 'rubbish'))).toThrow('ENOENT');
  });

  test('leaves the mounts of the machine as they were', async () => {
    const folder = testFolder();
    // Other tests mount and unmount in folders of their own meanwhile.
    const mounts = (): readonly string[] =>
      readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => line.includes(folder) || !line.includes(tmpdir()));
    const before = mounts();
    await confine(['true'], {
      folder,
      env: { PATH },
      mounts: [{ kind: 'tmpfs', at: join(folder, 'full'), size: '1m' }],
    });
    expect(mounts()).toEqual(before);
  });

  test.skipIf(!requireOrSkip('redis'))('reaches a Redis on the loopback address', async () => {
    const folder = testFolder();
    const redis = await startRedis(folder);
    onTestFinished(async () => await redis.stop());
    const { stdout } = await confine(['redis-cli', '-p', String(redis.port), 'PING'], {
      folder,
      env: { PATH },
    });
    expect(stdout).toBe('PONG\n');
  });

  test('runs as another user, in a directory, with exactly the given environment', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'deep'));
    const { stdout } = await confine(
      ['/bin/sh', '-c', 'id -u; id -g; id -G; pwd; env | sort; cat'],
      {
        folder,
        cwd: join(folder, 'deep'),
        env: { PATH, NAME: 'a b=c' },
        user: { uid: 65534, gid: 65533 },
        stdin: 'from stdin',
      },
    );
    expect(stdout).toBe(
      `65534\n65533\n65533\n${folder}/deep\nNAME=a b=c\nPATH=${PATH}\nPWD=${folder}/deep\nfrom stdin`,
    );
  });

  test('mounts inside: a full tmpfs, a bind and a read-only bind', async () => {
    const folder = testFolder();
    const other = testFolder();
    writeFileSync(join(other, 'file'), 'x');
    const { code, stdout, stderr } = await confine(
      [
        '/bin/sh',
        '-c',
        'cat bound/file; echo x >full/one; echo y >bound/two; echo z >fixed/three; ls bound',
      ],
      {
        folder,
        env: { PATH, LC_ALL: 'C' },
        mounts: [
          { kind: 'tmpfs', at: join(folder, 'full'), size: '64k' },
          { kind: 'bind', at: join(folder, 'bound'), from: join(folder, 'source') },
          { kind: 'bind-read-only', at: join(folder, 'fixed'), from: other },
        ],
        prepare: 'true',
      },
    ).catch((error: unknown) => ({ code: -1, stdout: '', stderr: String(error) }));
    expect({ code, stdout }).toEqual({ code: -1, stdout: '' });
    expect(stderr).toMatch(/source/);

    mkdirSync(join(folder, 'source'));
    writeFileSync(join(folder, 'source/file'), 'content\n');
    const result = await confine(
      [
        '/bin/sh',
        '-c',
        'cat bound/file; head -c 1 /dev/zero >>full/fill; echo y >bound/two; echo z >fixed/file; ls bound',
      ],
      {
        folder,
        env: { PATH, LC_ALL: 'C' },
        mounts: [
          { kind: 'tmpfs', at: join(folder, 'full'), size: '64k' },
          { kind: 'bind', at: join(folder, 'bound'), from: join(folder, 'source') },
          { kind: 'bind-read-only', at: join(folder, 'fixed'), from: other },
        ],
        prepare: 'head -c 64k /dev/zero >full/fill',
      },
    );
    expect(result.stdout).toBe('content\nfile\ntwo\n');
    expect(result.stderr).toMatch(/No space left on device/);
    expect(result.stderr).toMatch(/fixed\/file: Read-only file system/);
    expect(readFileSync(join(other, 'file'), 'utf8')).toBe('x');
  });

  test('refuses mounts outside the folder, and then runs nothing', async () => {
    const folder = testFolder();
    const run = confine(['touch', 'ran'], {
      folder,
      env: { PATH },
      mounts: [{ kind: 'tmpfs', at: `${folder}/../elsewhere`, size: '1m' }],
    });
    await expect(run).rejects.toThrow('confine: mount with ..');
    await expect(confine(['true'], { folder: '/tmp', env: { PATH } })).rejects.toThrow(
      'confine: not a test folder: /tmp',
    );
    expect(() => statSync(join(folder, 'ran'))).toThrow('ENOENT');
  });

  test('ends what hangs, children included, and says how long it took', async () => {
    const folder = createFolder();
    const result = await confine(['/bin/sh', '-c', 'echo here; sleep 100 & wait'], {
      folder: folder.path,
      env: { PATH },
      timeout: 300,
    });
    expect(result).toMatchObject({ code: null, signal: 'SIGKILL', stdout: 'here\n' });
    expect(result.durationMs).toBeGreaterThan(290);
    expect(result.durationMs).toBeLessThan(5000);
    folder.remove();
  });

  test('can be spoken to and gets signals itself', async () => {
    const folder = testFolder();
    const running = startConfined(
      [
        '/bin/bash',
        '-c',
        'trap "echo asked; exit 7" INT; read -r line; echo "$line"; while :; do sleep 0.05; done',
      ],
      { folder, env: { PATH } },
    );
    running.write('hello\n');
    await expect.poll(() => running.stdout()).toBe('hello\n');
    running.kill('SIGINT');
    expect(await running.result).toMatchObject({ code: 7, signal: null, stdout: 'hello\nasked\n' });
  });
});
