/** Texts of which those that begin with another, or that another begins with, are found by halving. */
export interface PrefixIndex<T> {
  /** Those that begin with the text, it included; the first ones of many. */
  beginningWith(text: string): readonly Entry<T>[];
  /** Those that are the beginning of the text, it included, and match; the first ones of many. */
  beginningOf(text: string, matches?: (value: T) => boolean): readonly Entry<T>[];
  equal(text: string): readonly Entry<T>[];
  /** The values of those that begin with the text and match; the first ones of many. */
  matching(text: string, matches: (text: string, value: T) => boolean): readonly T[];
}

export interface Entry<T> {
  readonly text: string;
  readonly value: T;
}

/** More of one kind say nothing new, and all pairs of many would be too many to tell. */
export const MOST_FOUND = 10;

/** Equal texts keep their order. */
export function createPrefixIndex<T>(entries: readonly Entry<T>[]): PrefixIndex<T> {
  const sorted = entries.toSorted((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
  const lengths = [...new Set(entries.map(({ text }) => text.length))].toSorted((a, b) => a - b);
  const from = (text: string): number => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle]?.text ?? '') < text) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const take = (
    text: string,
    belongs: (other: string) => boolean,
    matches: (value: T) => boolean = () => true,
  ): Entry<T>[] => {
    const found: Entry<T>[] = [];
    for (let at = from(text); found.length < MOST_FOUND; at += 1) {
      const entry = sorted[at];
      if (entry === undefined || !belongs(entry.text)) break;
      if (matches(entry.value)) found.push(entry);
    }
    return found;
  };
  return {
    beginningWith: (text) => take(text, (other) => other.startsWith(text)),
    beginningOf(text, matches) {
      const found: Entry<T>[] = [];
      for (const length of lengths) {
        if (length > text.length || found.length >= MOST_FOUND) break;
        const start = text.slice(0, length);
        found.push(...take(start, (other) => other === start, matches));
      }
      return found.slice(0, MOST_FOUND);
    },
    equal: (text) => take(text, (other) => other === text),
    matching(text, matches) {
      const found: T[] = [];
      for (let at = from(text); found.length < MOST_FOUND; at += 1) {
        const entry = sorted[at];
        if (entry?.text.startsWith(text) !== true) break;
        if (matches(entry.text, entry.value)) found.push(entry.value);
      }
      return found;
    },
  };
}
