/** The folders of this machine that a container writes: its mounts, and what its settings name. */
import { basename, join, posix, resolve } from 'node:path';
import { isBelow, judgeFolder, judgeUnknown } from './data-directories.ts';
import type { LookAtFolder, ProjectPlaces, Verdict } from './data-directories.ts';
import { directorySettings } from './directory-settings.ts';
import type { DirectorySetting } from './directory-settings.ts';
import type { Container, Mount, Project } from './group-services.ts';
import { hostPath } from './host-path.ts';
import { isDatabase } from './infrastructure.ts';
import { isNeverData } from './never-data.ts';
import type { Bind } from './host-path.ts';

export function foldersOfContainer(
  container: Container,
  project: Project,
  places: ProjectPlaces,
  look: LookAtFolder,
): readonly Mount[] {
  const mounts = container.service.volumes.map((volume): Mount => {
    const { source, target, readOnly, written } = volume;
    const known = {
      ...{ label: source.text, readOnly, variable: undefined },
      origin: container.locate(written),
    };
    if (volume.kind === 'named') {
      const why = `a named volume (at ${target}) lies in Docker's own folder: mount a folder of the project instead, or add its path`;
      return { ...known, path: `volume ${source.text}`, verdict: { is: 'no', why } };
    }
    const path = resolve(project.directory, source.text);
    const verdict: Verdict = source.text.startsWith('~')
      ? { is: 'no', why: 'outside the project, in the home directory' }
      : source.missing.length > 0
        ? { is: 'no', why: `${source.missing.join(', ')} is not set, so its path is not known` }
        : judgeUnknown(path, target, places, look);
    return { ...known, path, verdict };
  });
  const settings = directorySettings(container.variables).flatMap((setting) =>
    namedFolder(setting, container, project, places, look, mounts),
  );
  const databases = databaseFolders(project);
  return [
    ...mounts,
    ...mounts.flatMap((mount) => foldersInside(mount, places, look)),
    ...settings,
    ...mounts.flatMap((mount) => foldersInProgram(mount, places, look)),
  ].map((mount) => withoutDatabase(mount, databases));
}

interface DatabaseFolder {
  readonly path: string;
  readonly service: string;
}

function databaseFolders({ services, directory }: Project): readonly DatabaseFolder[] {
  return services
    .map(({ service }) => service)
    .filter(isDatabase)
    .flatMap(({ name, volumes }) =>
      volumes
        .filter(({ kind, readOnly }) => kind === 'bind' && !readOnly)
        .map(({ source }) => ({ path: resolve(directory, source.text), service: name })),
    );
}

function withoutDatabase(mount: Mount, databases: readonly DatabaseFolder[]): Mount {
  if (mount.verdict.is === 'no' && mount.verdict.mayBeAdded === undefined) return mount;
  const database = databases.find(
    ({ path }) => path === mount.path || isBelow(path, mount.path) || isBelow(mount.path, path),
  );
  if (database === undefined) return mount;
  return { ...mount, verdict: { is: 'no', why: `${database.service} keeps its data there` } };
}

/** Folders whose content is looked at, because their own name does not say what is in them. */
const COLLECTIONS = /^(?:data|storage|volumes?|media)$/i;

/** `./data:/app/data`: the folders in it that exist and are called like data, or like nothing. */
function foldersInside(mount: Mount, places: ProjectPlaces, look: LookAtFolder): readonly Mount[] {
  if (mount.verdict.is !== 'no' || !COLLECTIONS.test(basename(mount.path))) return [];
  const state = look(mount.path);
  if (state.is !== 'directory') return [];
  return state.names.toSorted().flatMap((name): Mount[] => {
    const path = join(mount.path, name);
    if (look(path).is !== 'directory') return [];
    const verdict = judgeUnknown(path, undefined, places, look);
    return verdict.is === 'no' && verdict.mayBeAdded === undefined
      ? []
      : [{ ...mount, label: `${mount.label}/${name}`, path, verdict }];
  });
}

/** `.:/app`: what the program may write there is told, and not proposed by its name alone. */
function foldersInProgram(
  mount: Mount,
  places: ProjectPlaces,
  look: LookAtFolder,
): readonly Mount[] {
  const isProgram = places.kept.includes(mount.path);
  const state = isProgram && !mount.readOnly ? look(mount.path) : undefined;
  if (state?.is !== 'directory') return [];
  return state.names.toSorted().flatMap((name): Mount[] => {
    const path = join(mount.path, name);
    if (judgeFolder(path, undefined, places, look).is === 'no') return [];
    if (look(path).is !== 'directory') return [];
    const why =
      'in the folder of the program, and no mount and no setting names it: add it if the service writes it';
    return [{ ...mount, label: posix.join(mount.label, name), path, verdict: { is: 'no', why } }];
  });
}

function namedFolder(
  setting: DirectorySetting,
  container: Container,
  project: Project,
  places: ProjectPlaces,
  look: LookAtFolder,
  mounts: readonly Mount[],
): readonly Mount[] {
  const { variable, value, kind, isVetoed } = setting;
  const binds =
    project.kind === 'env'
      ? undefined
      : container.service.volumes.map((volume, index): Bind => {
          const isKnown =
            volume.kind === 'bind' &&
            !volume.source.text.startsWith('~') &&
            volume.source.missing.length === 0;
          const path = isKnown ? mounts[index]?.path : undefined;
          return {
            target: volume.target,
            path,
            label: volume.source.text,
            readOnly: volume.readOnly,
          };
        });
  const { workingDirectory } = container.service;
  const folder = container.folderOf(variable) ?? project.directory;
  const found = hostPath(value, { binds, workingDirectory, folder, look });
  const origin = container.originOf(variable);
  const label = `${variable}=${value.text.trim()}`;
  if (found.is === 'no') {
    if (found.why === undefined || isVetoed) return [];
    const verdict = { is: 'no', why: found.why } as const;
    return [{ label, path: label, verdict, readOnly: false, origin, variable }];
  }
  const { path, readOnly } = found;
  const verdict = isVetoed
    ? vetoed(path, variable, places, look)
    : judgeNamed(path, kind, places, look);
  // What does not exist and may not be emptied anyway is nothing to tell.
  if (verdict === undefined) return [];
  return [{ label, path, verdict, readOnly, origin, variable }];
}

/** A setting decides, and the folder's name can only speak against it. */
function judgeNamed(
  path: string,
  kind: DirectorySetting['kind'],
  places: ProjectPlaces,
  look: LookAtFolder,
): Verdict {
  const named = isNeverData(basename(path)) ? undefined : kind;
  const verdict = judgeFolder(path, undefined, places, look, named);
  // A cache of models is one of models, whatever the folder is called.
  return verdict.is !== 'no' && kind === 'models' ? { ...verdict, is: kind } : verdict;
}

function vetoed(
  path: string,
  variable: string,
  places: ProjectPlaces,
  look: LookAtFolder,
): Verdict | undefined {
  if (look(path).is !== 'directory') return undefined;
  if (judgeFolder(path, undefined, places, look, 'directories').is === 'no') return undefined;
  return { is: 'no', why: `${variable} is no name for data to be thrown away`, mayBeAdded: path };
}
