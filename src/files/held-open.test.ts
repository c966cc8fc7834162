import { execFileSync, spawn } from 'node:child_process';
import { closeSync, linkSync, mkdirSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { mountAt, testFolder } from '../../test/support/folder.ts';
import { ended, killAtExit } from '../../test/support/processes.ts';
import { requireOrSkip } from '../../test/support/requirements.ts';
import { findHeldOpen } from './held-open.ts';

const SIZE = 64 * 1024;
const NOBODY = 65534;
const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] as const;

const OTHER_NAMESPACE = ['unshare', '--mount', '--propagation=private', '/bin/sh', '-ec'] as const;

/**
 * Holds `fd:`, `gone:` (deleted at once) and `map:` paths, a byte a character, until it is killed;
 * `root:` is where later paths start.
 */
const HOLDER = `
import mmap, os, sys
kept = []
for argument in sys.argv[1:]:
    kind, _, path = argument.partition(':')
    path = path.encode('latin1')
    if kind == 'root':
        os.chroot(path)
        continue
    descriptor = os.open(path, os.O_RDONLY)
    if kind == 'gone':
        os.unlink(path)
    if kind == 'map':
        kept.append(mmap.mmap(descriptor, 0, prot=mmap.PROT_READ))
        # And the duplicate that Python keeps.
        os.closerange(descriptor, descriptor + 2)
print('holding', flush=True)
sys.stdin.read()
`;

