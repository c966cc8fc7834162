/**
 * Symbolic links that a pattern of directories matches. They are not followed, or whoever can make a
 * link could choose what is emptied; so what they lead to stays, and is named.
 */
import type { LocatedDirectory, PatternLink } from '../files/resolve.ts';
import { printable } from '../report/printable.ts';
import type { Failure, Kind } from '../report/types.ts';

interface Located {
  readonly directories: readonly LocatedDirectory[];
}

/** Paths of the directories that a run empties. */
export function directoriesOf(
  targets: readonly { readonly name: string }[],
  located: ReadonlyMap<string, Located>,
  kinds: readonly Kind[],
): ReadonlySet<string> {
  return new Set(
    targets
      .flatMap(({ name }) => located.get(name)?.directories ?? [])
      .filter(({ kind }) => kinds.includes(kind))
      .map(({ path }) => path),
  );
}

/**
 * A link to what this run empties anyway is a note; any other one hides a directory that the pattern
 * means, and of which nobody can say that it is empty: a failure.
 */
export function judgeLinks(
  links: readonly PatternLink[],
  emptied: ReadonlySet<string>,
  kinds: readonly Kind[],
): {
  readonly failures: readonly {
    readonly kind: LocatedDirectory['kind'];
    readonly failure: Failure;
  }[];
  readonly warnings: readonly { readonly text: string; readonly weight: 'note' }[];
} {
  const chosen = links.filter(({ kind }) => kinds.includes(kind));
  const isEmptied = ({ target }: PatternLink): boolean =>
    target !== undefined && isIn(target, emptied);
  return {
    failures: chosen
      .filter((link) => !isEmptied(link))
      .map((link) => ({ kind: link.kind, failure: linkFailure(link) })),
    warnings: chosen.filter(isEmptied).map(({ path, target }) => ({
      text: `${shown(path)} is a link to ${shown(target ?? '')}, which is emptied by itself: patterns follow no links`,
      weight: 'note',
    })),
  };
}

function isIn(path: string, directories: ReadonlySet<string>): boolean {
  for (let at = path; ; at = at.slice(0, at.lastIndexOf('/'))) {
    if (at === '') return false;
    if (directories.has(at)) return true;
  }
}

function linkFailure({ path, target }: PatternLink): Failure {
  const to = target === undefined ? 'something that cannot be looked at' : shown(target);
  return {
    target: 'Pattern',
    item: shown(path),
    code: 'ELINK',
    reason: `it is or leads through a link to ${to}: patterns follow no links, so what is there stays`,
    hint:
      target === undefined
        ? 'remove the link, or write a pattern that does not match it'
        : `if it should be emptied, name ${to} in the config; else remove the link, or write a pattern that does not match it`,
  };
}

function shown(path: string): string {
  return printable(Buffer.from(path));
}
