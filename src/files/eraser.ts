import { lstatSync, readdirSync, rmdirSync, unlink, unlinkSync } from 'node:fs';
import { rmdir, unlink as unlinkLater } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { errorCode, systemCode } from '../errors.ts';
import { isAside } from './aside.ts';
import type { Answer, EraseContext, Work } from './erase-context.ts';
import { startListing } from './listing.ts';
import {
  MovedError,
  REPLACEMENT,
  checkPlace,
  closeDirectory,
  currentPath,
  enterAndLocate,
  enterDirectory,
  entryForLater,
  isAncestor,
  isUnlinked,
  openChild,
  statChild,
} from './open-directory.ts';
import type { Name, OpenDirectory } from './open-directory.ts';
import { goHome } from './process-wide.ts';
import { countRemoved } from './removal.ts';
import type { Weight } from './removal.ts';
import { createSliceClock } from './slice-clock.ts';
import { WINDOW, close, closeOpen, joined, nodeOf, pathOfNode, reopen } from './tree-node.ts';
import type { TreeNode } from './tree-node.ts';

interface Opened {
  readonly name: Name;
  readonly directory: OpenDirectory;
}

interface FileFound {
  readonly name: Name;
  readonly stat: Weight;
}

/** How often a directory that fills up while it is emptied is read again. */
const ATTEMPTS = 4;
/** Names that are worked through before it is asked again whether the directory was moved. */
const NAMES_BETWEEN_LOOKS = 64;
const NAMES_BETWEEN_CLOCKS = 32;
/** Fewer files are not worth a message. */
const FEWEST_SHARED = 128;
/** Names in one message. */
const MOST_SHARED = 500;
/** Of a directory, for a few files: `st_size` of one block. */
const SMALL_BYTES = 4096;
/** Some file systems call every directory that large. */
const SMALL_ENTRIES = 500;
const SMALL_AT_ONCE = 16;
/** Removing one takes long enough for a thread of its own. */
const LARGE_BYTES = 32 * 2 ** 20;
const LARGE_AT_ONCE = 4;
/** So long without an answer and without work, and it is asked for some. */
const IDLE_MS = 15;

const SLASH = Buffer.from('/');
const OR_UNDEFINED = { throwIfNoEntry: false } as const;
const NFS_NAME = /^\.nfs[0-9a-fA-F]{8,}$/;

/**
 * Removes `files` and `trees` of the root, or all that is in it. A failure is told and its siblings
 * go on. Never follows a link, never enters another mount, never leaves a descriptor.
 * @returns what stays of the root's entries, and the trees that are not done when it was stopped.
 */
