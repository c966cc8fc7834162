import { lstatSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { CannotStart, errorCode, errorMessage } from '../errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const FILE_NAME = 'cleanup.config.json';
const VARIABLE = 'MEDIA_CLEANUP_CONFIG';

/**
 * The config file to use, absolute: `--config`, else `$MEDIA_CLEANUP_CONFIG`, else the first of
 * the working directory, the user's and the system's config directory that has one.
 * `system` replaces `/etc`.
 * @throws CannotStart when the named file is not there, or none is found.
 */
export function findConfigFile(options: {
  readonly flag: string | undefined;
  readonly env: Environment;
  readonly cwd: string;
  readonly home?: string;
  readonly system?: string;
}): string {
  const { flag, env, cwd } = options;
  if (flag !== undefined) return namedFile(flag, cwd, '--config');
  const fromEnvironment = env[VARIABLE];
  if (fromEnvironment !== undefined && fromEnvironment !== '') {
    return namedFile(fromEnvironment, cwd, `$${VARIABLE}`);
  }
  const places = [
    join(cwd, FILE_NAME),
    ...userConfigDirectory(env, options.home).map((directory) =>
      join(directory, 'media-cleanup', FILE_NAME),
    ),
    join(options.system ?? '/etc', 'media-cleanup', FILE_NAME),
  ];
  const found = places.find(exists);
  if (found !== undefined) return resolve(found);
  throw new CannotStart(
    'config',
    `no ${FILE_NAME} found: pass --config <file>, or write one with media-cleanup init`,
    [
      { path: `$${VARIABLE}`, message: 'is not set' },
      ...places.map((place) => ({ path: place, message: 'does not exist' })),
    ],
  );
}

function namedFile(name: string, cwd: string, source: string): string {
  if (name === '') throw new CannotStart('config', `${source} names no file: give it a path`);
  const file = resolve(cwd, name);
  if (exists(file)) return file;
  throw new CannotStart('config', `the config file ${file}, named by ${source}, does not exist`);
}

/** The XDG base directory specification: a value that is not absolute is to be ignored. */
function userConfigDirectory(env: Environment, home: string | undefined): readonly string[] {
  const configured = env['XDG_CONFIG_HOME'];
  if (configured !== undefined && isAbsolute(configured)) return [configured];
  try {
    return [join(home ?? homedir(), '.config')];
  } catch {
    // A user without a passwd entry and without HOME has none.
    return [];
  }
}

/**
 * Anything by that name counts, a dangling link too: passing over a broken config in silence
 * would wipe what the next one describes.
 */
function exists(file: string): boolean {
  try {
    lstatSync(file);
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    if (code === 'EACCES') {
      throw new CannotStart(
        'config',
        `cannot look for the config file ${file}: permission denied (pass --config <file>)`,
        [],
        error,
      );
    }
    throw new CannotStart(
      'config',
      `cannot look for the config file ${file}: ${errorMessage(error)}`,
      [],
      error,
    );
  }
}
