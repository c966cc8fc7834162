import type { NeededVariable, Note, ProposedService } from '../init/proposal.ts';
import type { Problem } from '../errors.ts';

/** What `init` did: plain data, without a password anywhere. */

export interface ReadFile {
  /** Absolute. */
  readonly path: string;
  readonly kind: 'compose' | 'override' | 'env';
}

export interface InitOutcome {
  /** The config file, absolute. */
  readonly file: string;
  /** Whether media-cleanup finds it by itself, from the working directory. */
  readonly isFound: boolean;
  /** Its text. */
  readonly text: string;
  /** `shown`: a dry run, nothing was written. */
  readonly state: 'written' | 'replaced' | 'shown';
  /** No compose and no .env file said anything: the shipped example instead. */
  readonly isTemplate: boolean;
  readonly read: readonly ReadFile[];
  readonly services: readonly ProposedService[];
  readonly variables: readonly NeededVariable[];
  /** Absolute: env files that set variables of the config, for `--env-file`. */
  readonly envFiles: readonly string[];
  readonly workingDirectory: string;
  readonly notes: readonly Note[];
  /** What loadConfig says of it with the variables set; undefined: it could not be checked. */
  readonly problems: readonly Problem[] | undefined;
}