export async function erase(context: EraseContext, work: Work<Name> | undefined): Promise<Answer> {
  const { boundaries, listener, removal, sharing } = context;
  const root = nodeOf(undefined, '', context.root);
  const runnable: TreeNode[] = [root];
  const clock = createSliceClock(context.slice, context.meter);
  let namesSinceLook = NAMES_BETWEEN_LOOKS;
  let wake: (() => void) | undefined;
  const state = { done: false, answers: 0 };
  /** In this slice, for something else than one call after the other. */
  let waited = false;
  let removals = 0;
  let tried = 0;
  const refused: { readonly index: number; readonly code: string }[] = [];
  let broken: unknown;
  const begun = new Set<TreeNode>();
  const topText = textOf(context.topPath);
  /** Nothing in it stays but what cannot be removed. */
  const isPlain =
    boundaries.stays === undefined &&
    boundaries.isMountPoint === undefined &&
    boundaries.before === undefined;
  try {
    if (work !== undefined) {
      root.listed = true;
      root.pending.push(...work.trees.toReversed());
      await unlinkNames(root, work.names);
    }
    while (!state.done && !context.stopped() && !context.calledBack()) {
      if (broken !== undefined) throw broken as Error;
      const node = runnable.at(-1);
      if (node === undefined) await idle();
      else await step(node);
      if (clock.due()) await rest();
    }
    if (broken !== undefined) throw broken as Error;
  } finally {
    // Others may be at work on descriptors of ours.
    while (state.answers > 0) await answered();
    for (const node of begun) close(node);
    root.listing?.close();
    goHome();
  }
  const unfinished = state.done ? { unfinished: [], begun: [] } : unfinishedTrees();
  return { left: root.left, ...unfinished, tried, refused };

  async function step(node: TreeNode): Promise<void> {
    if (node.pending.length > 0) {
      share();
      if (node.hasSmall) enterSmallOnes(node);
      else enterNext(node);
      return;
    }
    if (!node.listed) {
      await list(node);
      return;
    }
    runnable.pop();
    if (node.outstanding > 0) {
      node.parked = true;
      if (node !== root && node.shared === 0) closeOpen(node);
      return;
    }
    await finish(node);
  }

  async function list(node: TreeNode): Promise<void> {
    try {
      const directory = reopen(node);
      if (directory === undefined) {
        node.listed = true;
        return;
      }
      if (node.listing === undefined) {
        node.listing = startListing(directory);
        namesSinceLook = NAMES_BETWEEN_LOOKS;
      }
      const part = node.listing.next();
      if (node.listing.hasEnded()) {
        // So that its directory can be closed while its subdirectories are emptied.
        node.listed = true;
        node.listing = undefined;
      }
      if (part === undefined) return;
      sharing?.seen(part.others.length + part.directories.length);
      const { stays } = boundaries;
      const wanted = (name: Name): boolean => {
        if (stays?.(() => pathOf(node, name)) !== true) return true;
        node.left += 1;
        node.stayed += 1;
        return false;
      };
      for (const name of part.directories) {
        if (wanted(name) && !isMounted(node, name)) node.pending.push(name);
      }
      await removeFiles(node, stays === undefined ? part.others : part.others.filter(wanted));
    } catch (error) {
      blind(node, error);
    }
  }

  /** The directory cannot be read, or not any more. */
  function blind(node: TreeNode, error: unknown): void {
    const code = errorCode(error);
    if (code === undefined) throw error;
    node.listing?.close();
    node.listing = undefined;
    node.listed = true;
    // Someone else removed it.
    if (code === 'ENOENT' && (node.directory === undefined || isUnlinked(node.directory))) return;
    // What is in a directory that was moved away is not ours any more.
    if (error instanceof MovedError) node.pending.length = 0;
    node.left += 1;
    listener.failure(pathOf(node), code);
  }

  function enterNext(parent: TreeNode): void {
    const wanted = parent.pending.pop();
    const name = wanted === undefined ? undefined : aside(parent, wanted);
    if (name === undefined) return;
    try {
      const at = reopen(parent);
      if (at === undefined) return;
      const directory = openChild(at, name);
      const opened = { name, directory };
      if (emptySmall(parent, opened) && removeEmpty(parent, [opened]).length === 0) {
        // What is set aside is so one by one.
        parent.hasSmall = parent !== root || context.setAside === undefined;
        return;
      }
      const child = nodeOf(parent, name, directory);
      parent.outstanding += 1;
      begun.add(child);
      runnable.push(child);
      const farthest = runnable[runnable.length - 1 - WINDOW];
      if (farthest !== undefined && farthest !== root && farthest.shared === 0) closeOpen(farthest);
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined) throw error;
      if (code === 'ENOENT') return;
      // Swapped for a link or a file since it was listed: it goes as what it is now.
      if (code === 'ELOOP' || code === 'ENOTDIR') removeOne(parent, name);
      else if (code === 'EXDEV') {
        parent.left += 1;
        listener.mount(pathOf(parent, name));
      } else removeUnreadable(parent, name, code);
    }
  }

  /**
   * The usual case, directories with a few files in them that all go, in one go and without the
   * bookkeeping. Several, so that their parent is entered once for all. Whatever is unusual is left
   * to the rest, which then finds what is still there.
   */
  function enterSmallOnes(parent: TreeNode): void {
    const opened: Opened[] = [];
    const unusual: Opened[] = [];
    parent.hasSmall = false;
    try {
      const at = reopen(parent);
      if (at === undefined) return;
      for (let name = parent.pending.at(-1); name !== undefined; name = parent.pending.at(-1)) {
        if (opened.length >= SMALL_AT_ONCE) break;
        opened.push({ name, directory: openChild(at, name) });
        parent.pending.pop();
      }
      parent.hasSmall = true;
    } catch (error) {
      systemCode(error);
    }
    const empty = opened.filter((one) => {
      const isLeft = clock.due() || context.stopped() || !emptySmall(parent, one);
      if (isLeft) unusual.push(one);
      return !isLeft;
    });
    unusual.push(...removeEmpty(parent, empty));
    for (const { name, directory } of unusual) {
      parent.hasSmall = false;
      closeDirectory(directory);
      parent.pending.push(name);
    }
  }

  function emptySmall(parent: TreeNode, { name, directory }: Opened): boolean {
    // Some network file systems call every directory 0 bytes large.
    const isSmall = directory.size > 0 && directory.size <= SMALL_BYTES;
    if (!isSmall || context.isFar() || !isPlain) return false;
    try {
      if (!isBelowTop(enterAndLocate(directory))) checkStayed(parent, directory, 1);
      const entries = readdirSync('.', { withFileTypes: true });
      if (entries.length > SMALL_ENTRIES) return false;
      sharing?.seen(entries.length);
      for (const found of entries) {
        if (found.isDirectory() || found.name.includes(REPLACEMENT)) return false;
        const stat = lstatSync(found.name, OR_UNDEFINED);
        if (stat === undefined) continue;
        if (stat.isDirectory() || stat.blocks * 512 >= LARGE_BYTES) return false;
        unlinkSync(found.name);
        removed(parent, found.name, stat, name);
      }
      return true;
    } catch (error) {
      systemCode(error);
      return false;
    }
  }

  /** @returns those that are still there. */
  function removeEmpty(parent: TreeNode, empty: readonly Opened[]): readonly Opened[] {
    return empty.filter(({ name, directory }) => {
      try {
        const at = reopen(parent);
        if (at === undefined) return true;
        enterDirectory(at);
        rmdirSync(name);
      } catch (error) {
        systemCode(error);
        return true;
      }
      parent.touched = true;
      removal.bytesFreed += directory.ownBytes;
      removal.inodesFreed += 1;
      sharing?.treeDone();
      closeDirectory(directory);
      return false;
    });
  }

  function aside(parent: TreeNode, name: Name): Name | undefined {
    if (parent !== root || context.setAside === undefined || root.returned.has(name)) return name;
    const now = context.setAside(name);
    if (typeof now === 'string' || Buffer.isBuffer(now)) return now;
    if (now.is === 'staying') parent.left += 1;
    return undefined;
  }

  /** A directory that may not be read can still be empty. */
  function removeUnreadable(parent: TreeNode, name: Name, why: string): void {
    try {
      const at = reopen(parent);
      if (at === undefined) return;
      enterDirectory(at);
      const stat = lstatSync(name, OR_UNDEFINED);
      rmdirSync(name);
      parent.touched = true;
      removal.bytesFreed += (stat?.blocks ?? 0) * 512;
      removal.inodesFreed += 1;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return;
      parent.left += 1;
      listener.failure(pathOf(parent, name), why);
    }
  }

  /** Everything in it was visited: it goes, when nothing of it stays. */
  async function finish(node: TreeNode): Promise<void> {
    const { parent } = node;
    if (parent === undefined) {
      // Some file systems skip names when entries go while a directory is read, so an emptied one is
      // read until nothing turns up; what failed once is not tried again.
      node.attempt += 1;
      const isDone = node.left > node.stayed || !node.touched || node.attempt >= ATTEMPTS;
      if (work === undefined && !isDone) {
        node.listed = false;
        node.touched = false;
        node.left = node.stayed = 0;
        runnable.push(node);
      } else state.done = true;
      return;
    }
    const fate = await leave(node, parent);
    if (fate === 'again') {
      node.listed = false;
      node.attempt += 1;
      runnable.push(node);
      return;
    }
    close(node);
    begun.delete(node);
    if (fate === 'gone') parent.touched = true;
    else {
      parent.left += 1;
      if (node.left > 0 && node.left === node.stayed) parent.stayed += 1;
    }
    settle(parent);
  }

  async function leave(node: TreeNode, parent: TreeNode): Promise<'gone' | 'left' | 'again'> {
    if (node.left > 0 || isFresh(node)) return 'left';
    try {
      const at = reopen(parent);
      if (at === undefined) return 'left';
      namesSinceLook += 1;
      if (namesSinceLook >= NAMES_BETWEEN_LOOKS) checkStayed(parent, at);
      if (context.window() > 1 && at.byDescriptor) await rmdir(entryForLater(at, node.name));
      else {
        enterDirectory(at);
        rmdirSync(node.name);
      }
      removal.bytesFreed += node.entered.ownBytes;
      removal.inodesFreed += 1;
      sharing?.treeDone();
      return 'gone';
    } catch (error) {
      const code = systemCode(error);
      if (code === 'ENOENT') return 'gone';
      if ((code === 'ENOTEMPTY' || code === 'EEXIST') && node.attempt + 1 < ATTEMPTS)
        return 'again';
      if (code === 'ENOTDIR') return 'left';
      if (code === 'EBUSY') listener.busy(pathOf(node));
      else listener.failure(pathOf(node), code);
      return 'left';
    }
  }

  /** Too young; of a model that goes as a whole, its own removal has made the directories young. */
  function isFresh(node: TreeNode): boolean {
    if (boundaries.before === undefined || node.entered.modified < boundaries.before) return false;
    return !isAside(pathOf(node));
  }

  /** One thing less that a node waits for. */
  function settle(node: TreeNode): void {
    node.outstanding -= 1;
    if (!node.parked || (node.outstanding > 0 && node.pending.length === 0)) return;
    node.parked = false;
    runnable.push(node);
  }

  async function removeFiles(node: TreeNode, names: readonly Name[]): Promise<void> {
    for (let from = 0; from < names.length && !context.stopped();) {
      const directory = reopen(node);
      if (directory === undefined) return;
      share(0);
      const shared =
        names.length - from >= FEWEST_SHARED &&
        spareTrees() === 0 &&
        sharing?.wantsNames() === true &&
        hasKnownPlace(directory);
      from = shared
        ? lookAndGive(node, directory, names, from)
        : await removeSome(node, directory, names, from);
      if (clock.due()) await rest();
    }
  }

  /** One process looks at the files and another removes their names: two would wait for each other. */
  function lookAndGive(
    node: TreeNode,
    directory: OpenDirectory,
    names: readonly Name[],
    from: number,
  ): number {
    const files: FileFound[] = [];
    const end = Math.min(names.length, from + MOST_SHARED);
    checkStayed(node, directory);
    enterDirectory(directory);
    for (let at = from; at < end; at += 1) {
      const file = look(node, names[at] as Name);
      if (file === undefined) continue;
      const { blocks, dev, ino, nlink } = file.stat;
      files.push({ name: file.name, stat: { blocks, dev, ino, nlink } });
    }
    giveNames(node, files);
    return end;
  }

  /** @returns where to go on: after a slice of time, or at the end. */
  async function removeSome(
    node: TreeNode,
    directory: OpenDirectory,
    names: readonly Name[],
    from: number,
  ): Promise<number> {
    const inParallel = context.window() > 1 && directory.byDescriptor;
    const later: FileFound[] = [];
    const end = sharing === undefined ? names.length : Math.min(names.length, from + MOST_SHARED);
    enterDirectory(directory);
    let at = from;
    for (; at < end; at += 1) {
      if (namesSinceLook >= NAMES_BETWEEN_LOOKS) checkStayed(node, directory);
      namesSinceLook += 1;
      const file = look(node, names[at] as Name);
      if (file === undefined) continue;
      const { name, stat } = file;
      if (inParallel || (stat.blocks * 512 >= LARGE_BYTES && directory.byDescriptor)) {
        later.push(file);
      } else {
        try {
          unlinkSync(name);
          removed(node, name, stat);
        } catch (error) {
          notRemoved(node, name, systemCode(error));
        }
      }
      if (at % NAMES_BETWEEN_CLOCKS === 0 && (clock.due() || context.stopped())) {
        at += 1;
        break;
      }
    }
    if (later.length > 0) await removeInParallel(node, directory, later);
    return at;
  }

  /** As mountinfo said at the beginning: not every kernel tells it of a descriptor. */
  function isMounted(node: TreeNode, name: Name): boolean {
    if (boundaries.isMountPoint?.(() => pathOf(node, name)) !== true) return false;
    node.left += 1;
    listener.mount(pathOf(node, name));
    return true;
  }

  /** In the entered directory; undefined when there is nothing to remove under this name. */
  function look(node: TreeNode, name: Name): FileFound | undefined {
    if (isMounted(node, name)) return undefined;
    try {
      const stat = lstatSync(name, OR_UNDEFINED);
      if (stat === undefined) return undefined;
      if (stat.isDirectory()) {
        node.pending.push(name);
        return undefined;
      }
      if (boundaries.before !== undefined && stat.mtimeMs >= boundaries.before) {
        node.left += 1;
        removal.young += 1;
        return undefined;
      }
      return { name, stat };
    } catch (error) {
      notRemoved(node, name, systemCode(error));
      return undefined;
    }
  }

  /** What another process has looked at. */
  async function unlinkNames(node: TreeNode, names: readonly string[]): Promise<void> {
    const directory = context.root;
    if (context.window() > 1) {
      for (; tried < names.length && !context.stopped();) {
        if (!isInPlace(node, directory)) return;
        const some = names.slice(tried, tried + NAMES_BETWEEN_LOOKS);
        await Promise.all(
          some.map(async (name, index) => {
            await unlinkLater(entryForLater(directory, name)).catch((error: unknown) => {
              refused.push({ index: tried + index, code: systemCode(error) });
            });
          }),
        );
        tried += some.length;
      }
      return;
    }
    enterDirectory(directory);
    for (const [index, name] of names.entries()) {
      if (index % NAMES_BETWEEN_CLOCKS === 0) {
        if (context.stopped()) return;
        if (clock.due()) {
          await rest();
          enterDirectory(directory);
        }
        if (!isInPlace(node, directory)) return;
      }
      tried = index + 1;
      try {
        unlinkSync(name);
      } catch (error) {
        refused.push({ index, code: systemCode(error) });
      }
    }
  }

  /** Each by a thread of Node's pool: where one waits for the device, others go on. */
  async function removeInParallel(
    node: TreeNode,
    directory: OpenDirectory,
    files: readonly FileFound[],
  ): Promise<void> {
    goHome();
    waited = true;
    const queue = files.values();
    const lane = async (): Promise<void> => {
      for (const { name, stat } of queue) {
        if (context.stopped()) return;
        // It may have been looked at long ago.
        checkStayed(node, directory);
        if (isYoungNow(node, directory, name)) continue;
        const error = await unlinkByThread(entryForLater(directory, name));
        if (error === null) removed(node, name, stat);
        else notRemoved(node, name, systemCode(error));
      }
    };
    const most = Math.max(context.window() * 2, LARGE_AT_ONCE);
    const lanes = Array.from({ length: Math.min(most, files.length) }, lane);
    for (const end of await Promise.allSettled(lanes)) {
      if (end.status === 'rejected') throw end.reason;
    }
  }

  function isYoungNow(node: TreeNode, directory: OpenDirectory, name: Name): boolean {
    const { before } = boundaries;
    if (before === undefined) return false;
    const now = statChild(directory, name);
    if (now === undefined || now.mtimeMs < before) return false;
    node.left += 1;
    removal.young += 1;
    return true;
  }

  /** @param below the subdirectory of the node that it was in. */
  function removed(node: TreeNode, name: Name, stat: Weight, below?: Name): void {
    node.touched = true;
    removals += 1;
    const several = countRemoved(removal, stat);
    if (several !== undefined) listener.nameOfSeveral(several);
    listener.item?.(below === undefined ? pathOf(node, name) : pathOf(node, joined(below, name)));
  }

  function notRemoved(node: TreeNode, name: Name, code: string): void {
    if (code === 'ENOENT') return;
    if (code === 'EISDIR') {
      node.pending.push(name);
      return;
    }
    node.left += 1;
    if (code !== 'EBUSY') listener.failure(pathOf(node, name), code);
    else if (NFS_NAME.test(name.toString())) pending(node, name);
    else listener.busy(pathOf(node, name));
  }

  function pending(node: TreeNode, name: Name): void {
    try {
      const directory = reopen(node);
      const stat = directory && statChild(directory, name);
      if (stat === undefined) return;
      const { blocks, ctimeMs } = stat;
      listener.pending({ path: pathOf(node, name), bytes: blocks * 512, changed: ctimeMs });
    } catch (error) {
      listener.failure(pathOf(node, name), systemCode(error));
    }
  }

  function removeOne(node: TreeNode, name: Name): void {
    try {
      const directory = reopen(node);
      if (directory === undefined) return;
      enterDirectory(directory);
      const stat = lstatSync(name, OR_UNDEFINED);
      if (stat === undefined) return;
      if (stat.isDirectory()) {
        // Swapped back: whoever swaps on and on is left to the next look.
        node.left += 1;
        listener.failure(pathOf(node, name), 'EMOVED');
        return;
      }
      if (boundaries.before !== undefined && stat.mtimeMs >= boundaries.before) {
        node.left += 1;
        return;
      }
      unlinkSync(name);
      removed(node, name, stat);
    } catch (error) {
      notRemoved(node, name, systemCode(error));
    }
  }

  function isInPlace(node: TreeNode, directory: OpenDirectory): boolean {
    try {
      checkStayed(node, directory);
      return true;
    } catch (error) {
      blind(node, error);
      return false;
    }
  }

  /** By its path as text; where that does not tell, the bytes do. */
  function isBelowTop(path: string | undefined): boolean {
    return topText !== undefined && path?.startsWith(topText) === true;
  }

  /**
   * A descriptor follows a directory that is moved away, and what is there is not ours any more.
   * @param levels how far the directory is below the node's.
   */
  function checkStayed(node: TreeNode, directory: OpenDirectory, levels = 0): void {
    namesSinceLook = 0;
    checkPlace(directory);
    if (context.topPath === undefined) return;
    const now = currentPath(directory) ?? pathAbove(node, directory, levels);
    if (now === undefined || !isOurs(now, context.topPath)) {
      throw new MovedError('the directory was moved away');
    }
  }

  /** A path longer than PATH_MAX cannot be asked for: then that of the nearest one that can. */
  function pathAbove(node: TreeNode, directory: OpenDirectory, levels: number): Buffer | undefined {
    let below = directory;
    let up = levels;
    for (let at: TreeNode | undefined = node; at !== undefined; at = at.parent, up += 1) {
      if (at.directory === undefined || at.directory === below) continue;
      if (!isAncestor(at.directory, below, up)) return undefined;
      const path = currentPath(at.directory);
      if (path !== undefined) return path;
      below = at.directory;
      up = 0;
    }
    return undefined;
  }

  /** Below the top, and not in what stays of it. */
  function isOurs(path: Buffer, topPath: Buffer): boolean {
    if (path.equals(topPath)) return true;
    if (path.indexOf(Buffer.concat([topPath, SLASH])) !== 0) return false;
    const { stays } = boundaries;
    if (stays === undefined) return true;
    const inner = path.subarray(topPath.length + 1);
    for (let end = inner.indexOf(SLASH); ; end = inner.indexOf(SLASH, end + 1)) {
      const part = end < 0 ? inner : inner.subarray(0, end);
      if (stays(() => part)) return false;
      if (end < 0) return true;
    }
  }

  /** Somebody else could not tell whether it has been moved. */
  function hasKnownPlace(directory: OpenDirectory): boolean {
    return context.topPath === undefined || currentPath(directory) !== undefined;
  }

  /** Subdirectories that others may have. */
  function spareTrees(): number {
    return runnable.reduce((sum, node) => sum + node.pending.length, 0);
  }

  /** Hands subdirectories over, those nearest to the root first, as long as some are left for us. */
  /** @param own for this process, where it has nothing else: a chain of directories is nobody's to share. */
  function share(own = 1): void {
    if (sharing === undefined) return;
    let spare = spareTrees() - own;
    for (const node of runnable) {
      while (spare > 0 && node.pending.length > 0) {
        const names = takeSpare(node, sharing.wantsTrees(spare));
        if (names.length === 0) break;
        spare -= names.length;
        const bytes = names.filter((name) => typeof name !== 'string');
        node.pending.push(...bytes);
        const trees = names
          .filter((name) => typeof name === 'string')
          .map((name) => aside(node, name))
          .filter((name) => typeof name === 'string');
        if (trees.length === 0) break;
        if (!giveTrees(node, trees)) return;
      }
    }
  }

  function takeSpare(node: TreeNode, most: number): Name[] {
    const taken: Name[] = [];
    for (let at = 0; at < node.pending.length && taken.length < most;) {
      const name = node.pending[at] as Name;
      if (node.stuck.has(name)) at += 1;
      else taken.push(...node.pending.splice(at, 1));
    }
    return taken;
  }

  function giveTrees(node: TreeNode, trees: readonly string[]): boolean {
    const directory = openOrNot(node);
    if (directory === undefined || !hasKnownPlace(directory)) {
      for (const name of trees) node.returned.add(name);
      node.pending.push(...trees);
      return false;
    }
    give(node, directory, { trees, names: [] }, (answer) => {
      node.left += answer.left;
      node.touched = true;
      for (const name of answer.begun) node.stuck.add(name);
      for (const name of answer.unfinished) {
        if (node.returned.has(name)) node.stuck.add(name);
        node.returned.add(name);
      }
      node.pending.push(...answer.unfinished);
    });
    return true;
  }

  /** Whoever enters it next tells why not. */
  function openOrNot(node: TreeNode): OpenDirectory | undefined {
    try {
      return reopen(node);
    } catch (error) {
      systemCode(error);
      return undefined;
    }
  }

  function giveNames(node: TreeNode, files: readonly FileFound[]): void {
    const texts = files.flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
    const directory = reopen(node);
    if (directory === undefined || texts.length < files.length) {
      // Bytes cannot be sent: they come one by one.
      for (const { name } of files) removeOne(node, name);
      return;
    }
    give(node, directory, { trees: [], names: texts }, (answer) => {
      node.left += answer.left;
      if (answer.tried === undefined && !isInPlace(node, directory)) return;
      const refusals = new Map(answer.refused.map(({ index, code }) => [index, code]));
      for (const [index, { name, stat }] of files.entries()) {
        // It was stopped, or the directory was moved away.
        if (answer.tried !== undefined && index >= answer.tried) break;
        const code = refusals.get(index);
        if (code !== undefined) notRemoved(node, name, code);
        else if (answer.tried !== undefined || isGone(directory, name)) removed(node, name, stat);
        else removeOne(node, name);
      }
    });
  }

  function give(
    node: TreeNode,
    directory: OpenDirectory,
    piece: Work,
    take: (answer: Answer) => void,
  ): void {
    if (sharing === undefined) return;
    node.outstanding += 1;
    node.shared += 1;
    state.answers += 1;
    sharing
      .give(directory, pathOf(node), piece)
      .then(take)
      .catch((error: unknown) => {
        broken ??= error;
      })
      .finally(() => {
        node.shared -= 1;
        settle(node);
        state.answers -= 1;
        wake?.();
      });
  }

  function isGone(directory: OpenDirectory, name: Name): boolean {
    try {
      return statChild(directory, name) === undefined;
    } catch {
      return false;
    }
  }

  async function idle(): Promise<void> {
    goHome();
    waited = true;
    const timer = setTimeout(() => sharing?.callBack(), IDLE_MS);
    await answered();
    clearTimeout(timer);
  }

  async function answered(): Promise<void> {
    if (state.answers === 0) throw new Error('nothing is outstanding and nothing is done');
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
    wake = undefined;
  }

  async function rest(): Promise<void> {
    goHome();
    listener.progress();
    if (!waited) clock.measure(removals);
    waited = false;
    removals = 0;
    await turn();
    clock.restart();
  }

  function unfinishedTrees(): Pick<Answer, 'unfinished' | 'begun'> {
    const entered = [...begun].flatMap(({ parent, name }) =>
      parent === root && typeof name === 'string' ? [name] : [],
    );
    const pending = root.pending.filter((name) => typeof name === 'string');
    return { unfinished: [...pending, ...entered], begun: entered };
  }

  function pathOf(node: TreeNode, name?: Name): Buffer {
    return pathOfNode(node, context.rootPath, name);
  }
}

async function unlinkByThread(path: Name): Promise<NodeJS.ErrnoException | null> {
  return await new Promise((resolve) => {
    unlink(path, resolve);
  });
}

/** With a slash, to compare the starts of paths with; undefined where it is no UTF-8. */
function textOf(topPath: Buffer | undefined): string | undefined {
  const text = topPath?.toString();
  return text === undefined || text.includes(REPLACEMENT) ? undefined : `${text}/`;
}
