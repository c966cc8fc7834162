import type { Environment } from '../config/find.ts';

/** What a command needs to know of the process it runs in; main.ts fills it in. */
export interface Surroundings {
  readonly env: Environment;
  readonly workingDirectory: string;
  /** Home directories that are never emptied, as far as they can be told. */
  readonly homes: readonly string[];
  /** The directory of media-cleanup's own package. */
  readonly installation: string;
  /** The Node.js executable. */
  readonly interpreter: string;
  /** The file that Node.js was started with. */
  readonly program: string;
  readonly pid: number;
  /** The name of this host, as the kernel tells it. */
  readonly host: string;
  /** The arguments, without node and script. */
  readonly argv: readonly string[];
  /** Of the user; undefined where there is none. */
  readonly home: string | undefined;
  /** How many processors it may use. */
  readonly cores: number;
}
