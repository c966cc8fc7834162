/** The file systems that a bench removes files on. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mountAt } from '../test/support/folder.ts';
import { requireOrSkip } from '../test/support/requirements.ts';

export interface Place {
  /** For the contest's title: its words choose contests. */
  readonly name: string;
  readonly kind: 'tmpfs' | 'disk' | 'image';
  /** The disk is told of every block that becomes free, which costs more than the deletion. */
  readonly discards: boolean;
  /** Empty, in the folder. */
  readonly path: string;
}

/** Those that this machine has; their mounts and images go with the folder. */
export function makePlaces(folder: string, { images }: { readonly images: boolean }): Place[] {
  const disk = makeDisk(folder);
  return [
    ...(requireOrSkip('root', 'mount') ? [makeTmpfs(folder)] : []),
    ...(disk === undefined ? [] : [disk]),
    ...(images && disk !== undefined && requireOrSkip('root', 'mount', 'loop device')
      ? [makeImage(folder, false), makeImage(folder, true)]
      : []),
  ];
}

function makeTmpfs(folder: string): Place {
  const mountPoint = join(folder, 'tmpfs');
  mountAt(mountPoint, ['-t', 'tmpfs', '-o', 'size=8g,nr_inodes=2m', 'none']);
  return { name: 'tmpfs', kind: 'tmpfs', discards: false, path: emptyDirectory(mountPoint) };
}

/** Where temporary files are in memory there is none; TMPDIR can lead to one. */
function makeDisk(folder: string): Place | undefined {
  const [type = '', options = ''] = execFileSync(
    'findmnt',
    ['--noheadings', '--output', 'FSTYPE,OPTIONS', '--target', folder],
    { encoding: 'utf8' },
  )
    .trim()
    .split(/\s+/);
  if (type === 'tmpfs') return undefined;
  const discards = options.split(',').includes('discard');
  return {
    name: `disk (${type}${discards ? ' with discard' : ''})`,
    kind: 'disk',
    discards,
    path: emptyDirectory(join(folder, 'disk')),
  };
}

function makeImage(folder: string, discards: boolean): Place {
  const option = discards ? 'discard' : 'nodiscard';
  const image = join(folder, `${option}.img`);
  writeFileSync(image, '');
  execFileSync('truncate', ['--size', '2G', image]);
  // All is initialised now: else the kernel goes on with it during the first minutes.
  const eager = 'lazy_itable_init=0,lazy_journal_init=0';
  execFileSync('mkfs.ext4', ['-q', '-N', '200000', '-E', eager, image], { stdio: 'pipe' });
  const mountPoint = join(folder, option);
  mountAt(mountPoint, ['-t', 'ext4', '-o', `loop,${option}`, image]);
  return {
    name: `image (ext4 with a journal${discards ? ' and discard' : ''})`,
    kind: 'image',
    discards,
    path: emptyDirectory(mountPoint),
  };
}

/** Not the mount point itself, in which ext4 has its lost+found. */
function emptyDirectory(directory: string): string {
  const path = join(directory, 'media');
  mkdirSync(path, { recursive: true });
  return path;
}
