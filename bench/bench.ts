/** What a bench is: contenders that do the same job, each on data of its own, ours first. */

export interface Scale {
  /** Pairs that are measured. */
  readonly rounds: number;
  /** Little data: to see that the bench works, not to measure. */
  readonly small: boolean;
}

export interface Contender {
  readonly name: string;
  /**
   * Makes its data, does the job, checks that it is done.
   * @returns the milliseconds of the job alone. @throws Error when it is not done.
   */
  readonly run: () => Promise<number>;
}

/** What ours should keep to; shown, never a reason to fail. */
export interface Target {
  readonly text: string;
  readonly met: (figures: Figures) => boolean;
}

export interface Figures {
  /** Median milliseconds of ours. */
  readonly median: number;
  /** Median of ours divided by each peer in the same round, in the order of the peers. */
  readonly ratios: readonly number[];
}

export interface Contest {
  readonly title: string;
  readonly ours: Contender;
  readonly peers: readonly Contender[];
  readonly target?: Target;
}

export interface Bench {
  readonly name: string;
  readonly rounds: number;
  /** Works in the given folder, which is empty, and leaves no process behind after `close`. */
  readonly open: (folder: string, scale: Scale) => Promise<OpenBench>;
}

export interface OpenBench {
  readonly contests: readonly Contest[];
  readonly close: () => Promise<void>;
}
