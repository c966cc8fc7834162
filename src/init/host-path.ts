/** Where on this machine a directory is that a setting names. */
import { dirname, join, posix, relative, resolve } from 'node:path';
import { isBelow } from './data-directories.ts';
import type { LookAtFolder } from './data-directories.ts';
import type { Interpolated } from '../config/interpolate.ts';
import { withoutTrailingSlashes } from '../model/slashes.ts';

export interface Bind {
  /** Path in the container. */
  readonly target: string;
  /** Absolute; undefined: a named volume, or a path that is not known. */
  readonly path: string | undefined;
  /** As the compose file has it. */
  readonly label: string;
  readonly readOnly: boolean;
}

export interface HostPathContext {
  /** Mounts of the container; undefined: there is no container, paths are those of this machine. */
  readonly binds: readonly Bind[] | undefined;
  readonly workingDirectory: string | undefined;
  /** Folder of the env file or compose file that holds the setting. */
  readonly folder: string;
  readonly look: LookAtFolder;
}

export type HostPath =
  | { readonly is: 'host'; readonly path: string; readonly readOnly: boolean }
  /** Undefined `why`: a file, or nothing that could be proposed. */
  | { readonly is: 'no'; readonly why: string | undefined };

/** What programs in containers call the folder of the program. */
const PROGRAM_FOLDERS = ['/app', '/code', '/srv/app', '/usr/src/app', '/workspace', '/opt/app'];

export function hostPath(value: Interpolated, context: HostPathContext): HostPath {
  const text = withoutTrailingSlashes(value.text.trim());
  if (value.missing.length > 0) {
    return { is: 'no', why: `${value.missing.join(', ')} is not set, so its path is not known` };
  }
  if (text.startsWith('~')) return { is: 'no', why: 'outside the project, in the home directory' };
  const found =
    context.binds === undefined
      ? withoutContainer(text, context)
      : inContainer(text, context.binds, context);
  if (found.is === 'no') return found;
  const state = context.look(found.path);
  // `MODEL_PATH=models/base.pt`
  const isFile = state.is === 'other' || (state.is === 'missing' && /\.\w{1,5}$/.test(text));
  return isFile ? { is: 'no', why: undefined } : found;
}

function withoutContainer(text: string, { folder, look }: HostPathContext): HostPath {
  if (!text.startsWith('/')) return host(resolve(folder, text));
  const program = PROGRAM_FOLDERS.find((one) => isBelow(text, one));
  // Written for the container that the folder is copied into.
  if (program !== undefined && look(text).is === 'missing') {
    const inFolder = join(folder, relative(program, text));
    if (look(inFolder).is === 'directory') return host(inFolder);
  }
  return host(text);
}

function inContainer(
  text: string,
  binds: readonly Bind[],
  { workingDirectory, folder, look }: HostPathContext,
): HostPath {
  if (text.startsWith('/')) return throughMounts(posix.normalize(text), binds) ?? NOT_MOUNTED;
  const from =
    workingDirectory === undefined
      ? [
          ...new Set([
            ...binds.flatMap(({ target }) => ancestors(target)),
            ...programs(binds, folder),
          ]),
        ]
      : [workingDirectory];
  const mapped = from.flatMap(
    (directory) => throughMounts(posix.join(directory, text), binds) ?? [],
  );
  const isThere = (one: HostPath): boolean =>
    one.is === 'host' && look(one.path).is === 'directory';
  const best = mapped.find(isThere) ?? mapped.find(({ is }) => is === 'host') ?? mapped[0];
  if (best !== undefined) return best;
  // The same file serves the program without a container at times.
  const beside = host(resolve(folder, text));
  return isThere(beside) ? beside : NOT_MOUNTED;
}

const NOT_MOUNTED: HostPath = {
  is: 'no',
  why: 'inside the container, where no mount leads: what is in it goes with the container',
};

function host(path: string): HostPath {
  return { is: 'host', path, readOnly: false };
}

/** Through the mount that is nearest to the path; undefined: none holds it. */
function throughMounts(path: string, binds: readonly Bind[]): HostPath | undefined {
  const [bind] = binds
    .map((one) => ({ ...one, target: withoutTrailingSlashes(one.target) }))
    .filter(({ target }) => target === path || isBelow(path, target))
    .toSorted((a, b) => b.target.length - a.target.length);
  if (bind === undefined) return undefined;
  if (bind.path === undefined) {
    const why = `${bind.label} is no folder of the project: mount a folder instead, or add its path`;
    return { is: 'no', why };
  }
  const rest = posix.relative(bind.target, path);
  return {
    is: 'host',
    path: rest === '' ? bind.path : join(bind.path, rest),
    readOnly: bind.readOnly,
  };
}

/** Where the folder of the setting is mounted as a whole, with the program in it. */
function programs(binds: readonly Bind[], folder: string): readonly string[] {
  return binds.flatMap(({ path, target }) =>
    path !== undefined && (path === folder || isBelow(folder, path))
      ? [posix.join(target, relative(path, folder))]
      : [],
  );
}

/** The nearest first. */
function ancestors(path: string): readonly string[] {
  const above = dirname(path);
  return above === path ? [] : [above, ...ancestors(above)];
}
