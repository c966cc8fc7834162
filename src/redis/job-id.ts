/** Where the id of a job begins in the name of its key. */

/** What stands between a prefix and an id: `:`, `/`, `|`, `.`, `_`, `-`. */
const SEPARATORS = [0x3a, 0x2f, 0x7c, 0x2e, 0x5f, 0x2d];
const SEPARATOR_TEXTS = SEPARATORS.map((byte) => String.fromCharCode(byte));

/**
 * How many bytes of a key come before its id. A prefix that was written without its separator (`job`
 * for `job:17`) leaves open whether that belongs to the id: then both are tried.
 */
export function idStarts(prefix: Buffer): (key: Buffer) => readonly number[] {
  const exact = [prefix.length];
  if (endsInSeparator(prefix)) return () => exact;
  return (key) => {
    let start = prefix.length;
    while (start < key.length && SEPARATORS.includes(key[start] as number)) start += 1;
    return start === prefix.length || start === key.length ? exact : [prefix.length, start];
  };
}

/** Whether an id names one thing alone: a short or plain number is the id of many. */
export function isTelling(id: string): boolean {
  return id.length >= 8 && !/^\d+$/.test(id);
}

/** The names that the key of a job with this id may have. */
export function keysOfJob(prefix: string, id: string): readonly Buffer[] {
  const between = endsInSeparator(Buffer.from(prefix)) ? [''] : ['', ...SEPARATOR_TEXTS];
  return between.map((separator) => Buffer.from(prefix + separator + id));
}

function endsInSeparator(prefix: Buffer): boolean {
  return SEPARATORS.includes(prefix.at(-1) ?? 0);
}
