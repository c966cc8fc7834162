import type { Name, OpenDirectory } from './open-directory.ts';
import type { NameOfSeveral, Removal } from './removal.ts';
import type { Boundaries } from './walk.ts';

/** What the eraser is given, and what it says: in the tool itself and in its file workers. */

/** What is said of single entries; paths are relative to the configured directory, as bytes. */
export interface EraseListener {
  readonly failure: (path: Buffer, code: string) => void;
  /** A mount point: not entered, not removed. */
  readonly mount: (path: Buffer) => void;
  /** A removed file that an NFS client holds under a name of its own; it goes when that lets go. */
  readonly pending: (file: PendingFile) => void;
  /** EBUSY: mounted on meanwhile, or in use by the system. */
  readonly busy: (path: Buffer) => void;
  readonly nameOfSeveral: (name: NameOfSeveral) => void;
  /** Every removed entry but directories; present only when somebody wants to know. */
  readonly item: ((path: Buffer) => void) | undefined;
  /** Called every few milliseconds. */
  readonly progress: () => void;
}

export interface PendingFile {
  readonly path: Buffer;
  /** Allocated; free when the client closes it. */
  readonly bytes: number;
  /** Milliseconds since 1970: renamed by a removal after that, or before. */
  readonly changed: number;
}

export interface EraseContext {
  /** The configured directory, or one below: what a file worker was given. */
  readonly root: OpenDirectory;
  /** Where the root is, relative to the configured directory. */
  readonly rootPath: Buffer;
  /** Where the configured directory was when it was opened; undefined where that cannot be told. */
  readonly topPath: Buffer | undefined;
  readonly boundaries: Boundaries;
  /** Grows. */
  readonly removal: Removal;
  readonly listener: EraseListener;
  /** Ends the work: the entry at hand is finished, nothing is thrown. */
  readonly stopped: () => boolean;
  /** Ends it after the files: somebody else goes on with the trees. */
  readonly calledBack: () => boolean;
  /** Milliseconds without letting the event loop turn. */
  readonly slice: () => number;
  /** Removals under way at once in this process; 1: one after the other, which needs no thread. */
  readonly window: () => number;
  /** Whether a few files are worth threads as well: the device answers that late. */
  readonly isFar: () => boolean;
  /** What others do of the work. */
  readonly sharing: Sharing | undefined;
  /** Asked before a directory in the root is entered. */
  readonly setAside: ((name: Name) => Aside) | undefined;
  /** Told of every slice of time in which nothing was done but removing, one after the other. */
  readonly meter: ((slice: Slice) => void) | undefined;
}

/** The name that it has from now on; or it stays as a whole; or it is being removed already. */
export type Aside = Name | { readonly is: 'staying' | 'known' };

export interface Slice {
  readonly milliseconds: number;
  /** How long of it the process computed. */
  readonly processor: number;
  /** How often it gave way to wait for something. */
  readonly waits: number;
  readonly removals: number;
}

/** Gives work away: to whom and how is not this file's matter. */
export interface Sharing {
  /** Whether somebody would take names, having no directories to do. */
  readonly wantsNames: () => boolean;
  /**
   * How many directories somebody would take, of so many that are left here: no more than what ends
   * at the same time as the rest of them.
   */
  readonly wantsTrees: (left: number) => number;
  /** The directory stays open until the answer; `path` is relative to the configured directory. */
  readonly give: (directory: OpenDirectory, path: Buffer, work: Work) => Promise<Answer>;
  /** Asks for trees that were given away and not begun: there is nothing else to do. */
  readonly callBack: () => void;
  /** Names were seen: how much there is to do decides whether help is fetched. */
  readonly seen: (names: number) => void;
  /** A directory was removed here: how long one takes decides how many make a piece of work. */
  readonly treeDone: () => void;
}

/** A piece of work in one directory: one of the two. */
export interface Work<N extends Name = string> {
  /** Subdirectories, to be removed with all that is in them. */
  readonly trees: readonly N[];
  /** Files that have been looked at: only their names are to be removed. */
  readonly names: readonly string[];
}

export interface Answer {
  /** How many of the trees stay. */
  readonly left: number;
  /** Trees that are not done yet. */
  readonly unfinished: readonly string[];
  /** Those of them that were entered: large, or stuck. */
  readonly begun: readonly string[];
  /** How many of the names were tried, and those that were not removed. Undefined: nobody knows. */
  readonly tried: number | undefined;
  readonly refused: readonly { readonly index: number; readonly code: string }[];
}
