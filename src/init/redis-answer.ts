/** What a running Redis says of a service. Pure data: see ask-redis.ts for how it is asked. */

export interface RedisAnswer {
  /** `host:port` of servers that did not answer, with the reason. */
  readonly silent: readonly { readonly server: string; readonly reason: string }[];
  /** What the job keys of this service begin with, by strong evidence; empty: none was found. */
  readonly prefixes: readonly FoundPrefix[];
  /** Families that look like jobs, of which it is not certain that they are this service's. */
  readonly doubtful: readonly FoundPrefix[];
  /** Prefixes that the files or the shipped example name, and that no key begins with. */
  readonly unused: readonly string[];
  /** Workers that listen on the broker's database, with the queues they consume. */
  readonly workers: readonly { readonly name: string; readonly queues: readonly string[] }[];
  /** Task queues that somebody declared there. */
  readonly declared: readonly string[];
  /** No other service of the proposal has its queues in the broker's database. */
  readonly ownsBroker: boolean;
}

export interface FoundPrefix {
  readonly prefix: string;
  readonly count: number;
  /** `JSON with id and status`, `ids of queued tasks` … */
  readonly evidence: readonly string[];
}
