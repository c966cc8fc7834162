import { nameBefore } from './aside.ts';
import { keepMatcher } from './keep.ts';
import type { Boundaries, PathTest } from './walk.ts';

/** What stays in a directory, as plain data: it also goes to other processes. */
export interface Rules {
  readonly marker: string | undefined;
  readonly keep: readonly string[];
  /** Paths below the directory, as latin1, that something is mounted on. */
  readonly mounts: readonly string[];
  /** Only what was last modified before goes, in milliseconds since 1970; undefined: everything. */
  readonly before: number | undefined;
  /** A directory in it goes as a whole: it is renamed aside before anything in it is deleted. */
  readonly whole: boolean;
}

export const NO_RULES: Rules = {
  marker: undefined,
  keep: [],
  mounts: [],
  before: undefined,
  whole: false,
};

export function boundariesOf(rules: Rules): Boundaries {
  const keeps = keepMatcher(rules.marker, rules.keep);
  return {
    // `keep` means the names that people gave, and not those that this tool gives.
    stays: keeps && rules.whole ? (path) => keeps(() => nameBefore(path())) : keeps,
    isMountPoint: mountTest(rules.mounts),
    before: rules.before,
  };
}

function mountTest(mounts: readonly string[]): PathTest | undefined {
  if (mounts.length === 0) return undefined;
  const below = new Set(mounts);
  return (path) => below.has(path().toString('latin1'));
}
