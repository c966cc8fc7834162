import { errorCode } from '../errors.ts';
import type { Listing } from './listing.ts';
import { closeDirectory, openChild } from './open-directory.ts';
import type { Name, OpenDirectory } from './open-directory.ts';

/** A directory on its way out: what is known of it from its first opening to its removal. */
export interface TreeNode {
  readonly parent: TreeNode | undefined;
  readonly name: Name;
  readonly identity: { readonly device: bigint; readonly inode: bigint };
  /** As it was when it was entered first. */
  readonly entered: Pick<OpenDirectory, 'ownBytes' | 'modified'>;
  directory: OpenDirectory | undefined;
  listing: Listing | undefined;
  listed: boolean;
  /** Subdirectories still to be entered. */
  readonly pending: Name[];
  /** Subdirectories and pieces of work that are not finished. */
  outstanding: number;
  /** Pieces of work that others have of it: they need the descriptor. */
  shared: number;
  /** Waits for what is outstanding. */
  parked: boolean;
  left: number;
  /** What was removed since it was listed, as far as it matters whether there was anything. */
  touched: boolean;
  attempt: number;
}

/** Directories of one descent that are open at once; deeper ones are opened again from the root. */
export const WINDOW = 96;

const SLASH = Buffer.from('/');

export function joined(one: Name, other: Name): Buffer {
  return Buffer.concat([bytesOf(one), SLASH, bytesOf(other)]);
}

function bytesOf(name: Name): Buffer {
  return typeof name === 'string' ? Buffer.from(name) : name;
}

export function nodeOf(
  parent: TreeNode | undefined,
  name: Name,
  directory: OpenDirectory,
): TreeNode {
  const { device, inode } = directory;
  return {
    parent,
    name,
    identity: { device, inode },
    entered: directory,
    directory,
    listing: undefined,
    listed: false,
    pending: [],
    outstanding: 0,
    shared: 0,
    parked: false,
    left: 0,
    touched: false,
    attempt: 0,
  };
}

export function close(node: TreeNode): void {
  node.listing?.close();
  node.listing = undefined;
  closeOpen(node);
}

/** A listing that has begun goes on: it has a descriptor of its own. */
export function closeOpen(node: TreeNode): void {
  if (node.directory === undefined || node.listing !== undefined) return;
  closeDirectory(node.directory);
  node.directory = undefined;
}

/** The node's directory; when it was closed, opened again by descending from the root. */
export function reopen(wanted: TreeNode): OpenDirectory | undefined {
  if (wanted.directory !== undefined) return wanted.directory;
  const way: TreeNode[] = [];
  let node: TreeNode | undefined = wanted;
  while (node !== undefined && node.directory === undefined) {
    way.push(node);
    node = node.parent;
  }
  let at = node?.directory;
  let passed: TreeNode | undefined;
  for (const next of way.toReversed()) {
    if (at === undefined) return undefined;
    try {
      const opened: OpenDirectory = openChild(at, next.name);
      if (opened.inode !== next.identity.inode || opened.device !== next.identity.device) {
        closeDirectory(opened);
        return undefined;
      }
      next.directory = opened;
      at = opened;
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      return undefined;
    } finally {
      // Only the last ones stay open.
      if (passed !== undefined && way.indexOf(passed) > WINDOW / 2) closeOpen(passed);
    }
    passed = next;
  }
  return at;
}

/** Relative to what `rootPath` is relative to, as bytes. */
export function pathOfNode(node: TreeNode, rootPath: Buffer, name?: Name): Buffer {
  const parts: Buffer[] = name === undefined ? [] : [bytesOf(name)];
  for (let at = node; at.parent !== undefined; at = at.parent) {
    parts.push(bytesOf(at.name));
  }
  if (rootPath.length > 0) parts.push(rootPath);
  return Buffer.concat(
    parts.toReversed().flatMap((part, index) => (index === 0 ? [part] : [SLASH, part])),
  );
}
