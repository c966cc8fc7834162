import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Every link resolved; the path itself where that cannot be done. */
export function realPath(path: string): string {
  return tryRealPath(path) ?? path;
}

/** Every link resolved; undefined where that cannot be done. */
export function tryRealPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}

/** Of what need not be there yet: as far as it is. */
export function realPlace(path: string): string {
  const above = dirname(path);
  const real = realPath(path);
  return real !== path || above === path ? real : join(realPlace(above), basename(path));
}
