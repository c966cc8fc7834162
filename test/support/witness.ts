/** What is on disk, said by find and sha256sum instead of by our own code. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';

/** Everything below that is not a directory, sorted, relative to it; bytes that are not UTF-8 as `\xNN`. */
export function fileList(directory: string): string[] {
  return names(directory, ['!', '-type', 'd']);
}

/** As `fileList`, directories included. */
export function entryList(directory: string): string[] {
  return names(directory, []);
}

/** Files, links and special files at every depth; directories are not counted. */
export function countFiles(directory: string): number {
  return fields(find(directory, ['!', '-type', 'd'], '%P')).length;
}

/** Blocks of everything that is not a directory, a file with several names once. */
export function allocatedBytes(directory: string): number {
  const inodes = new Map<string, number>();
  for (const line of fields(find(directory, ['!', '-type', 'd'], '%D:%i %b'))) {
    const [inode = '', blocks] = line.toString().split(' ');
    inodes.set(inode, Number(blocks) * 512);
  }
  return [...inodes.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/**
 * SHA-256 over names, types, modes, owners, modification times, link targets and contents of
 * everything in the directory and of itself. Reading it changes none of them.
 * @param except what is left out with all in it, e.g. `home`, where the tool keeps its runs.
 */
export function treeHash(directory: string, except?: string): string {
  const hash = createHash('sha256');
  const pruned = except === undefined ? [] : ['-path', `./${except}`, '-prune', '-o'];
  const entries = fields(find(directory, undefined, '%P|%y|%m|%U:%G|%T@|%l', pruned));
  for (const entry of entries.toSorted((a, b) => a.compare(b))) hash.update(entry).update('\0');
  const sums = shell(
    `find . ${pruned.join(' ')} -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum -z`,
    directory,
  );
  return hash.update(sums).digest('hex');
}

function names(directory: string, tests: readonly string[]): string[] {
  return fields(find(directory, tests, '%P'))
    .map(printable)
    .toSorted();
}

function find(
  directory: string,
  tests: readonly string[] | undefined,
  format: string,
  pruned: readonly string[] = [],
): Buffer {
  const depth = tests === undefined ? [] : ['-mindepth', '1'];
  return execFileSync(
    'find',
    ['.', ...depth, ...pruned, ...(tests ?? []), '-printf', `${format}\\0`],
    {
      cwd: directory,
      maxBuffer: 2 ** 30,
    },
  );
}

function shell(script: string, cwd: string): Buffer {
  return execFileSync('bash', ['-euo', 'pipefail', '-c', script], {
    cwd,
    maxBuffer: 2 ** 30,
    // With a socket as input, as Node gives, Debian's bash takes itself for a remote login and reads bashrc.
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function fields(output: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let start = 0; start < output.length;) {
    const end = output.indexOf(0, start);
    found.push(output.subarray(start, end));
    start = end + 1;
  }
  return found;
}

function printable(name: Buffer): string {
  const text = name.toString();
  if (Buffer.from(text).equals(name)) return text;
  return name
    .toString('latin1')
    .replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}
