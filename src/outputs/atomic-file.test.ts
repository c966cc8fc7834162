import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { mountAt, testFolder } from '../../test/support/folder.ts';
import { requireOrSkip } from '../../test/support/requirements.ts';
import { writeAtomically } from './atomic-file.ts';

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

function withUmask(mask: number): void {
  const old = process.umask(mask);
  onTestFinished(() => void process.umask(old));
}

/** Bytes read from a pipe; 0 while its writer has put nothing in it. */
function readWaiting(reader: number, buffer: Buffer): number {
  try {
    return readSync(reader, buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}

describe('a file', () => {
  test('that is new gets the mode, whatever the umask', async () => {
    withUmask(0o077);
    const folder = testFolder();
    await writeAtomically(join(folder, 'report'), 'é\n');
    await writeAtomically(join(folder, 'metrics'), '', 0o644);
    expect(readFileSync(join(folder, 'report'), 'utf8')).toBe('é\n');
    expect(modeOf(join(folder, 'report'))).toBe(0o600);
    expect(modeOf(join(folder, 'metrics'))).toBe(0o644);
    expect(readdirSync(folder).toSorted()).toEqual(['metrics', 'report']);
  });

  test('that is there is replaced and keeps its mode', async () => {
    const file = join(testFolder(), 'metrics');
    writeFileSync(file, 'a longer old text');
    chmodSync(file, 0o640);
    const { ino } = statSync(file);
    await writeAtomically(file, 'new', 0o600);
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(modeOf(file)).toBe(0o640);
    expect(statSync(file).ino).not.toBe(ino);
  });

  test.skipIf(!requireOrSkip('root'))('keeps its owner, and no setuid bit', async () => {
    const file = join(testFolder(), 'metrics');
    writeFileSync(file, 'old');
    chownSync(file, 1234, 4321);
    chmodSync(file, 0o6755);
    await writeAtomically(file, 'new');
    expect(statSync(file)).toMatchObject({ uid: 1234, gid: 4321 });
    expect(modeOf(file)).toBe(0o755);
  });

  test('is whole for whoever reads meanwhile', async () => {
    const folder = testFolder();
    const file = join(folder, 'metrics');
    const size = 300_000;
    await writeAtomically(file, 'x'.repeat(size));
    const writing = new AbortController();
    const seen = new Set<string>();
    const read = async (): Promise<void> => {
      while (!writing.signal.aborted) {
        const handle = await open(file);
        const text = await handle.readFile('utf8');
        await handle.close();
        seen.add(`${text.length} ${[...new Set(text)].join('')}`);
      }
    };
    const readers = [read(), read()];
    try {
      for (let round = 0; round < 20; round += 1) {
        await writeAtomically(file, (round % 2 === 0 ? 'a' : 'b').repeat(size));
      }
    } finally {
      writing.abort();
      await Promise.all(readers);
    }
    expect([...seen].filter((one) => !/^300000 [abx]$/.test(one))).toEqual([]);
    expect(seen.size).toBeGreaterThanOrEqual(2);
    expect(readdirSync(folder)).toEqual(['metrics']);
  }, 30_000);

  test('many at once to one place: one of them, whole', async () => {
    const folder = testFolder();
    const texts = Array.from({ length: 10 }, (_, index) => String(index).repeat(100_000));
    await Promise.all(texts.map(async (text) => writeAtomically(join(folder, 'report'), text)));
    expect(texts).toContain(readFileSync(join(folder, 'report'), 'utf8'));
    expect(readdirSync(folder)).toEqual(['report']);
  });
});

describe('a link', () => {
  test('stays, and what it leads to is replaced', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'real'));
    writeFileSync(join(folder, 'real/file'), 'old');
    symlinkSync('real/file', join(folder, 'second'));
    symlinkSync('second', join(folder, 'first'));
    await writeAtomically(join(folder, 'first'), 'new');
    expect(readlinkSync(join(folder, 'first'))).toBe('second');
    expect(readlinkSync(join(folder, 'second'))).toBe('real/file');
    expect(readFileSync(join(folder, 'real/file'), 'utf8')).toBe('new');
    expect(lstatSync(join(folder, 'real/file')).isFile()).toBe(true);
    expect(readdirSync(join(folder, 'real'))).toEqual(['file']);
  });

  test('to a file that is not there yet makes it', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'real'));
    symlinkSync('real/file', join(folder, 'link'));
    await writeAtomically(join(folder, 'link'), 'new');
    expect(readFileSync(join(folder, 'real/file'), 'utf8')).toBe('new');
  });

  test('is relative to where its directory really is', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'deep/real'), { recursive: true });
    symlinkSync('deep/real', join(folder, 'directory'));
    symlinkSync('../file', join(folder, 'deep/real/link'));
    await writeAtomically(join(folder, 'directory/link'), 'new');
    expect(readFileSync(join(folder, 'deep/file'), 'utf8')).toBe('new');
  });

  test('to itself is an error', async () => {
    const file = join(testFolder(), 'link');
    symlinkSync('link', file);
    await expect(writeAtomically(file, 'x')).rejects.toMatchObject({ code: 'ELOOP' });
  });
});

