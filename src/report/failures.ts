import { MAX_LISTED } from './types.ts';
import type { Failure, FailureList } from './types.ts';

/** Failures as they come: the first `MAX_LISTED` are kept, so memory stays the same for a million. */

export interface FailureCollector {
  add(failure: Failure): void;
  list(): FailureList;
}

export function collectFailures(): FailureCollector {
  const first: Failure[] = [];
  let total = 0;
  return {
    add: (failure) => {
      total += 1;
      if (first.length < MAX_LISTED) first.push(failure);
    },
    list: () => ({ first: [...first], total }),
  };
}

/** One list of several, in their order. */
export function joinFailures(lists: readonly FailureList[]): FailureList {
  return {
    first: lists.flatMap((list) => list.first).slice(0, MAX_LISTED),
    total: lists.reduce((sum, list) => sum + list.total, 0),
  };
}

/** `Uploads/file123.mp3: Permission denied` */
export function errorLine(failure: Failure): string {
  return `${failure.target}/${failure.item}: ${failure.reason}`;
}

/** The listed failures as error lines, and `… and 23 more errors` as the last when there are more. */
export function errorLines(list: FailureList): string[] {
  return withCount(list.first.map(errorLine), list.total, 'error');
}

/** At most `MAX_LISTED` lines, and one that counts the rest of `total`. */
export function withCount(lines: readonly string[], total: number, noun: string): string[] {
  const kept = lines.slice(0, MAX_LISTED);
  const rest = total - kept.length;
  return rest > 0 ? [...kept, moreLine(rest, noun)] : kept;
}

export function moreLine(count: number, noun: string): string {
  return `… and ${count} more ${noun}${count === 1 ? '' : 's'}`;
}
