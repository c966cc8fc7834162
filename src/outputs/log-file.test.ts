import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  openSync,
  readFileSync,
  readSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { mountAt, testFolder } from '../../test/support/folder.ts';
import { requireOrSkip } from '../../test/support/requirements.ts';
import { openLogFile } from './log-file.ts';

test('appends lines to a file that it creates for its owner alone', () => {
  const file = join(testFolder(), 'log');
  const first = openLogFile(file);
  first.write('one');
  first.write('é two');
  first.close();
  const second = openLogFile(file);
  second.write('three');
  expect(readFileSync(file, 'utf8')).toBe('one\né two\nthree\n');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(first.problem() ?? second.problem()).toBeUndefined();
  second.close();
});

test('a file that is there keeps its mode and text', () => {
  const file = join(testFolder(), 'log');
  writeFileSync(file, 'old\n');
  chmodSync(file, 0o664);
  const log = openLogFile(file);
  log.write('new');
  log.close();
  expect(readFileSync(file, 'utf8')).toBe('old\nnew\n');
  expect(statSync(file).mode & 0o777).toBe(0o664);
});

test('parallel writers do not mix their lines', async () => {
  const folder = testFolder();
  const module = new URL('log-file.ts', import.meta.url).href;
  writeFileSync(
    join(folder, 'writer.mts'),
    `import { openLogFile } from ${JSON.stringify(module)};
     const log = openLogFile(process.argv[2]);
     for (let index = 0; index < 2000; index += 1) log.write(process.argv[3].repeat(200));
     log.close();
     process.exit(log.problem() === undefined ? 0 : 1);`,
  );
  const tsx = fileURLToPath(new URL('../../node_modules/.bin/tsx', import.meta.url));
  const file = join(folder, 'log');
  const codes = await Promise.all(
    ['a', 'b'].map(async (letter) => {
      const child = spawn(tsx, [join(folder, 'writer.mts'), file, letter], { stdio: 'inherit' });
      return await new Promise((resolve) => child.once('exit', resolve));
    }),
  );
  expect(codes).toEqual([0, 0]);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  expect(lines).toHaveLength(4000);
  expect(new Set(lines)).toEqual(new Set(['a'.repeat(200), 'b'.repeat(200)]));
}, 30_000);

describe('trouble is remembered and never thrown', () => {
  test.each([
    [
      'a directory that is not there',
      (folder: string) => join(folder, 'no/log'),
      'No such file or directory (ENOENT)',
    ],
    ['a directory', (folder: string) => folder, 'Is a directory (EISDIR)'],
    ['/dev/full', () => '/dev/full', 'No space left on device (ENOSPC)'],
  ])('%s', (_, at, reason) => {
    const file = at(testFolder());
    const log = openLogFile(file);
    log.write('one');
    expect(log.problem()).toBe(`${file}: ${reason}, 1 line is lost`);
    log.write('two');
    log.close();
    log.close();
    expect(log.problem()).toBe(`${file}: ${reason}, 2 lines are lost`);
  });

  test('a closed file', () => {
    const file = join(testFolder(), 'log');
    const log = openLogFile(file);
    log.close();
    log.write('late');
    expect(readFileSync(file, 'utf8')).toBe('');
    expect(log.problem()).toBeUndefined();
  });

  test('a pipe without reader, at once', () => {
    const pipe = join(testFolder(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    const log = openLogFile(pipe);
    log.write('one');
    log.close();
    expect(log.problem()).toBe(`${pipe}: No such device or address (ENXIO), 1 line is lost`);
  });

  test('a pipe whose reader does not read', () => {
    const pipe = join(testFolder(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const log = openLogFile(pipe);
    for (let index = 0; index < 100; index += 1) log.write('x'.repeat(1023));
    // A pipe holds 64 KiB (pipe(7)).
    expect(log.problem()).toMatch(/unavailable \(EAGAIN\), 36 lines are lost$/);
    readSync(reader, Buffer.alloc(2 ** 16));
    log.write('again');
    const buffer = Buffer.alloc(100);
    expect(buffer.toString('utf8', 0, readSync(reader, buffer))).toBe('again\n');
    closeSync(reader);
    log.write('nobody');
    expect(log.problem()).toMatch(/unavailable \(EAGAIN\), 37 lines are lost$/);
    log.close();
  });

  test.skipIf(!requireOrSkip('root', 'mount'))(
    'a disk that is full, and then is not any more',
    () => {
      const disk = join(testFolder(), 'disk');
      mountAt(disk, ['-t', 'tmpfs', '-o', 'size=64k', 'none']);
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(56 * 1024));
      const file = join(disk, 'log');
      const log = openLogFile(file);
      // One page is left in the middle of the third line.
      for (let index = 0; index < 5; index += 1) log.write(String(index).repeat(1999));
      expect(log.problem()).toBe(`${file}: No space left on device (ENOSPC), 1 line is lost`);
      unlinkSync(join(disk, 'ballast'));
      log.write('goes on');
      log.close();
      expect(log.problem()).toBe(`${file}: No space left on device (ENOSPC), 1 line is lost`);
      const lines = readFileSync(file, 'utf8').split('\n');
      expect(lines.at(-2)).toBe('goes on');
    },
  );
});
