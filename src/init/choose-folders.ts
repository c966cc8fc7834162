/** Which of the folders that a service's containers write are proposed, and how they are written. */
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { isBelow, UNKNOWN_NAME } from './data-directories.ts';
import type { LookAtFolder } from './data-directories.ts';
import type { Group, Mount } from './group-services.ts';
import { originText } from './origin.ts';
import type { Origin } from './origin.ts';
import type { DirectoryEntry, Note, ServiceEntry, Source } from './proposal.ts';

export interface Folder {
  readonly label: string;
  readonly path: string;
  readonly real: string;
  readonly kind: 'directories' | 'models';
  readonly keep: readonly string[];
  readonly owner: string;
  readonly origin: Origin;
  readonly variable: string | undefined;
}

/** What its containers write and what may be emptied, each once. */
export function foldersOf(group: Group, owner: string): readonly Folder[] {
  const found = new Map<string, Folder>();
  for (const { label, path, verdict, origin, variable } of writtenMounts(group)) {
    if (verdict.is === 'no') continue;
    const { is: kind, real, keep } = verdict;
    const earlier = found.get(real);
    // A setting that calls it a cache of models knows better than the folder's name.
    if (earlier === undefined || (earlier.kind !== 'models' && kind === 'models')) {
      found.set(real, { label, path, real, kind, keep, owner, origin, variable });
    }
  }
  return [...found.values()];
}

function writtenMounts(group: Group): readonly Mount[] {
  return group.flatMap(({ mounts }) => mounts.filter(({ readOnly }) => !readOnly));
}

type NoteFolder = (folder: NonNullable<Note['folder']>) => void;

/** @param root absolute, of the service's paths in the config. */
export function noteOthers(
  group: Group,
  chosen: readonly Folder[],
  root: string,
  note: NoteFolder,
): void {
  const written = new Set(writtenMounts(group).map(({ path }) => path));
  // Of `data` the folders in it are proposed by their names, or all of it by a setting.
  const isCovered = (path: string, why: string): boolean =>
    chosen.some(
      (folder) => folder.path === path || (why === UNKNOWN_NAME && isBelow(folder.path, path)),
    );
  const all = group.flatMap(({ mounts }) => mounts);
  const suggested = all.flatMap(({ path, verdict }) =>
    verdict.is === 'no' && !isCovered(path, verdict.why) ? (verdict.mayBeAdded ?? []) : [],
  );
  for (const { label, path, verdict, readOnly } of all) {
    if (verdict.is === 'no' && !isCovered(path, verdict.why)) {
      const { why, mayBeAdded } = verdict;
      if (mayBeAdded === undefined || readOnly) note({ label, why });
      else if (!suggested.some((other) => isBelow(mayBeAdded, other))) {
        const line = isBelow(mayBeAdded, root) ? relative(root, mayBeAdded) : mayBeAdded;
        note({ label, why, line: JSON.stringify(patternOf(line)) });
      }
    } else if (verdict.is !== 'no' && readOnly && !written.has(path)) {
      note({ label, why: 'mounted read-only, so the service does not make what is in it' });
    }
  }
}

/** Without those in each other, and those that another service has as well. */
export function chooseFolders(
  own: readonly Folder[],
  others: readonly Folder[],
  note: NoteFolder,
): readonly Folder[] {
  const overlaps = (a: Folder, b: Folder): boolean =>
    a.real === b.real || isBelow(a.real, b.real) || isBelow(b.real, a.real);
  const single = own.filter((folder) => {
    const shared = others.find((other) => overlaps(folder, other));
    const inside = own.find(
      (other) => isBelow(other.real, folder.real) && other.kind !== folder.kind,
    );
    if (shared !== undefined) {
      const why = `${shared.owner} has it too, and a wipe of one would take the other's files: add it to one of the two services`;
      note({ label: folder.label, why });
    } else if (inside !== undefined) {
      const why = `${inside.label} in it is proposed as ${inside.kind}, and no folder may lie in another`;
      note({ label: folder.label, why });
    }
    return shared === undefined && inside === undefined;
  });
  return single.filter((folder) => !single.some((other) => isBelow(folder.real, other.real)));
}

/** A path as a pattern that matches nothing else. */
function patternOf(path: string): string {
  return path.replaceAll(/[\\*?[\]{}()!|]/g, '\\$&');
}

/** Paths relative to a common root; each with its source, and a note for what does not exist yet. */
export function placeFolders(
  group: Group,
  home: string,
  folders: readonly Folder[],
  configDirectory: string,
  look: LookAtFolder,
): {
  readonly entry: Pick<ServiceEntry, 'root' | 'directories' | 'models'>;
  /** Absolute. */
  readonly root: string;
  readonly sources: readonly Source[];
  /** Folders that do not exist, relative to the config, with what speaks for them. */
  readonly missing: readonly { readonly path: string; readonly reason: string }[];
} {
  const [first] = folders;
  if (first === undefined) return { entry: {}, root: configDirectory, sources: [], missing: [] };
  const contexts = group.flatMap(({ project, service }) =>
    service.build === undefined ? [] : [resolve(project.directory, service.build.context)],
  );
  const holdsAll = (directory: string): boolean =>
    folders.every(({ path }) => isBelow(path, directory));
  let common = dirname(first.path);
  while (!holdsAll(common)) common = dirname(common);
  const isRoot = (directory: string): boolean =>
    directory !== configDirectory && holdsAll(directory);
  const root = [home, ...contexts].find(isRoot) ?? common;
  const fromConfig = relative(configDirectory, root);
  const isOutside = fromConfig.startsWith('..') || isAbsolute(fromConfig);
  const written = isOutside ? root : fromConfig;
  const pathOf = ({ path }: Folder): string => relative(root, path);
  const entries = (kind: Folder['kind']): (string | DirectoryEntry)[] =>
    folders
      .filter((folder) => folder.kind === kind)
      .map((folder) => {
        const pattern = patternOf(pathOf(folder));
        return folder.keep.length === 0 ? pattern : { path: pattern, keep: folder.keep };
      });
  const [directories, models] = [entries('directories'), entries('models')];
  const how =
    root === home
      ? 'folder of the service'
      : contexts.includes(root)
        ? 'build context'
        : 'common folder';
  const sources = folders.map((folder): Source => ({
    ...{ setting: folder.kind, value: pathOf(folder), ...folder.origin },
    how: folder.variable ?? (folder.origin.line === undefined ? 'its name' : 'mount'),
  }));
  return {
    root,
    entry: {
      ...(fromConfig === '' ? {} : { root: written }),
      ...(directories.length === 0 ? {} : { directories }),
      ...(models.length === 0 ? {} : { models }),
    },
    sources: [
      ...(fromConfig === ''
        ? []
        : [{ setting: 'root', value: written, file: undefined, line: undefined, how }]),
      ...sources,
    ],
    missing: folders
      .filter(({ path }) => look(path).is === 'missing')
      .map((folder) => {
        const reason =
          folder.variable === undefined ? 'is mounted by' : `is named by ${folder.variable} in`;
        return {
          path: relative(configDirectory, folder.path),
          reason: `${reason} ${originText(folder.origin)}`,
        };
      }),
  };
}
