/** Batches of random trees, and what find says is there. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { findPython } from '../setup/needs.ts';
import { writeConfig } from './config-file.ts';
import { createFolder } from './folder.ts';

/** Trees of one run of the tool, a service each. */
export const BATCH = 10;

const SCRIPT = fileURLToPath(new URL('random-trees.py', import.meta.url));

export interface RandomTree {
  /** Of its service, and of its folders in `media` and `outside`. */
  readonly name: string;
  /** Inodes that are immutable or append-only. */
  readonly stuck: readonly string[];
  /** What something is mounted on for the tool: paths as in `Snapshot`. */
  readonly mounts: readonly string[];
}

export interface Batch {
  readonly folder: string;
  readonly config: string;
  /** Shell text that mounts, for `confine`. */
  readonly prepare: string;
  readonly trees: readonly RandomTree[];
  remove(): void;
}

export interface Entry {
  /** Relative to the folder; bytes as Latin-1. */
  readonly path: string;
  /** As find's `%y`: `d` is a directory. */
  readonly type: string;
  readonly inode: string;
  /** Of 512 bytes. */
  readonly blocks: number;
  /** Inode, owner and mode. */
  readonly identity: string;
}

/** By path; parents before what is in them. */
export type Snapshot = ReadonlyMap<string, Entry>;

export function makeTrees(seed: number, first: number, withAttributes: boolean): Batch {
  const folder = createFolder();
  onTestFinished(() => folder.remove());
  for (const name of ['media', 'outside']) mkdirSync(`${folder.path}/${name}`);
  const end = first + BATCH;
  const args = [SCRIPT, seed, first, end, withAttributes ? 'yes' : 'no'].map(String);
  const made = JSON.parse(
    execFileSync(findPython().path, args, { cwd: folder.path }).toString(),
  ) as {
    readonly stuck: readonly string[];
    readonly mounts: readonly { readonly at: string; readonly from: string | null }[];
  }[];
  const numbers = made.map((_, index) => first + index);
  return {
    folder: folder.path,
    config: writeConfig(
      folder.path,
      Object.fromEntries(
        numbers.map((number) => [
          `s${number}`,
          {
            root: `../media/s${number}`,
            directories: ['a', 'b'].map(mayHoldMounts),
            models: [mayHoldMounts('models')],
          },
        ]),
      ),
    ),
    prepare: made
      .flatMap(({ mounts }) => mounts)
      .map(({ at, from }) =>
        from === null
          ? `mount -t tmpfs none ${quoted(at)}`
          : `mount --bind ${quoted(from)} ${quoted(at)}`,
      )
      .join('\n'),
    trees: made.map(({ stuck, mounts }, index) => ({
      name: `s${numbers[index]}`,
      stuck,
      mounts: mounts.map(({ at }) => at),
    })),
    remove: () => folder.remove(),
  };
}

/** What is mounted in a tree stays, and is no reason to fail: the rest is what the trees are about. */
function mayHoldMounts(path: string) {
  return { path, mountsMayStay: true };
}

export function snapshot(folder: string): Snapshot {
  const output = execFileSync('find', ['media', 'outside', '-printf', '%y %i %b %m:%U:%G %p\\0'], {
    cwd: folder,
    maxBuffer: 2 ** 30,
  }).toString('latin1');
  const entries = new Map<string, Entry>();
  for (const line of output.split('\0').slice(0, -1)) {
    const [type = '', inode = '', blocks, owner = ''] = line.split(' ', 4);
    const path = line.slice([type, inode, blocks, owner].join(' ').length + 1);
    entries.set(path, {
      path,
      type,
      inode,
      blocks: Number(blocks),
      identity: `${inode} ${owner}`,
    });
  }
  return entries;
}

/** For bash, whatever the bytes are. */
function quoted(path: string): string {
  const bytes = Array.from(
    Buffer.from(path, 'latin1'),
    (byte) => `\\x${byte.toString(16).padStart(2, '0')}`,
  );
  return `$'${bytes.join('')}'`;
}