describe.skipIf(!requireOrSkip('root'))('in a directory open to all, a stranger', () => {
  function trap(): string {
    const folder = join(testFolder(), 'tmp');
    mkdirSync(folder);
    chmodSync(folder, 0o1777);
    return folder;
  }

  test("'s link is not followed, whatever the kernel is set to", async () => {
    const folder = trap();
    const victim = join(folder, '../passwd');
    writeFileSync(victim, 'old');
    execFileSync('ln', ['-s', victim, join(folder, 'report')]);
    execFileSync('chown', ['-h', '1234', join(folder, 'report')]);
    await expect(writeAtomically(join(folder, 'report'), 'new')).rejects.toMatchObject({
      code: 'EFOREIGN',
    });
    expect(readFileSync(victim, 'utf8')).toBe('old');
  });

  test.each(['file', 'pipe'])("'s %s does not get the report", async (kind) => {
    const file = join(trap(), 'report');
    if (kind === 'file') writeFileSync(file, 'old');
    else execFileSync('mkfifo', [file]);
    chownSync(file, 1234, 1234);
    await expect(writeAtomically(file, 'new')).rejects.toMatchObject({ code: 'EFOREIGN' });
    expect(statSync(file).uid).toBe(1234);
  });

  test('changes nothing for our own file and link', async () => {
    const folder = trap();
    writeFileSync(join(folder, 'report'), 'old');
    symlinkSync('report', join(folder, 'link'));
    await writeAtomically(join(folder, 'link'), 'new');
    expect(readFileSync(join(folder, 'report'), 'utf8')).toBe('new');
  });
});

describe('what is no file is written to directly', () => {
  test('/dev/full', async () => {
    await expect(writeAtomically('/dev/full', 'x')).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(statSync('/dev/full').isCharacterDevice()).toBe(true);
  });

  test('a directory', async () => {
    const folder = testFolder();
    await expect(writeAtomically(folder, 'x')).rejects.toMatchObject({ code: 'EISDIR' });
    expect(readdirSync(folder)).toEqual([]);
  });

  test('a pipe without reader is an error at once', async () => {
    const pipe = join(testFolder(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(writeAtomically(pipe, 'x')).rejects.toMatchObject({ code: 'ENXIO' });
  }, 5_000);

  test('a pipe whose reader takes its time gets all of it', async () => {
    const pipe = join(testFolder(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const text = 'x'.repeat(300_000);
    let isDone = false;
    const writing = writeAtomically(pipe, text).finally(() => (isDone = true));
    const buffer = Buffer.alloc(50_000);
    let length = 0;
    while (length < text.length) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (length === 0) expect(isDone).toBe(false);
      length += readWaiting(reader, buffer);
    }
    await writing;
    closeSync(reader);
    expect(length).toBe(300_000);
    expect(lstatSync(pipe).isFIFO()).toBe(true);
  });

  test.each(['/dev/stdout', '/dev/fd/1', '/proc/self/fd/1', 'LINK'])(
    '%s that is a file: after what is in it, and before what comes',
    async (name) => {
      const folder = testFolder();
      symlinkSync('/dev/stdout', join(folder, 'LINK'));
      const target = name === 'LINK' ? join(folder, name) : name;
      const module = pathToFileURL(fileURLToPath(new URL('atomic-file.ts', import.meta.url))).href;
      const script = `import { writeAtomically } from ${JSON.stringify(module)};
        process.stdout.write('before\\n');
        await writeAtomically(${JSON.stringify(target)}, 'report\\n');
        process.stdout.write('after\\n');`;
      const out = openSync(join(folder, 'out'), 'w');
      const tsx = fileURLToPath(new URL('../../node_modules/.bin/tsx', import.meta.url));
      writeFileSync(join(folder, 'script.mts'), script);
      const child = spawn(tsx, [join(folder, 'script.mts')], { stdio: ['ignore', out, 'inherit'] });
      expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
      closeSync(out);
      expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('before\nreport\nafter\n');
    },
    20_000,
  );
});

describe('trouble', () => {
  test('a directory that is not there', async () => {
    const file = join(testFolder(), 'missing/report');
    await expect(writeAtomically(file, 'x')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(existsSync(file)).toBe(false);
  });

  test.skipIf(!requireOrSkip('root', 'mount'))(
    'a full disk: the old file stays, and no other is left',
    async () => {
      const disk = join(testFolder(), 'disk');
      mountAt(disk, ['-t', 'tmpfs', '-o', 'size=64k', 'none']);
      const file = join(disk, 'report');
      writeFileSync(file, 'old');
      await expect(writeAtomically(file, 'x'.repeat(100_000))).rejects.toMatchObject({
        code: 'ENOSPC',
      });
      await expect(writeAtomically(join(disk, 'new'), 'x'.repeat(100_000))).rejects.toThrow();
      expect(readFileSync(file, 'utf8')).toBe('old');
      expect(readdirSync(disk)).toEqual(['report']);
      await writeAtomically(file, 'new');
      expect(readFileSync(file, 'utf8')).toBe('new');
    },
  );

  test.skipIf(!requireOrSkip('root', 'mount'))('a disk without an inode left', async () => {
    const disk = join(testFolder(), 'disk');
    mountAt(disk, ['-t', 'tmpfs', '-o', 'size=64k,nr_inodes=2', 'none']);
    const file = join(disk, 'report');
    writeFileSync(file, 'old');
    await expect(writeAtomically(file, 'new')).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(readFileSync(file, 'utf8')).toBe('old');
  });

  test.skipIf(!requireOrSkip('root', 'mount'))(
    'a file that cannot be replaced: no other is left',
    async () => {
      const folder = testFolder();
      const file = join(folder, 'report');
      writeFileSync(file, 'old');
      execFileSync('mount', ['--bind', file, file]);
      try {
        await expect(writeAtomically(file, 'new')).rejects.toMatchObject({ code: 'EBUSY' });
        expect(readdirSync(folder)).toEqual(['report']);
      } finally {
        execFileSync('umount', [file]);
      }
    },
  );
});
