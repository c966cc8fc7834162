/** What a bench is: contenders that do the same job, each on data of its own, ours first. */

export interface Scale {
  /** Pairs that are measured. */
  readonly rounds: number;
  /** Little data: to see that the bench works, not to measure. */
  readonly small: boolean;
}

export interface Contender {
  readonly name: string;
  /** Makes the data of one run, for contests that make all of a round before anything is done. */
  readonly make?: () => Promise<void>;
  /**
   * Makes its data where that is not done yet, does the job, checks that it is done.
   * @returns what the job alone took, in the contest's unit. @throws Error when it is not done.
   */
  readonly run: () => Promise<number>;
  /** Only in so many of the rounds, and without a warm-up: for what takes very long. */
  readonly rounds?: number;
}

/** What ours should keep to; shown, never a reason to fail. */
export interface Target {
  readonly text: string;
  readonly met: (figures: Figures) => boolean;
}

export interface Figures {
  /** Of ours, in the contest's unit. */
  readonly median: number;
  readonly max: number;
  /** Median of ours divided by each peer in the same round, in the order of the peers. */
  readonly ratios: readonly number[];
}

export interface Contest {
  /** Its words choose it on the command line. */
  readonly title: string;
  /** Of what the contenders return; default: ms. */
  readonly unit?: 'ms' | 'MB';
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
