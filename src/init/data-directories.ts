/**
 * Which folders `init` may propose for emptying: only those whose names say that they hold what
 * the services make themselves, below the project, and without source code in them. A folder too
 * few is a line to add; one too many is somebody's work gone.
 */
import { basename, join, relative, sep } from 'node:path';
import { isNeverData, wordsOf } from './never-data.ts';

export type FolderState =
  | { readonly is: 'missing' }
  | { readonly is: 'other' }
  | { readonly is: 'unreadable' }
  | {
      readonly is: 'directory';
      /** Resolved through symbolic links. */
      readonly real: string;
      /** Some names in it. */
      readonly names: readonly string[];
    };

export type LookAtFolder = (path: string) => FolderState;

export interface ProjectPlaces {
  /** Absolute; everything proposed lies below it. */
  readonly base: string;
  /** The same, resolved through symbolic links. */
  readonly realBase: string;
  /** Absolute: build contexts, folders of compose files and of the config. Never emptied. */
  readonly kept: readonly string[];
  readonly home: string | undefined;
}

export type Verdict =
  | {
      readonly is: 'directories' | 'models';
      /** Resolved through symbolic links. */
      readonly real: string;
      /** What only keeps the folder in a repository, and stays. */
      readonly keep: readonly string[];
    }
  | {
      readonly is: 'no';
      readonly why: string;
      /** Absolute: only its name speaks against it, so the operator may add it. */
      readonly mayBeAdded?: string;
    };

export const DATA_WORDS = words(
  'upload uploads uploaded temp tmp temporary download downloads downloaded cache caches cached',
  'processed transcription transcriptions transcript transcripts output outputs result results',
  'converted normalized normalised transcoded rendered thumbnails thumbs previews segments chunks',
  'frames artifacts exports scratch staging spool',
);
export const MODEL_WORDS = words('models model whisper weights checkpoints huggingface hf torch');
/** Beside one of the above they change nothing: `temp_files`, `whisper-models-data`. */
const BESIDE = words(
  'data file files dir folder audio video videos media image images job jobs api worker celery',
  'app service hub cpu gpu large small medium base local shared my',
);

const SOURCE_FILE =
  /\.(?:py|pyi|ts|tsx|js|mjs|cjs|jsx|go|rs|java|kt|rb|php|cs|c|cc|cpp|h|hpp|swift|vue|sql|ipynb)$|^(?:Dockerfile|Makefile|\.git|\.svn|\.hg|package\.json|pyproject\.toml|requirements\.txt|setup\.cfg|go\.mod|Cargo\.toml|node_modules|\.env|docker-compose\.ya?ml|compose\.ya?ml)$/i;
/** In a folder that a setting names and whose name does not say that it is data. */
const NOT_DATA_FILE =
  /\.(?:db|sqlite3?|mdb|rdb|aof|pem|key|crt|conf|cfg|ini|toml|ya?ml|kdbx|sql|bak|ibd|wt|frm|myd)$|^(?:PG_VERSION|appendonlydir|ibdata\d*|WiredTiger|mysql|pg_wal|cookies.*\.txt|config.*|secrets?|.*\.env)$/i;
export const UNKNOWN_NAME = 'its name does not say that it holds data to be thrown away';
/** Levels, and folders in all, that are looked into below a folder whose name says nothing. */
const MAX_DEPTH = 4;
const MAX_LOOKS = 500;
const PLACEHOLDER = /^\.(?:gitkeep|gitignore|keep)$/;

/**
 * What may be done with the folder `path` (absolute) that is mounted at `target`.
 * @param named the kind that a setting such as UPLOAD_DIR gives the folder: then its own name need
 *   not say that it holds data.
 */