/** @returns the process id, once it holds everything. */
async function hold(items: readonly string[], through: readonly string[] = []): Promise<number> {
  const command = [...through, '/usr/bin/python3', '-c', HOLDER, ...items];
  const child = spawn(command[0] as string, command.slice(1), {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  killAtExit(child);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended(child);
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the holder ended with ${code}`)));
  });
  return child.pid as number;
}

function scene(...names: readonly string[]): { folder: string; data: string } {
  const folder = testFolder();
  const data = join(folder, 'data');
  mkdirSync(data);
  for (const name of names) writeFileSync(at(data, name), Buffer.alloc(SIZE, 'x'));
  return { folder, data };
}

function userProcesses(): number {
  const list = execFileSync('ps', ['--ppid', '2', '-p', '2', '--deselect', '-o', 'pid=']);
  return list.toString().trim().split('\n').length;
}

/** `name` a byte a character. */
function at(directory: string, name: string): Buffer {
  return Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name, 'latin1')]);
}

async function find(...directories: readonly string[]) {
  const { files } = await findHeldOpen(
    directories.map((path) => ({ path })),
    { signal: new AbortController().signal },
  );
  return files.toSorted((a, b) => a.path.compare(b.path));
}

describe.skipIf(process.platform !== 'linux')('held through a descriptor', () => {
  test('what is deleted, with size, identity, time and holder; what is not deleted stays out', async () => {
    const { data } = scene('gone', 'here');
    const stat = statSync(join(data, 'gone'), { bigint: true });
    const pid = await hold([`fd:${data}/gone`, `fd:${data}/here`]);
    expect(await find(data)).toEqual([]);
    const before = Date.now();
    rmSync(join(data, 'gone'));
    const [file, ...more] = await find(data);
    expect(more).toEqual([]);
    expect(file).toMatchObject({
      directory: 0,
      path: Buffer.from('gone'),
      bytes: Number(stat.blocks) * 512,
      identity: `${stat.dev}:${stat.ino}`,
      holders: [{ pid }],
    });
    // The kernel's clock for files is a tick behind.
    expect(file?.ctimeMs).toBeGreaterThan(before - 20);
    expect(file?.holders[0]?.command).toMatch(/^\/usr\/bin\/python3 -c /);
    expect(file?.holders[0]?.command).toMatch(/^[\x20-\x7e]{60}$/);
  });

  test('by two descriptors and two processes it counts once', async () => {
    const { data } = scene('gone');
    const one = await hold([`fd:${data}/gone`, `fd:${data}/gone`]);
    const two = await hold([`fd:${data}/gone`]);
    rmSync(join(data, 'gone'));
    const found = await find(data);
    expect(found.map(({ bytes }) => bytes)).toEqual([SIZE]);
    expect(found[0]?.holders.map(({ pid }) => pid)).toEqual([one, two].toSorted((a, b) => a - b));
  });

  test('a file with a name left elsewhere is not gone', async () => {
    const { folder, data } = scene('linked');
    linkSync(join(data, 'linked'), join(folder, 'other-name'));
    await hold([`fd:${data}/linked`]);
    rmSync(join(data, 'linked'));
    expect(await find(data)).toEqual([]);
    rmSync(join(folder, 'other-name'));
    expect(await find(data)).toHaveLength(1);
  });

  test('names of any bytes, and ones that only look deleted', async () => {
    const names = ['a\nb\\012', 'caf\xe9', 'x (deleted)', 'y (deleted)'];
    const { data } = scene(...names);
    await hold(names.map((name) => `fd:${data}/${name}`));
    for (const name of names.slice(0, 3)) rmSync(at(data, name));
    const found = await find(data);
    expect(found.map(({ path }) => path.toString('latin1'))).toEqual(names.slice(0, 3));
  });

  test('the innermost of nested directories; nothing of a neighbour', async () => {
    const { folder, data } = scene('above');
    const inner = join(data, 'deep/inner');
    const neighbour = join(folder, 'data-2');
    for (const path of [inner, neighbour]) {
      mkdirSync(path, { recursive: true });
      writeFileSync(join(path, 'file'), 'x');
    }
    await hold([`fd:${data}/above`, `fd:${inner}/file`, `fd:${neighbour}/file`]);
    rmSync(join(data, 'above'));
    rmSync(join(inner, 'file'));
    rmSync(neighbour, { recursive: true });
    const found = await find(join(folder, 'none'), data, inner);
    expect(found.map(({ directory, path }) => [directory, path.toString()])).toEqual([
      [1, 'above'],
      [2, 'file'],
    ]);
    rmSync(join(data, 'deep'), { recursive: true });
    const again = await find(data);
    expect(again.map(({ path }) => path.toString())).toEqual(['above', 'deep/inner/file']);
  });

  test('not what this process holds itself', async () => {
    const { data } = scene('gone');
    const descriptor = openSync(join(data, 'gone'), 'r');
    rmSync(join(data, 'gone'));
    expect(await find(data)).toEqual([]);
    closeSync(descriptor);
  });

  test('an abort ends it', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(findHeldOpen([], { signal })).rejects.toThrow('enough');
  });
});

describe.skipIf(!requireOrSkip('root'))('held by mapping it', () => {
  test('once, whether by one process or two', async () => {
    const names = ['model\n.bin', 'here'];
    const { data } = scene(...names);
    const one = await hold(names.map((name) => `map:${data}/${name}`));
    const two = await hold([`fd:${data}/model\n.bin`, `fd:${data}/here`]);
    rmSync(join(data, 'model\n.bin'));
    const found = await find(data);
    expect(found.map(({ path, bytes }) => [path.toString(), bytes])).toEqual([
      ['model\n.bin', SIZE],
    ]);
    expect(found[0]?.holders.map(({ pid }) => pid)).toEqual([one, two].toSorted((a, b) => a - b));
  });
});

describe.skipIf(!requireOrSkip('root'))('other users', () => {
  test('root sees what they hold', async () => {
    const { data } = scene('gone');
    const pid = await hold([`fd:${data}/gone`], AS_NOBODY);
    rmSync(join(data, 'gone'));
    expect((await find(data)).map(({ holders }) => holders[0]?.pid)).toEqual([pid]);
  });

  test('what may not be looked at is counted, kernel threads are not', async () => {
    const { data } = scene('of-root', 'own', 'mapped');
    const signal = new AbortController().signal;
    const asNobody = async () => {
      process.setegid?.(NOBODY);
      process.seteuid?.(NOBODY);
      try {
        return await findHeldOpen([{ path: data }], { signal });
      } finally {
        process.seteuid?.(0);
        process.setegid?.(0);
      }
    };
    await hold([`fd:${data}/of-root`]);
    await hold([`fd:${data}/own`], AS_NOBODY);
    await hold([`map:${data}/mapped`], AS_NOBODY);
    for (const name of ['of-root', 'own', 'mapped']) rmSync(join(data, name));
    const { files, unseen } = await asNobody();
    expect(files.map(({ path }) => path.toString())).toEqual(['own']);
    // Others come and go on the machine; a kernel has dozens of threads.
    expect(unseen).toBeGreaterThanOrEqual(2);
    expect(unseen).toBeLessThan(userProcesses());
  });
});

describe.skipIf(!requireOrSkip('root', 'mount'))('mounts', () => {
  test('a bind mount in this namespace', async () => {
    const { folder, data } = scene('gone');
    mountAt(join(folder, 'view'), ['--bind', data]);
    await hold([`fd:${folder}/view/gone`]);
    rmSync(join(data, 'gone'));
    expect(await find(data)).toMatchObject([{ directory: 0, path: Buffer.from('gone') }]);
    expect(await find(join(folder, 'view'))).toHaveLength(1);
  });

  test.each(['', '/sub'])('a bind mount of data%s in another namespace', async (below) => {
    const { folder, data } = scene('gone');
    mkdirSync(join(data, 'sub'));
    writeFileSync(join(data, 'sub/in sub'), 'x');
    const elsewhere = join(folder, 'elsewhere \\ there');
    mkdirSync(elsewhere);
    const item = below === '' ? 'sub/in sub' : 'in sub';
    const pid = await hold(
      [`fd:${elsewhere}/${item}`, `map:${elsewhere}/${item}`],
      [
        ...OTHER_NAMESPACE,
        'mount --bind "$1" "$2"; shift 2; exec "$@"',
        'sh',
        data + below,
        elsewhere,
      ],
    );
    rmSync(join(data, 'sub'), { recursive: true });
    const found = await find(data);
    expect(found).toMatchObject([{ path: Buffer.from('sub/in sub'), holders: [{ pid }] }]);
  });

  test('a bind mount as the root of a process in another namespace', async () => {
    const { folder, data } = scene('gone');
    const root = join(folder, 'root');
    mkdirSync(root);
    await hold(
      [`root:${root}`, 'fd:/gone'],
      [...OTHER_NAMESPACE, 'mount --bind "$1" "$2"; shift 2; exec "$@"', 'sh', data, root],
    );
    rmSync(join(data, 'gone'));
    expect(await find(data)).toMatchObject([{ path: Buffer.from('gone') }]);
  });

  test('another file system at the same path in another namespace is not ours', async () => {
    const { data } = scene('gone');
    await hold(
      [`gone:${data}/theirs`],
      [
        ...OTHER_NAMESPACE,
        'mount -t tmpfs none "$1"; echo x >"$1/theirs"; shift; exec "$@"',
        'sh',
        data,
      ],
    );
    expect(await find(data)).toEqual([]);
  });
});
