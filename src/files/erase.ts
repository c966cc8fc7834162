import { lstatSync, renameSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import { asideName, isAside, ownPath } from './aside.ts';
import type { Asides } from './aside.ts';
import { erase } from './eraser.ts';
import type { Aside, EraseContext, PendingFile } from './erase-context.ts';
import { WORKING_MS } from './file-workers.ts';
import type { FileWorkers } from './file-workers.ts';
import { holdsWhatStays } from './holds-what-stays.ts';
import { startListing } from './listing.ts';
import { createLinkLedger } from './link-ledger.ts';
import type { LinkLedger } from './link-ledger.ts';
import { readMounts } from './mounts.ts';
import { currentPath, enterDirectory } from './open-directory.ts';
import type { Name, OpenDirectory } from './open-directory.ts';
import { goHome } from './process-wide.ts';
import { countName, noRemoval } from './removal.ts';
import type { Removal } from './removal.ts';
import { boundariesOf } from './rules.ts';
import type { Rules } from './rules.ts';

export interface Erased extends Readonly<Removal> {
  /** Mount points below, relative, as bytes; not entered, not removed. */
  readonly mounts: readonly Buffer[];
  /** Files that an NFS client holds under names of its own; they go when it lets go. */
  readonly pending: readonly PendingFile[];
}

export interface EraseObserver {
  /**
   * What could not be removed; `item` is relative to the directory, as bytes. `lies` is where it is
   * now, when that is not the same: in a model that was renamed aside.
   */
  readonly failure: (item: Buffer, code: string, lies?: Buffer) => void;
  /** Running totals, every few milliseconds. */
  readonly progress: (deleted: number, bytesFreed: number) => void;
  /** Every single item, for `--verbose`; then nobody helps. */
  readonly item?: (path: Buffer) => void;
}

export interface EraseOptions {
  readonly rules: Rules;
  /** What was renamed aside, also by passes before; grows. */
  readonly asides?: Asides;
  /** Of all directories of the run. */
  readonly ledger?: LinkLedger;
  readonly workers?: FileWorkers | undefined;
}

const ASIDE_TRIES = 20;
const MOST_LISTED = 1000;

/**
 * Removes everything in an opened directory, at every depth; the directory itself, its owner and
 * its mode stay. Never follows a link, never enters another mount, never leaves the descriptor.
 * A failure is reported and its siblings go on.
 *
 * On abort the item at hand is finished and what was removed so far is returned.
 */
export async function eraseDirectory(
  top: OpenDirectory,
  options: EraseOptions,
  observer: EraseObserver,
  signal: AbortSignal,
): Promise<Erased> {
  const { rules, ledger = createLinkLedger(), asides = new Map<string, Buffer>() } = options;
  const removal = noRemoval();
  const mounts: Buffer[] = [];
  const pending: PendingFile[] = [];
  const boundaries = boundariesOf(rules);
  const begun = new Set<string>();
  const told = new Set<string>();
  const context: EraseContext = {
    root: top,
    rootPath: Buffer.alloc(0),
    topPath: currentPath(top),
    boundaries,
    removal,
    listener: {
      failure(path, code) {
        if (isKnown(path)) return;
        const known = ownPath(asides, path);
        if (known === undefined) observer.failure(path, code);
        else observer.failure(known, code, path);
      },
      mount: (path) => note(mounts, path),
      pending(file) {
        if (!isKnown(file.path)) note(pending, file);
      },
      busy(path) {
        if (isMountPoint(path)) note(mounts, path);
        else context.listener.failure(path, 'EBUSY');
      },
      nameOfSeveral: (name) => {
        countName(removal, ledger, name);
      },
      item: observer.item && ((path) => observer.item?.(ownPath(asides, path) ?? path)),
      progress: () => observer.progress(removal.deleted, removal.bytesFreed),
    },
    stopped: () => signal.aborted,
    calledBack: () => false,
    slice: () => options.workers?.slice() ?? WORKING_MS,
    window: () => options.workers?.window() ?? 1,
    isFar: () => options.workers?.isFar() ?? false,
    sharing: undefined,
    setAside: rules.whole ? setAside : undefined,
    meter: options.workers?.meter,
  };
  // Between a look by one process and the removal by another a file could be replaced by a young one.
  const isShared = observer.item === undefined && top.byDescriptor && rules.before === undefined;
  const help = isShared ? options.workers : undefined;
  if (rules.whole && boundaries.before !== undefined) {
    // What an earlier run left half done goes whatever its age.
    const trees = entriesAside(top).filter(
      (name) => boundaries.stays?.(() => Buffer.from(name)) !== true,
    );
    const ageless = { ...boundaries, before: undefined };
    const alone = { ...context, boundaries: ageless, setAside: undefined, meter: undefined };
    await erase(alone, { trees, names: [] });
    for (const name of trees) begun.add(keyOf(name));
  }
  await erase({ ...context, sharing: help?.sharing(context, rules) }, undefined);
  observer.progress(removal.deleted, removal.bytesFreed);
  return { ...removal, mounts, pending };

  function setAside(name: Name): Aside {
    // A listing that goes on may show it a second time, under its new name.
    if (begun.has(keyOf(name))) return { is: 'known' };
    begun.add(keyOf(name));
    if (isAside(name)) return name;
    const below = `${keyOf(name)}/`;
    if (rules.mounts.some((mount) => mount.startsWith(below))) return name;
    if (boundaries.stays !== undefined || boundaries.before !== undefined) {
      const held = holdsWhatStays(top, name, boundaries);
      if (held === 'young') {
        removal.young += 1;
        return { is: 'staying' };
      }
      if (held === 'kept') return name;
    }
    for (let attempt = 0; attempt < ASIDE_TRIES; attempt += 1) {
      const aside = asideName(name.toString(), attempt);
      try {
        enterDirectory(top);
        if (lstatSync(aside, { throwIfNoEntry: false }) !== undefined) continue;
        renameSync(name, aside);
        begun.add(keyOf(aside));
        asides.set(keyOf(aside), Buffer.from(name));
        return aside;
      } catch (error) {
        // Taken in this very moment; anything else: it goes where it is.
        if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCode(error))) return name;
      }
    }
    return name;
  }

  /** A worker that gives a directory back has told of some of it, and the next one tells again. */
  function isKnown(path: Buffer): boolean {
    const key = path.toString('latin1');
    if (told.has(key)) return true;
    if (told.size < MOST_LISTED) told.add(key);
    return false;
  }

  function isMountPoint(path: Buffer): boolean {
    const at = `${currentPath(top)?.toString('latin1') ?? ''}/${path.toString('latin1')}`;
    return readMounts()?.some(({ pointBytes }) => pointBytes === at) ?? false;
  }
}

function entriesAside(top: OpenDirectory): Name[] {
  const found: Name[] = [];
  const listing = startListing(top);
  try {
    for (let part = listing.next(); part !== undefined; part = listing.next()) {
      found.push(...part.directories.filter(isAside));
    }
  } catch (error) {
    // The run itself will say so.
    systemCode(error);
  } finally {
    listing.close();
    goHome();
  }
  return found;
}

function keyOf(name: Name): string {
  return typeof name === 'string' ? Buffer.from(name).toString('latin1') : name.toString('latin1');
}

function note<T>(list: T[], one: T): void {
  if (list.length < MOST_LISTED) list.push(one);
}