export function judgeFolder(
  path: string,
  target: string | undefined,
  places: ProjectPlaces,
  look: LookAtFolder,
  named?: 'directories' | 'models',
): Verdict {
  const no = (why: string): Verdict => ({ is: 'no', why });
  const ownKind = kindOf(path, places.base);
  const kind = ownKind ?? (liesInCode(path, places.base) ? undefined : named);
  if (path === '/') return no('the root of the file system');
  if (path === places.home) return no('the home directory');
  if (path === places.base) return no('the project itself');
  if (!isBelow(path, places.base)) return no(`outside the project ${places.base}`);
  if (places.base === '/' || places.base === places.home) {
    return no('the project is the home directory or the root: run init in a folder of its own');
  }
  const kept = places.kept.find((other) => other === path || isBelow(other, path));
  if (kept !== undefined) return no('it holds source code or the configuration');
  if (kind === undefined) return no(UNKNOWN_NAME);
  if (
    target !== undefined &&
    /^\/(?:app|code|src|srv|workspace|usr\/src(?:\/app)?)?\/?$/.test(target)
  ) {
    return no(`mounted as ${target}, where the program itself is`);
  }
  if (path.includes('${')) return no('a `${` in its path would be read as a variable');
  const state = look(path);
  if (state.is === 'missing') return { is: kind, real: path, keep: [] };
  if (state.is === 'other') return no('not a directory');
  if (state.is === 'unreadable') return no('what is in it cannot be read, so nobody knows');
  if (!isBelow(state.real, places.realBase)) {
    return no(`a symbolic link leads out of the project, to ${state.real}`);
  }
  const source = state.names.find((name) => SOURCE_FILE.test(name));
  if (source !== undefined) return no(`it holds source code (${source})`);
  const other = ownKind === undefined ? state.names.find(isNoData) : undefined;
  if (other !== undefined) return no(`it holds something else than data (${other})`);
  const { real } = state;
  const deeper = ownKind === undefined ? foundBelow(real, look) : undefined;
  if (deeper !== undefined)
    return no(`it holds source code or something else than data (${deeper})`);
  if (places.kept.some((other) => other === real || isBelow(other, real))) {
    return no('a symbolic link leads to source code or the configuration');
  }
  const keep = state.names.filter((name) => PLACEHOLDER.test(name)).toSorted();
  return { is: kind, real, keep };
}

/** A folder with a mount or a setting for it whose name says nothing, and what keeps it out else. */
export function judgeUnknown(
  path: string,
  target: string | undefined,
  places: ProjectPlaces,
  look: LookAtFolder,
): Verdict {
  const verdict = judgeFolder(path, target, places, look);
  if (verdict.is !== 'no' || verdict.why !== UNKNOWN_NAME || isNeverData(basename(path))) {
    return verdict;
  }
  const named = judgeFolder(path, target, places, look, 'directories');
  return named.is === 'no' ? named : { ...verdict, mayBeAdded: path };
}

/** The first name that is no data, in folders of folders too: `scans/tool/main.py`. */
function foundBelow(top: string, look: LookAtFolder): string | undefined {
  let level: readonly string[] = [top];
  let left = MAX_LOOKS;
  for (let depth = 0; depth < MAX_DEPTH; depth += 1) {
    const next: string[] = [];
    for (const directory of level) {
      const state = left > 0 ? look(directory) : undefined;
      left -= 1;
      // A symbolic link is deleted as such, and what it leads to stays.
      if (state?.is !== 'directory' || state.real !== directory) continue;
      const found = state.names.find((name) => SOURCE_FILE.test(name) || isNoData(name));
      if (found !== undefined && directory !== top) return relative(top, join(directory, found));
      next.push(
        ...state.names.filter((name) => !name.includes('.')).map((name) => join(directory, name)),
      );
    }
    level = next;
  }
  return undefined;
}

/** By the folder's own name; a cache of models is one of models, wherever it lies. */
export function kindOf(path: string, base: string): 'directories' | 'models' | undefined {
  const parts = relative(base, path).split(sep);
  const own = wordsOf(basename(path));
  const known = (word: string): boolean => DATA_WORDS.has(word) || MODEL_WORDS.has(word);
  if (!own.some(known) || !own.every((word) => known(word) || BESIDE.has(word))) return undefined;
  const isModels = own.some((word) => MODEL_WORDS.has(word));
  // Code that is called like data: src/cache, app/models of an ORM.
  const code = isModels
    ? /^(?:src|source|lib|app|code|backend|server|api|node_modules)$/i
    : /^(?:src|source|lib|node_modules)$/i;
  if (parts.slice(0, -1).some((part) => code.test(part))) return undefined;
  return isModels ? 'models' : 'directories';
}

/** Folders have no dot in their names; of files what they end in is looked at. */
function isNoData(name: string): boolean {
  return NOT_DATA_FILE.test(name) || (!name.includes('.') && isNeverData(name));
}

function liesInCode(path: string, base: string): boolean {
  return relative(base, path)
    .split(sep)
    .some((part) => /^(?:src|source|lib|node_modules|\.git)$/i.test(part));
}

export function isBelow(path: string, directory: string): boolean {
  return path !== directory && path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

function words(...lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.join(' ').split(' '));
}
