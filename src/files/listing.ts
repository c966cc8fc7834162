import { opendirSync, readdirSync } from 'node:fs';
import type { Dir, Dirent } from 'node:fs';
import { errorCode } from '../errors.ts';
import { REPLACEMENT, enterDirectory, isUnlinked } from './open-directory.ts';
import type { Name, OpenDirectory } from './open-directory.ts';

/** The entries of a directory, in parts, so that memory stays the same for a million of them. */
export interface Listing {
  /**
   * The next part; undefined at the end. Removing what came already is allowed.
   * @throws the system error.
   */
  next(): Part | undefined;
  /** Nothing more comes. */
  hasEnded(): boolean;
  close(): void;
}

export interface Part {
  readonly directories: Name[];
  /** Also directories, where the file system does not tell what is one. */
  readonly others: Name[];
}

const PART = 1000;
/** `st_size` up to which it is read at once, which is faster: some 3,000 entries. */
const SMALL = 64 * 1024;

/**
 * Reads names as text, and those that are no UTF-8 afterwards as bytes: text costs half. Enters the
 * directory for every part.
 */
export function startListing(directory: OpenDirectory): Listing {
  const at: { stage: 'text' | 'bytes' | 'untyped' | 'end' } = { stage: 'text' };
  let untyped: string[] = [];
  let bytesNeeded = false;
  let stream: Dir | undefined;
  const close = (): void => {
    stream?.closeSync();
    stream = undefined;
  };
  const advance = (): void => {
    close();
    at.stage = at.stage === 'text' && bytesNeeded ? 'bytes' : 'end';
  };
  const take = (part: Part, found: Dirent | Dirent<Buffer>): void => {
    const { name } = found;
    if (typeof name === 'string') {
      if (name.includes(REPLACEMENT)) {
        bytesNeeded = true;
        return;
      }
    } else if (!name.toString().includes(REPLACEMENT)) {
      return;
    }
    (found.isDirectory() ? part.directories : part.others).push(name);
  };
  const readTyped = (part: Part): void => {
    if (at.stage === 'text' && directory.size > 0 && directory.size <= SMALL) {
      for (const found of readdirSync('.', { withFileTypes: true })) take(part, found);
      advance();
      return;
    }
    stream ??= opendirSync('.', {
      // Typed for strings only; the bytes matter, since names need not be UTF-8.
      encoding: at.stage === 'text' ? 'utf8' : ('buffer' as unknown as BufferEncoding),
      bufferSize: 512,
    });
    for (let count = 0; count < PART; count += 1) {
      const found = stream.readSync();
      if (found === null) {
        advance();
        return;
      }
      take(part, found);
    }
  };
  const readUntyped = (part: Part): void => {
    for (const name of untyped.splice(-PART)) {
      const bytes = Buffer.from(name, 'latin1');
      const text = bytes.toString();
      part.others.push(text.includes(REPLACEMENT) ? bytes : text);
    }
    if (untyped.length === 0) at.stage = 'end';
  };
  const read = (): Part => {
    const part: Part = { directories: [], others: [] };
    if (at.stage === 'untyped') {
      readUntyped(part);
      return part;
    }
    try {
      readTyped(part);
      return part;
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' || isUnlinked(directory)) throw error;
      // Where the file system tells no types, Node.js asks for them, name by name, and fails at one
      // that is no UTF-8 or has gone meanwhile.
      close();
      untyped = readdirSync('.', { encoding: 'latin1' });
      at.stage = untyped.length > 0 ? 'untyped' : 'end';
      return { directories: [], others: [] };
    }
  };
  return {
    next() {
      while (at.stage !== 'end') {
        enterDirectory(directory);
        const part = read();
        if (part.directories.length + part.others.length > 0) return part;
      }
      return undefined;
    },
    hasEnded: () => at.stage === 'end',
    close,
  };
}
