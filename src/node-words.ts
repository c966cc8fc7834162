/**
 * Hides words of the command line from Node, which reads an --env-file that stands behind the script
 * as its own option, and so would take NODE_OPTIONS from it. bin/media-cleanup.js does the same in sh.
 */

const MARK = '=';
const READ_BY_NODE = /^--env-file/;
const HIDDEN = /^=--env-file/;

/** What a `node` is started with so that it reads none of `words`. */
export function hiddenFromNode(
  program: string,
  words: readonly string[],
): readonly [string, string, ...string[]] {
  const marked = words.map((word) => (READ_BY_NODE.test(word) ? MARK + word : word));
  return ['--', program, ...marked];
}

/** The words as the operator gave them. */
export function withoutMarks(words: readonly string[]): readonly string[] {
  return words.map((word) => (HIDDEN.test(word) ? word.slice(MARK.length) : word));
}
