import { readFileSync } from 'node:fs';

/** The home directories of passwd(5), field 6; none where there is no such file. */
export function passwdHomes(file = '/etc/passwd'): readonly string[] {
  try {
    const homes = readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(':')[5] ?? '');
    return [...new Set(homes.filter((home) => home.startsWith('/') && home !== '/'))];
  } catch {
    return [];
  }
}
