import type { Answer, PendingFile } from './erase-context.ts';
import type { Removal } from './removal.ts';
import type { NameOfSeveral } from './removal.ts';
import type { Rules } from './rules.ts';

/**
 * What the tool and its file workers say to each other, as JSON. A directory is named by the
 * descriptor that the tool holds open for it, and known again by its identity: no path is resolved.
 * Paths are bytes, written as latin1.
 */
export type ToWorker =
  | { readonly is: 'work'; readonly work: WorkMessage }
  /** Finish the entry at hand and report. */
  | { readonly is: 'stop' }
  /** Report which trees are not done yet. */
  | { readonly is: 'call back' };

export interface WorkMessage {
  readonly id: number;
  readonly directory: {
    readonly descriptor: number;
    readonly device: string;
    readonly inode: string;
    readonly mountId: number | undefined;
  };
  readonly path: string;
  readonly topPath: string;
  readonly rules: Rules;
  readonly trees: readonly string[];
  readonly names: readonly string[];
  /** Removals under way at once. */
  readonly window: number;
  readonly isFar: boolean;
}

export type PendingMessage = Omit<PendingFile, 'path'> & { readonly path: string };

/** Each tells what is new since the one before. */
export interface Report {
  readonly id: number;
  readonly removal: Removal;
  readonly failures: readonly (readonly [path: string, code: string])[];
  readonly mounts: readonly string[];
  readonly pending: readonly PendingMessage[];
  readonly busy: readonly string[];
  readonly several: readonly NameOfSeveral[];
  /** Only in the last one. */
  readonly end?: Answer & {
    /** How long it took the worker. */
    readonly milliseconds: number;
  };
  /** The directory could not be taken over: somebody else has to do it. */
  readonly refused?: true;
}
