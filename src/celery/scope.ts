/** Which queues' messages a run may remove. Pure. */

export interface QueueScope {
  /** Queues of one service. */
  readonly own: readonly string[];
  /**
   * Of the targets before this service in the same run, on the same broker: a message that goes to them
   * and to this service is removed, and counted, with them.
   */
  readonly before: ReadonlySet<string>;
  /** Of all targets of the run on the same broker, this service included. */
  readonly run: ReadonlySet<string>;
  /** Names that are queues of other services of the config, whatever they look like. */
  readonly others: ReadonlySet<string>;
}

/** Of queues that are looked at by themselves. */
export function scopeOf(queues: readonly string[]): QueueScope {
  return { own: queues, before: new Set(), run: new Set(queues), others: new Set() };
}

/**
 * How a message that goes to these queues belongs to the service of a scope: `own` is removed with it;
 * `shared` goes to a queue outside the run as well, and stays.
 */
export function ownership(
  goesTo: readonly string[],
  { own, before, run }: QueueScope,
): 'own' | 'shared' | 'foreign' {
  if (!goesTo.some((queue) => own.includes(queue))) return 'foreign';
  if (!goesTo.every((queue) => run.has(queue))) return 'shared';
  return goesTo.some((queue) => before.has(queue)) ? 'foreign' : 'own';
}

/** A message or task that goes to queues of the service and to others. */
export interface Shared {
  readonly exchange: string;
  /** Those outside the run. */
  readonly others: readonly string[];
}

export function sharedWith(exchange: string, goesTo: readonly string[], scope: QueueScope): Shared {
  return { exchange, others: goesTo.filter((queue) => !scope.run.has(queue)).toSorted() };
}
