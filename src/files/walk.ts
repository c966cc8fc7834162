import { errorCode } from '../errors.ts';
import { startListing } from './listing.ts';
import {
  MovedError,
  closeDirectory,
  currentPath,
  isUnlinked,
  openChild,
} from './open-directory.ts';
import type { Name, OpenDirectory } from './open-directory.ts';
import { goHome } from './process-wide.ts';
import { createPace } from './pace.ts';

/** What became of a name: nothing is left of it, or it stays. */
export type Fate = 'gone' | 'left';

/** Of a path relative to the top, as bytes; it is a function because it is seldom needed. */
export type PathTest = (path: () => Buffer) => boolean;

/** What is neither counted, entered nor removed, whatever is done with the rest. */
export interface Boundaries {
  /** `keep` patterns and the marker. */
  readonly stays?: PathTest | undefined;
  /** For files that something is mounted on; a directory is told by its descriptor. */
  readonly isMountPoint?: PathTest | undefined;
  /** Only what was last modified before counts, in milliseconds since 1970. */
  readonly before?: number | undefined;
}

export interface Visitor extends Boundaries {
  /** Anything but a directory. 'directory' when it turned out to be one. */
  readonly file: (at: OpenDirectory, name: Buffer, path: () => Buffer) => Fate | 'directory';
  /** A directory that could not be entered. EXDEV: a mount point. */
  readonly blocked: (at: OpenDirectory, name: Buffer, code: string, path: () => Buffer) => Fate;
  /**
   * Everything in `directory` has been visited and `left` of its entries stay. 'again' reads it
   * once more; `attempt` counts from 0.
   */
  readonly leave: (
    parent: OpenDirectory,
    name: Buffer,
    directory: OpenDirectory,
    left: number,
    attempt: number,
    path: () => Buffer,
  ) => Fate | 'again';
  /** Reading the names of a directory failed. */
  readonly unreadable: (code: string, path: () => Buffer) => void;
}

interface Frame {
  readonly name: Buffer;
  /** Undefined while closed to save descriptors, see `WINDOW`. */
  directory: OpenDirectory | undefined;
  listed: boolean;
  attempt: number;
  left: number;
  /** Subdirectories still to visit, as latin1 strings: a third of the memory of Buffers. */
  pending: string[];
}

/**
 * How many directories of one descent are open at once. A deeper tree closes the upper ones and
 * comes back to them from the top, name by name, never through "..".
 */
const WINDOW = 96;

const SLASH = Buffer.from('/');

/** How many names are worked through before it is asked again whether the directory was moved. */
const NAMES_BETWEEN_LOOKS = 64;

/**
 * Visits everything below `top`, depth first, files of a directory before its subdirectories.
 * Memory grows with depth and with the subdirectories of the directories on the way, not with files.
 * @returns the number of entries of `top` itself that stay.
 * @throws the signal's reason when it aborts; the item at hand is finished first.
 */
