import type { Kind } from '../report/types.ts';

/** What the operator asked for, typed; made from argv by cli.ts. */
export type Request = WipeRequest | StatsRequest;

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
  readonly quiet: boolean;
}

export interface StatsRequest extends Common {
  readonly command: 'stats';
}

/** The most that may be there to be removed; undefined: no limit. */
export interface Caps {
  readonly files: number | undefined;
  readonly bytes: number | undefined;
  readonly jobs: number | undefined;
}
