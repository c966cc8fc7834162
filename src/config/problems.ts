import type { Problem } from '../errors.ts';
import { formatPath } from './json-path.ts';
import type { JsonPath } from './json-path.ts';
import type { ParsedDocument, Position } from './parse.ts';

/** Everything wrong with one file, in the order of the file. */
export interface ProblemCollector {
  /**
   * `message` is one sentence with the remedy and holds no value from the file or the environment:
   * any of them may be a password in the wrong place. The position is added to it.
   * Nothing more is said about a broken value.
   */
  add(this: void, path: JsonPath, message: string, place?: 'key' | 'value' | Position): void;
  /** From now on the value at `path` is known to be unusable. */
  markBroken(this: void, path: JsonPath): void;
  isBroken(this: void, path: JsonPath): boolean;
  list(): readonly Problem[];
}

export function createProblemCollector(document: ParsedDocument): ProblemCollector {
  const found: { readonly offset: number; readonly problem: Problem }[] = [];
  const broken = new Set<string>();
  return {
    add(path, message, place = 'value') {
      if (place === 'value' && broken.has(formatPath(path))) return;
      const { offset, label } =
        typeof place === 'string' ? document.positionOf(path, place) : place;
      const problem = { path: formatPath(path), message: `${message} (${label})` };
      found.push({ offset, problem });
    },
    markBroken: (path) => void broken.add(formatPath(path)),
    isBroken: (path) => broken.has(formatPath(path)),
    list: () => found.toSorted((a, b) => a.offset - b.offset).map(({ problem }) => problem),
  };
}
