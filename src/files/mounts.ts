import { readFileSync } from 'node:fs';

/**
 * The mount points of this process's namespace as absolute paths, from `/proc/self/mountinfo`
 * (proc_pid_mountinfo(5), field 5). `st_dev` does not tell: a bind mount of the same file system
 * has the same device number. Undefined where there is no such file (not Linux).
 */
export function mountPoints(): ReadonlySet<string> | undefined {
  try {
    return parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1'));
  } catch {
    return undefined;
  }
}

/** Space, tab, newline and backslash stand as octal escapes in mountinfo; bytes are kept. */
export function parseMountInfo(text: string): ReadonlySet<string> {
  const points = new Set<string>();
  for (const line of text.split('\n')) {
    const field = line.split(' ')[4];
    if (field === undefined) continue;
    const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    points.add(Buffer.from(bytes, 'latin1').toString('utf8'));
  }
  return points;
}

/**
 * The mount that an open descriptor is on, from `/proc/self/fdinfo` (Linux 3.15): equal for two
 * descriptors only when no mount point lies between them. Undefined where it cannot be told.
 */
export function mountIdOf(descriptor: number): number | undefined {
  try {
    const text = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1');
    const id = /^mnt_id:\s*(\d+)/m.exec(text)?.[1];
    return id === undefined ? undefined : Number(id);
  } catch {
    return undefined;
  }
}
