import type { Removed } from './run-types.ts';

/** What the core tells the outside while it works. The core never prints. */

export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR';

export interface LogEntry {
  readonly level: LogLevel;
  readonly service?: string;
  /** `start`, `connect`, `queue`, `in-flight`, `jobs`, `files`, `models`, `verify`, `end` … */
  readonly step: string;
  readonly message: string;
  readonly figures?: Readonly<Record<string, number>>;
}

export interface Progress {
  readonly service: string;
  readonly step: string;
  /** Items removed in this step so far. */
  readonly done: number;
  /** Bytes freed in this step so far. */
  readonly bytes: number;
}

/** What the plan counted, and so is about to be removed. */
export interface Expected {
  readonly service: string;
  /** The kind of step as `Progress` names it: `queue`, `in-flight`, `jobs`, `files`, `models`. */
  readonly step: string;
  readonly count: number;
  readonly bytes: number;
}

export interface Observer {
  log(entry: LogEntry): void;
  /** Called often (every few hundred items); must be cheap. */
  progress(progress: Progress): void;
  /** How what was removed until any later moment can be told. */
  watch?(removed: () => Removed): void;
  /**
   * Called at most once, before the first removal, in the order of removal; never when nothing was
   * counted.
   */
  expect?(totals: readonly Expected[]): void;
  /** Present only when every single item is wanted (`--verbose`). */
  readonly item?: (service: string, step: string, name: string) => void;
}

/** Tells several of everything. */
export function fanOut(observers: readonly Observer[]): Observer {
  const items = observers.flatMap(({ item }) => (item === undefined ? [] : [item]));
  return {
    log: (entry) => {
      for (const one of observers) one.log(entry);
    },
    progress: (progress) => {
      for (const one of observers) one.progress(progress);
    },
    watch: (removed) => {
      for (const one of observers) one.watch?.(removed);
    },
    expect: (totals) => {
      for (const one of observers) one.expect?.(totals);
    },
    ...(items.length === 0
      ? {}
      : {
          item: (service: string, step: string, name: string) => {
            for (const item of items) item(service, step, name);
          },
        }),
  };
}
