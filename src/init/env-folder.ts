/** Folders of data in a service's folder that has no compose file. */
import { basename, join } from 'node:path';
import { judgeUnknown } from './data-directories.ts';
import type { ProjectPlaces } from './data-directories.ts';
import { saysPlaceOf } from './directory-settings.ts';
import type { DirectorySetting } from './directory-settings.ts';
import { lookAtFolder, namesIn } from './read-folder.ts';

/**
 * Folders that exist in `folder` and in its `data`, relative to `folder`: those whose names say what
 * they hold, and those that hold something and whose names say nothing. A folder whose place a setting tells is none: `uploads` beside `UPLOAD_DIR=./var/in`.
 */
export function foldersInEnvFolder(
  folder: string,
  settings: readonly DirectorySetting[],
  places: ProjectPlaces,
): readonly string[] {
  const inData = namesIn(join(folder, 'data')).map((name) => join('data', name));
  return [...namesIn(folder), ...inData].toSorted().filter((name) => {
    const path = join(folder, name);
    if (lookAtFolder(path).is !== 'directory') return false;
    if (settings.some((setting) => saysPlaceOf(setting, basename(name)))) return false;
    const verdict = judgeUnknown(path, undefined, places, lookAtFolder);
    if (verdict.is !== 'no') return true;
    const isFilled = namesIn(path).length > 0 && !basename(name).startsWith('.');
    return isFilled && verdict.mayBeAdded !== undefined;
  });
}
