import type { Name } from './open-directory.ts';

/**
 * A directory of a models directory is renamed before it is deleted: a service finds a model whole
 * or not at all, and what an interrupted run leaves lies aside, for the next run to finish.
 */
const PREFIX = '.media-cleanup-aside.';
const LONGEST = 255;

/** What was renamed: by the name aside, as latin1, the name before. */
export type Asides = Map<string, Buffer>;

/** The path that people know; undefined when it is the same. */
export function ownPath(asides: Asides, path: Buffer): Buffer | undefined {
  if (asides.size === 0) return undefined;
  const slash = path.indexOf('/');
  const first = slash < 0 ? path : path.subarray(0, slash);
  const name = asides.get(first.toString('latin1'));
  return name && Buffer.concat([name, path.subarray(first.length)]);
}

export function isAside(name: Name): boolean {
  return typeof name === 'string'
    ? name.startsWith(PREFIX)
    : name.subarray(0, PREFIX.length).toString('latin1') === PREFIX;
}

/** The path that something aside had, as far as its name tells; any other is the same. */
export function nameBefore(path: Buffer): Buffer {
  return isAside(path) ? path.subarray(PREFIX.length) : path;
}

/** The name aside for a try: it tells people what it was. Cut where it would be too long. */
export function asideName(name: string, attempt: number): string {
  const end = attempt === 0 ? '' : `.${attempt}`;
  const bytes = Buffer.from(name);
  const room = LONGEST - PREFIX.length - end.length;
  // A character that is cut in two becomes one of three bytes at most.
  const kept = bytes.length <= room ? name : bytes.subarray(0, room - 3).toString();
  return `${PREFIX}${kept}${end}`;
}