export async function walk(
  top: OpenDirectory,
  visitor: Visitor,
  signal: AbortSignal,
): Promise<number> {
  const pace = createPace();
  const rest = async (): Promise<void> => {
    goHome();
    await pace.rest();
  };
  const topPath = currentPath(top);
  const root = frameOf(Buffer.alloc(0), top);
  const stack: Frame[] = [root];
  try {
    for (;;) {
      signal.throwIfAborted();
      const frame = stack[stack.length - 1] as Frame;
      const directory = reopen(stack, stack.length - 1);
      if (directory === undefined) {
        // Someone moved or removed it meanwhile: not ours to look for.
        visitor.unreadable('EMOVED', pathTo(stack));
        do stack.pop();
        while (reopen(stack, stack.length - 1) === undefined);
        (stack[stack.length - 1] as Frame).left += 1;
        continue;
      }
      if (!frame.listed) {
        await list(stack, frame, directory);
        continue;
      }
      const next = frame.pending.pop();
      if (next !== undefined) {
        enter(stack, frame, directory, Buffer.from(next, 'latin1'));
        continue;
      }
      if (frame === root) return root.left;
      const parent = stack[stack.length - 2] as Frame;
      const parentDirectory = reopen(stack, stack.length - 2);
      const path = pathTo(stack);
      const fate =
        parentDirectory === undefined
          ? 'left'
          : visitor.leave(parentDirectory, frame.name, directory, frame.left, frame.attempt, path);
      if (fate === 'again') {
        frame.listed = false;
        frame.attempt += 1;
        frame.left = 0;
        continue;
      }
      stack.pop();
      close(frame);
      if (fate === 'left') parent.left += 1;
      if (pace.due()) await rest();
    }
  } finally {
    goHome();
    for (const frame of stack) if (frame !== root) close(frame);
  }

  async function list(frames: Frame[], frame: Frame, directory: OpenDirectory): Promise<void> {
    frame.listed = true;
    let name: Buffer = Buffer.alloc(0);
    const path = (): Buffer => Buffer.concat([pathTo(frames)(), ...slash(frames), name]);
    const isOurs = (next: Name): boolean => {
      name = Buffer.from(next);
      if (visitor.stays?.(path) === true) frame.left += 1;
      else if (visitor.isMountPoint?.(path) !== true) return true;
      else if (visitor.blocked(directory, name, 'EXDEV', path) === 'left') frame.left += 1;
      return false;
    };
    let seen = 0;
    /** Whether others are to have their turn first. */
    const look = (): boolean => {
      if (seen % NAMES_BETWEEN_LOOKS === 0) checkStayed(directory);
      seen += 1;
      return pace.due();
    };
    const listing = startListing(directory);
    try {
      checkStayed(directory);
      for (let part = listing.next(); part !== undefined; part = listing.next()) {
        for (const next of part.others) {
          if (look()) await rest();
          signal.throwIfAborted();
          if (isOurs(next)) file(frame, directory, name, path);
        }
        for (const next of part.directories) {
          if (look()) await rest();
          signal.throwIfAborted();
          if (isOurs(next)) frame.pending.push(name.toString('latin1'));
        }
      }
    } catch (error) {
      const code = errorCode(error);
      if (signal.aborted || code === undefined) throw error;
      // Someone else removed it.
      if (code === 'ENOENT' && isUnlinked(directory)) return;
      frame.left += 1;
      visitor.unreadable(code, pathTo(frames));
    } finally {
      listing.close();
    }
  }

  /** A descriptor follows a directory that is moved away, and what is there is not ours any more. */
  function checkStayed(directory: OpenDirectory): void {
    if (topPath === undefined) return;
    const now = currentPath(directory);
    if (now === undefined) return;
    const stayed =
      currentPath(top)?.equals(topPath) === true &&
      (directory === top || now.indexOf(Buffer.concat([topPath, SLASH])) === 0);
    if (!stayed) throw new MovedError('the directory was moved away');
  }

  function file(frame: Frame, directory: OpenDirectory, name: Buffer, path: () => Buffer): void {
    const fate = visitor.file(directory, name, path);
    if (fate === 'directory') frame.pending.push(name.toString('latin1'));
    else if (fate === 'left') frame.left += 1;
  }

  function enter(frames: Frame[], frame: Frame, directory: OpenDirectory, name: Buffer): void {
    const path = (): Buffer => Buffer.concat([pathTo(frames)(), ...slash(frames), name]);
    try {
      frames.push(frameOf(name, openChild(directory, name)));
      const closing = frames.length - 1 - WINDOW;
      if (closing > 0) close(frames[closing] as Frame);
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined) throw error;
      if (code === 'ENOENT') return;
      // Swapped for a link or a file since it was listed: it goes as what it is now.
      if (code === 'ELOOP' || code === 'ENOTDIR') {
        if (visitor.file(directory, name, path) !== 'gone') frame.left += 1;
        return;
      }
      if (visitor.blocked(directory, name, code, path) === 'left') frame.left += 1;
    }
  }
}

function frameOf(name: Buffer, directory: OpenDirectory): Frame {
  return { name, directory, listed: false, attempt: 0, left: 0, pending: [] };
}

function close(frame: Frame): void {
  if (frame.directory === undefined) return;
  closeDirectory(frame.directory);
  frame.directory = undefined;
}

/** The frame's directory; when it was closed, opened again by descending from the top. */
function reopen(stack: readonly Frame[], index: number): OpenDirectory | undefined {
  const wanted = stack[index] as Frame;
  if (wanted.directory !== undefined) return wanted.directory;
  let at = (stack[0] as Frame).directory as OpenDirectory;
  for (let depth = 1; depth <= index; depth += 1) {
    const frame = stack[depth] as Frame;
    let next = frame.directory;
    if (next === undefined) {
      try {
        next = openChild(at, frame.name);
      } catch (error) {
        if (errorCode(error) === undefined) throw error;
        return undefined;
      } finally {
        // Only the lower half of the window is kept open again.
        const passed = stack[depth - 1] as Frame;
        if (depth - 1 > 0 && depth - 1 < index - WINDOW / 2 && passed.directory === at)
          close(passed);
      }
      frame.directory = next;
    }
    at = next;
  }
  return at;
}

function pathTo(stack: readonly Frame[]): () => Buffer {
  return () => {
    const parts: Buffer[] = [];
    for (let depth = 1; depth < stack.length; depth += 1) {
      if (depth > 1) parts.push(SLASH);
      parts.push((stack[depth] as Frame).name);
    }
    return Buffer.concat(parts);
  };
}

function slash(stack: readonly Frame[]): Buffer[] {
  return stack.length > 1 ? [SLASH] : [];
}
