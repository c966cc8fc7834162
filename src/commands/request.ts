import type { Kind } from '../report/types.ts';

/** What the operator asked for, typed; made from argv by cli.ts. */
export type Request =
  | WipeRequest
  | StatsRequest
  | DoctorRequest
  | InitRequest
  | StatusRequest
  | LogsRequest
  | CompletionRequest
  | SuggestRequest;

export type Format = 'table' | 'json';

interface Common {
  readonly targets: readonly string[];
  /** `--config`; undefined: the search order decides. */
  readonly configFile: string | undefined;
  /** `--env-file`: variables for `${…}` of the config; files that disagree about a used variable are an error. */
  readonly envFiles: readonly string[];
  readonly format: Format;
  readonly verbose: boolean;
  readonly color: boolean;
}

export interface WipeRequest extends Omit<Common, 'format'> {
  readonly command: 'wipe';
  readonly format: Format | 'markdown';
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly kinds: readonly Kind[];
  readonly strict: boolean;
  readonly caps: Caps;
  /** Hold the consumers and cancel what they run. */
  readonly cancelRunning: boolean;
  /** Restart workers that keep revoked scheduled tasks in memory. */
  readonly restartWorkers: boolean;
  /** Milliseconds to wait for workers that cannot be interrupted; undefined: only for slow answers. */
  readonly waitIdle: number | undefined;
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
  /** Check and ask here, wipe in the background. */
  readonly detach: boolean;
  /** This is that background: what was checked and asked comes on standard input. */
  readonly background: boolean;
  /** Milliseconds to wait for another run to end. */
  readonly lockWait: number;
  readonly stateDirectory: string | undefined;
  /** Milliseconds after which it stops; undefined: never. */
  readonly timeout: number | undefined;
  readonly outputs: Outputs;
}

/** Where a wipe tells of itself besides its terminal; each may be undefined. */
export interface Outputs {
  readonly logFile: string | undefined;
  /** Undefined: text, and whatever suits on the terminal. */
  readonly logFormat: 'text' | 'json' | undefined;
  readonly reportFile: string | undefined;
  readonly metricsFile: string | undefined;
  /** May hold a secret: for nobody to see. */
  readonly pingUrl: URL | undefined;
}

export interface StatsRequest extends Common {
  readonly command: 'stats';
}

export interface DoctorRequest extends Common {
  readonly command: 'doctor';
  /** Tell held consumers to go on; everything else is only looked at. */
  readonly fix: boolean;
}

export interface InitRequest {
  readonly command: 'init';
  /** Where to write; undefined: `cleanup.config.json`. */
  readonly file: string | undefined;
  /** A compose file or a folder to read; undefined: the working directory. */
  readonly from: string | undefined;
  /** `--env-file`: variables for `${…}` of the compose files, instead of their `.env`. */
  readonly envFiles: readonly string[];
  readonly force: boolean;
  /** Write the shipped example where nothing is found. */
  readonly example: boolean;
  /** Show the file and line that each value comes from. */
  readonly explain: boolean;
  /** Connect to no Redis. */
  readonly offline: boolean;
  /** Print it instead of writing it. */
  readonly dryRun: boolean;
  readonly format: Format;
  readonly color: boolean;
}

interface OfRun {
  /** Undefined: all runs (`status`), the newest one (`logs`). */
  readonly cleanupId: string | undefined;
  readonly stateDirectory: string | undefined;
  readonly format: Format;
  readonly color: boolean;
}

export interface StatusRequest extends OfRun {
  readonly command: 'status';
  /** Until it has ended; then exit with its code. */
  readonly wait: boolean;
}

export interface LogsRequest extends OfRun {
  readonly command: 'logs';
  /** Until the run has ended. */
  readonly follow: boolean;
}

export interface CompletionRequest {
  readonly command: 'completion';
  readonly shell: Shell;
}

/** Asked by the script that `completion` prints. */
export interface SuggestRequest {
  readonly command: 'suggest';
  readonly shell: Shell;
  /** zsh, fish: the words up to the cursor; bash: COMP_WORDBREAKS and the line up to the cursor. */
  readonly words: readonly string[];
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The most that may be there to be removed; undefined: no limit. */
export interface Caps {
  readonly files: number | undefined;
  readonly bytes: number | undefined;
  readonly jobs: number | undefined;
}
