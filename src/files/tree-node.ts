import { systemCode } from '../errors.ts';
import type { Listing } from './listing.ts';
import { closeDirectory, openChild } from './open-directory.ts';
import type { Name, OpenDirectory } from './open-directory.ts';

/** A directory on its way out: what is known of it from its first opening to its removal. */
export interface TreeNode {
  readonly parent: TreeNode | undefined;
  readonly name: Name;
  /** Levels below the root. */
  readonly depth: number;
  readonly identity: { readonly device: bigint; readonly inode: bigint };
  /** As it was when it was entered first. */
  readonly entered: Pick<OpenDirectory, 'ownBytes' | 'modified'>;
  directory: OpenDirectory | undefined;
  listing: Listing | undefined;
  listed: boolean;
  /** Subdirectories still to be entered. */
  readonly pending: Name[];
  /** Of these, what others had and gave back. */
  readonly returned: Set<Name>;
  /** It came back begun, or again: large or stuck, and no longer given away. */
  readonly stuck: Set<Name>;
  /** Subdirectories and pieces of work that are not finished. */
  outstanding: number;
  /** Pieces of work that others have of it: they need the descriptor. */
  shared: number;
  /** Waits for what is outstanding. */
  parked: boolean;
  left: number;
  /** Of `left`, what is to stay: looking again would not change that. */
  stayed: number;
  /** What was removed since it was listed, as far as it matters whether there was anything. */
  touched: boolean;
  /** The last subdirectory had few files and nothing else: the next ones are like that, mostly. */
  hasSmall: boolean;
  attempt: number;
}

/** Directories of one descent that are open at once; deeper ones are opened again from the root. */
export const WINDOW = 96;
/** But for one of so many levels. */
const CHECKPOINT = 128;

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
    depth: parent === undefined ? 0 : parent.depth + 1,
    identity: { device, inode },
    entered: directory,
    directory,
    listing: undefined,
    listed: false,
    pending: [],
    returned: new Set(),
    stuck: new Set(),
    outstanding: 0,
    shared: 0,
    parked: false,
    left: 0,
    stayed: 0,
    touched: false,
    hasSmall: false,
    attempt: 0,
  };
}

export function close(node: TreeNode): void {
  node.listing?.close();
  node.listing = undefined;
  closeNow(node);
}

/** Not while it is being listed, and not at every so many levels: from there others are found again. */
export function closeOpen(node: TreeNode): void {
  if (node.listing === undefined && node.depth % CHECKPOINT !== 0) closeNow(node);
}

function closeNow(node: TreeNode): void {
  if (node.directory === undefined) return;
  closeDirectory(node.directory);
  node.directory = undefined;
}

/**
 * The node's directory; when it was closed, opened again from the nearest one above it that is open.
 * Undefined when it is not there any more. @throws the system error.
 */
export function reopen(wanted: TreeNode): OpenDirectory | undefined {
  const way: TreeNode[] = [];
  for (let node = wanted; node.directory === undefined; node = node.parent) {
    way.push(node);
    if (node.parent === undefined) return undefined;
  }
  let at = (way.at(-1)?.parent ?? wanted).directory;
  for (let index = way.length - 1; index >= 0 && at !== undefined; index -= 1) {
    const node = way[index] as TreeNode;
    at = openAgain(at, node);
    node.directory = at;
    const passed = way[index + WINDOW / 2];
    if (passed !== undefined) closeOpen(passed);
  }
  return at;
}

function openAgain(parent: OpenDirectory, { name, identity }: TreeNode): OpenDirectory | undefined {
  try {
    const opened = openChild(parent, name);
    if (opened.inode === identity.inode && opened.device === identity.device) return opened;
    closeDirectory(opened);
    return undefined;
  } catch (error) {
    // Removed, or swapped for something else.
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV'].includes(systemCode(error))) return undefined;
    throw error;
  }
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
