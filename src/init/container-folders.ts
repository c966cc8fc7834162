/** The folders of this machine that a container writes: its mounts, and what its settings name. */
import { basename, join, relative, resolve } from 'node:path';
import { judgeFolder } from './data-directories.ts';
import type { LookAtFolder, ProjectPlaces, Verdict } from './data-directories.ts';
import { directorySettings } from './directory-settings.ts';
import type { DirectorySetting } from './directory-settings.ts';
import type { Container, Mount, Project } from './group-services.ts';
import { hostPath } from './host-path.ts';
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
        : judgeFolder(path, target, places, look);
    return { ...known, path, verdict };
  });
  const settings = directorySettings(container.variables).flatMap((setting) =>
    namedFolder(setting, container, project, places, look, mounts),
  );
  return [...mounts, ...mounts.flatMap((mount) => foldersInside(mount, places, look)), ...settings];
}

/** Folders whose content is looked at, because their own name does not say what is in them. */
const COLLECTIONS = /^(?:data|storage|volumes?|media)$/i;

/** `./data:/app/data`: the folders in it that exist and are called like data. */
function foldersInside(mount: Mount, places: ProjectPlaces, look: LookAtFolder): readonly Mount[] {
  if (mount.verdict.is !== 'no' || !COLLECTIONS.test(basename(mount.path))) return [];
  const state = look(mount.path);
  if (state.is !== 'directory') return [];
  return state.names.toSorted().flatMap((name): Mount[] => {
    const path = join(mount.path, name);
    if (look(path).is !== 'directory') return [];
    const verdict = judgeFolder(path, undefined, places, look);
    return verdict.is === 'no'
      ? []
      : [{ ...mount, label: `${mount.label}/${name}`, path, verdict }];
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
  const { variable, value, kind, isAboutData } = setting;
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
    if (found.why === undefined) return [];
    const verdict = { is: 'no', why: found.why } as const;
    return [{ label, path: label, verdict, readOnly: false, origin, variable }];
  }
  const { path, readOnly } = found;
  const named = mayBeNamed(path, places.base, isAboutData) ? kind : undefined;
  const verdict = judgeFolder(path, undefined, places, look, named);
  // A cache of models is one of models, whatever the folder is called.
  const ofKind = verdict.is !== 'no' && kind === 'models' ? { ...verdict, is: kind } : verdict;
  return [{ label, path, verdict: ofKind, readOnly, origin, variable }];
}

/** A name like `UPLOAD_DIR`, or a place below `data`, and a folder that is not called like code. */
function mayBeNamed(path: string, base: string, isAboutData: boolean): boolean {
  const parts = relative(base, path).split('/');
  if (isNeverData(basename(path))) return false;
  return isAboutData || parts.slice(0, -1).some((part) => COLLECTIONS.test(part));
}
