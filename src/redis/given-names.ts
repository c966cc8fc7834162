/**
 * Names of keys that a person has likely chosen, as `media:unacked` among a million `media:<id>`: told
 * from the names alone, for a look at what those keys hold.
 */

/** So many keys are looked at; their types come within a few milliseconds. */
const MOST = 5_000;
/** Settings are shorter, and memory stays bounded. */
const LONGEST = 500;
/** kombu's own word for what workers have taken, which other names of it mostly keep. */
const LIKELY = /unack/i;
const SEPARATORS = ':/|.';

export interface GivenNames {
  /** @param text of the key's bytes, as latin1. */
  readonly read: (text: string) => void;
  /** The likely first; all names where they are no more than 5,000. */
  readonly end: () => readonly Buffer[];
}

/** @param idIn finds an id in a name. */
export function collectGivenNames(idIn: RegExp): GivenNames {
  const likely = new Set<string>();
  const withoutId = new Set<string>();
  const others = new Set<string>();
  return {
    read(text) {
      if (text.length > LONGEST) return;
      if (LIKELY.test(text)) add(likely, text);
      else if (withoutId.size < MOST && !hasId(text, idIn)) add(withoutId, text);
      else add(others, text);
    },
    end: () =>
      [...likely, ...withoutId, ...others]
        .slice(0, MOST)
        .map((text) => Buffer.from(text, 'latin1')),
  };
}

function add(names: Set<string>, text: string): void {
  if (names.size < MOST) names.add(text);
}

/** Ids without separators, like tokens of sessions, nearly always have digits. */
function hasId(text: string, idIn: RegExp): boolean {
  // Of millions of names most end with an id: told without a regular expression.
  for (let at = text.length - 1; at >= 0; at -= 1) {
    const character = text.charAt(at);
    if (character >= '0' && character <= '9') return true;
    if (SEPARATORS.includes(character)) break;
  }
  return idIn.test(text);
}
