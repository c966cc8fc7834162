/** File systems and kernels that tell less than others, or something else: it goes all the same. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findCommand, findPython } from './setup/needs.ts';
import { mountAt, testFolder } from './support/folder.ts';
import { ownStack, type OwnStack } from './support/own-config.ts';
import { ended, killAtExit } from './support/processes.ts';
import { requireOrSkip } from './support/requirements.ts';
import { mutantTool } from './support/tool.ts';
import { entryList } from './support/witness.ts';

const TINY = fileURLToPath(new URL('support/tiny_fs.py', import.meta.url));
const FILES = 3000;
const BLOCK = 2 ** 20;
const FRAGMENT = 4096;

async function tinyDisk(stack: OwnStack): Promise<void> {
  const path = stack.path('disk');
  mkdirSync(path);
  const args = [TINY, path, FILES, BLOCK, FRAGMENT].map(String);
  const child = spawn(findPython().path, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  killAtExit(child);
  onTestFinished(async () => {
    spawnSync(findCommand('fusermount') ?? 'fusermount', ['-u', '-z', path], { stdio: 'ignore' });
    const timer = setTimeout(() => child.kill('SIGKILL'), 2_000);
    await ended(child);
    clearTimeout(timer);
  });
  await once(child.stdout, 'data');
}

describe.skipIf(!requireOrSkip('fuse', 'mount'))('FUSE', () => {
  test('whose listing shifts when names go, beside a marker: nobody is blamed for it', async () => {
    const stack = ownStack();
    await tinyDisk(stack);
    stack.config({ directories: [{ path: 'disk/data', keep: ['file-7'] }] });
    const { code, service } = await stack.wipe();
    expect(readdirSync(stack.path('disk/data'))).toEqual(['file-7']);
    expect(service).toMatchObject({ files_deleted: FILES - 1, verified: true, errors: [] });
    expect([code, service['warnings']]).toEqual([0, []]);
  });

  test('that counts blocks in fragments: free space is what df says', async () => {
    const stack = ownStack();
    await tinyDisk(stack);
    stack.config({ directories: ['disk/data'] });
    const free = (): number =>
      Number(
        execFileSync('df', ['--output=avail', '-B1', stack.path('disk')], { encoding: 'utf8' })
          .trim()
          .split('\n')[1],
      );
    const before = free();
    const { stdout } = await stack.run(['media', '--yes', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      file_systems: [{ free_bytes_before: before, free_bytes_after: free(), note: null }],
    });
    expect(before).toBe(1000 * FRAGMENT);
  });
});

describe.skipIf(!requireOrSkip('root', 'mount'))('what is not told', () => {
  test.skipIf(!requireOrSkip('loop device'))(
    'which names are directories (ext4 without filetype)',
    async () => {
      const stack = ownStack();
      stack.config({ directories: ['disk/data'] });
      const image = stack.path('image');
      execFileSync('truncate', ['-s', '32M', image]);
      execFileSync('mkfs.ext4', ['-q', '-O', '^filetype', image]);
      mountAt(stack.path('disk'), ['-o', 'loop', image]);
      mkdirSync(stack.path('disk/data/sub'), { recursive: true });
      const names = `touch one two sub/three $'sub/\\xff' $'\\xfe'; mkdir $'d\\xff'; touch $'d\\xff/in'`;
      execFileSync('bash', ['-c', names], { cwd: stack.path('disk/data') });
      const plan = await stack.plan();
      const { code, service } = await stack.wipe();
      expect(entryList(stack.path('disk/data'))).toEqual([]);
      for (const told of [plan, service]) expect(told).toMatchObject({ files_deleted: 6 });
      expect([code, service['verified']]).toEqual([0, true]);
    },
  );

  test('the mount of a descriptor (Linux before 3.15, gVisor): mountinfo is believed', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/file', 'precious/one');
    mountAt(stack.path('data/view'), ['--bind', stack.path('precious')]);
    const tool = mutantTool(testFolder(), [['/^mnt_id:', '/^no_id:']]);
    const { service } = await stack.wipe({ tool });
    expect(readdirSync(stack.path('precious'))).toEqual(['one']);
    expect(service).toMatchObject({
      files_deleted: 1,
      errors: ['Data/view: Is a mount point: not entered, not removed'],
    });
  });
});

test('a file of an NFS client that can be neither removed nor looked at is an error', async () => {
  const stack = ownStack();
  stack.config({ directories: ['data'] });
  stack.files('data/.nfs000000000123', 'data/other/one', 'data/two');
  const busy = 'Object.assign(new Error("EBUSY"), { code: "EBUSY" })';
  const tool = mutantTool(testFolder(), [
    [
      'unlinkSync(name);\n          removed(node, name, stat);',
      `if (String(name).startsWith('.nfs')) throw ${busy};\n          unlinkSync(name);\n          removed(node, name, stat);`,
    ],
    [
      'const stat = directory && statChild(directory, name);',
      'throw Object.assign(new Error("EIO: i/o error, lstat"), { code: "EIO" }); const stat = undefined;',
    ],
  ]);
  const { code, service } = await stack.wipe({ tool });
  expect(code).toBe(1);
  expect(service['errors']).toEqual(['Data/.nfs000000000123: Input/output error']);
  expect(entryList(stack.path('data'))).toEqual(['.nfs000000000123']);
});
