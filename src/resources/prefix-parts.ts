/**
 * What a key prefix without a separator at its end really covers: `"j"` matches `job:1` and
 * `journal:1`. Pure.
 */

export interface PrefixPart {
  /** The configured prefix. */
  readonly prefix: string;
  /** What the keys begin with, up to their next separator: `journal:`. */
  readonly part: string;
  readonly count: number;
}

export interface PrefixParts {
  /** Undefined: every prefix ends with a separator, so that no key need be looked at. */
  readonly note: ((keys: readonly Buffer[]) => void) | undefined;
  /** Empty unless a prefix covers several parts; the largest first. */
  list(): readonly PrefixPart[];
}

/** More parts of one prefix are ids that follow without a separator. */
const MOST_PARTS = 40;
/** No part is longer: what follows is an id. */
const LONGEST_PART = 64;
const SEPARATOR = /[:/|.]/;

export function countPrefixParts(prefixes: readonly string[]): PrefixParts {
  const wide = prefixes.filter((prefix) => /[\p{L}\p{N}]$/u.test(prefix));
  if (wide.length === 0) return { note: undefined, list: () => [] };
  const counts = new Map<string, Map<string, number>>(wide.map((prefix) => [prefix, new Map()]));
  return {
    note(keys) {
      for (const key of keys) {
        const text = key.toString('latin1');
        const prefix = wide.find((one) => text.startsWith(Buffer.from(one).toString('latin1')));
        const parts = prefix === undefined ? undefined : counts.get(prefix);
        if (prefix === undefined || parts === undefined) continue;
        const part = partOf(key.toString(), prefix);
        if (parts.size > MOST_PARTS && !parts.has(part)) continue;
        parts.set(part, (parts.get(part) ?? 0) + 1);
      }
    },
    list: () =>
      [...counts].flatMap(([prefix, parts]) =>
        parts.size < 2 || parts.size > MOST_PARTS
          ? []
          : [...parts]
              .map(([part, count]) => ({ prefix, part, count }))
              .toSorted((one, other) => other.count - one.count),
      ),
  };
}

/** The key up to the first separator behind the prefix; the prefix itself where there is none. */
function partOf(key: string, prefix: string): string {
  const rest = key.slice(prefix.length, prefix.length + LONGEST_PART);
  const at = rest.search(SEPARATOR);
  return at < 0 ? prefix : prefix + rest.slice(0, at + 1);
}
