/** So many names are kept, in some 20 MB; a caller that meets more scans for them. */
const MOST_NAMES = 100_000;
const MOST_BYTES = 8 * 2 ** 20;
const BATCH = 500;

/** Names of keys, each once. */
export interface KeyNames {
  readonly size: number;
  /** Whether every name that was added is in it: there is a limit. */
  readonly isWhole: boolean;
  readonly has: (key: Buffer) => boolean;
  /** From the beginning, a few hundred at a time. */
  readonly batches: () => Generator<readonly Buffer[]>;
}

export interface OpenKeyNames extends KeyNames {
  /** @returns whether the name is in it now. */
  readonly add: (key: Buffer) => boolean;
}

export function createKeyNames(): OpenKeyNames {
  // As latin1 characters: names are any bytes, and a piece of a reply would keep all of that reply.
  const names = new Set<string>();
  let bytes = 0;
  let isWhole = true;
  return {
    get size() {
      return names.size;
    },
    get isWhole() {
      return isWhole;
    },
    has: (key) => names.has(key.toString('latin1')),
    add(key) {
      const name = key.toString('latin1');
      if (names.has(name)) return true;
      if (names.size === MOST_NAMES || bytes + key.length > MOST_BYTES) {
        isWhole = false;
        return false;
      }
      names.add(name);
      bytes += key.length;
      return true;
    },
    *batches() {
      let batch: Buffer[] = [];
      for (const name of names) {
        batch.push(Buffer.from(name, 'latin1'));
        if (batch.length < BATCH) continue;
        yield batch;
        batch = [];
      }
      if (batch.length > 0) yield batch;
    },
  };
}
