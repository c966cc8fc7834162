import type { Stats } from 'node:fs';
import type { LinkLedger } from './link-ledger.ts';

/** What went, counted after each removal succeeded. Directories count as inodes, not as deleted. */
export interface Removal {
  deleted: number;
  /** Allocated blocks, subdirectories included; a file with several names when the last one went. */
  bytesFreed: number;
  inodesFreed: number;
  /** Files that stay because they are too young. */
  young: number;
}

export function noRemoval(): Removal {
  return { deleted: 0, bytesFreed: 0, inodesFreed: 0, young: 0 };
}

export function addRemoval(sum: Removal, more: Readonly<Removal>): void {
  sum.deleted += more.deleted;
  sum.bytesFreed += more.bytesFreed;
  sum.inodesFreed += more.inodesFreed;
  sum.young += more.young;
}

/** One of several names of a file was removed: its blocks may be free now. */
export interface NameOfSeveral {
  /** Of the file: on btrfs each subvolume has one, and numbers of its own. */
  readonly device: number;
  readonly inode: number;
  readonly links: number;
  readonly bytes: number;
}

/** All that is kept of a Stats while others remove the file. */
export type Weight = Pick<Stats, 'blocks' | 'dev' | 'ino' | 'nlink'>;

/** @param stat of just before the removal. @returns what is left to find out. */
export function countRemoved(removal: Removal, stat: Weight): NameOfSeveral | undefined {
  removal.deleted += 1;
  const bytes = stat.blocks * 512;
  if (stat.nlink > 1) return { device: stat.dev, inode: stat.ino, links: stat.nlink, bytes };
  removal.bytesFreed += bytes;
  removal.inodesFreed += 1;
  return undefined;
}

export function countName(
  removal: Removal,
  ledger: LinkLedger,
  { device, inode, links, bytes }: NameOfSeveral,
): void {
  if (!ledger.removed(device, inode, links)) return;
  removal.bytesFreed += bytes;
  removal.inodesFreed += 1;
}
