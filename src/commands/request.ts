import type { Kind } from '../report/types.ts';

/** What the operator asked for, typed; made from argv by cli.ts. */
export type Request = WipeRequest | StatsRequest | DoctorRequest;

interface Common {
  readonly targets: readonly string[];
  /** `--config`; undefined: the search order decides. */
  readonly configFile: string | undefined;
  readonly format: 'table' | 'json';
  readonly verbose: boolean;
  readonly color: boolean;
}

export interface WipeRequest extends Common {
  readonly command: 'wipe';
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly kinds: readonly Kind[];
  readonly strict: boolean;
  readonly caps: Caps;
  /** Hold the consumers and cancel what they run. */
  readonly cancelRunning: boolean;
  /** Milliseconds to wait for workers that cannot be interrupted. */
  readonly waitIdle: number;
  /** Milliseconds to go on looking after the wipe; 0: until one clean look. */
  readonly verifyFor: number;
  /** Only files and jobs older than this many milliseconds go; undefined: all. */
  readonly olderThan: number | undefined;
  /** Keys of Redis removed a second; undefined: as many as it takes without others waiting. */
  readonly rate: number | undefined;
  /** Ask Redis to save afterwards, and wait for it. */
  readonly persist: boolean;
  /** Removals of files at once; undefined: as many as help. */
  readonly concurrency: number | undefined;
  readonly quiet: boolean;
}

export interface StatsRequest extends Common {
  readonly command: 'stats';
}

export interface DoctorRequest extends Common {
  readonly command: 'doctor';
  /** Tell held consumers to go on; everything else is only looked at. */
  readonly fix: boolean;
}

/** The most that may be there to be removed; undefined: no limit. */
export interface Caps {
  readonly files: number | undefined;
  readonly bytes: number | undefined;
  readonly jobs: number | undefined;
}
