import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { errorCode } from '../errors.ts';
import type { TlsOptions } from '../redis/target.ts';
import type { JsonPath } from './json-path.ts';
import type { ProblemCollector } from './problems.ts';
import type { TlsDraft } from './schema.ts';

const TLS_FILES = ['ca', 'cert', 'key'] as const;

/** As redis-py and Celery name the same in a URL. */
const URL_OPTIONS = { ca: 'ssl_ca_certs', cert: 'ssl_certfile', key: 'ssl_keyfile' } as const;

type Writable = { -readonly [Key in keyof TlsOptions]: TlsOptions[Key] };

/** The TLS options of a URL, as {@link resolveTls} does it for the key `tls`. */
export function resolveUrlTls(
  options: TlsOptions | undefined,
  directory: string,
  path: JsonPath,
  problems: ProblemCollector,
): TlsOptions | undefined {
  if (options === undefined) return undefined;
  const resolved: Writable = { ...options };
  for (const name of TLS_FILES) {
    const written = options[name];
    if (written === undefined) continue;
    const file = resolve(directory, written);
    resolved[name] = file;
    const problem = written === '' ? 'must not be empty: give a PEM file' : unreadable(file);
    const [first, other] = [URL_OPTIONS[name], URL_OPTIONS[name === 'cert' ? 'key' : 'cert']];
    if (problem !== undefined) problems.add(path, `${first} of the Redis URL: ${problem}`);
    else if (name !== 'ca' && options[name === 'cert' ? 'key' : 'cert'] === undefined) {
      problems.add(path, `${first} of the Redis URL needs ${other} beside it`);
    }
  }
  return resolved;
}

/** TLS options with absolute paths; files are relative to `directory` and must be readable now. */
export function resolveTls(
  draft: TlsDraft,
  directory: string,
  path: JsonPath,
  problems: ProblemCollector,
): TlsOptions {
  const files: Writable = {};
  if (draft.verify !== undefined) files.verify = draft.verify;
  for (const name of TLS_FILES) {
    const written = draft[name];
    if (written === undefined || problems.isBroken([...path, name])) continue;
    files[name] = resolve(directory, written);
    const problem = written === '' ? 'must not be empty: give a PEM file' : unreadable(files[name]);
    if (problem !== undefined) problems.add([...path, name], problem);
  }
  if (draft.servername === '')
    problems.add([...path, 'servername'], 'must not be empty: give a host name, or remove it');
  else if (draft.servername !== undefined) files.servername = draft.servername;
  for (const [present, other] of [
    ['cert', 'key'],
    ['key', 'cert'],
  ] as const) {
    if (
      draft[present] !== undefined &&
      draft[other] === undefined &&
      !problems.isBroken([...path, other])
    ) {
      problems.add([...path, present], `needs \`${other}\` beside it`);
    }
  }
  return files;
}

function unreadable(file: string): string | undefined {
  try {
    accessSync(file, constants.R_OK);
    return statSync(file).isDirectory() ? 'is a directory: give a PEM file' : undefined;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return 'there is no such file (a relative path begins at the directory of this config file)';
    }
    if (code === 'EACCES') return 'the file may not be read: change its mode, or run as its owner';
    return `the file cannot be read: ${code ?? 'unknown error'}`;
  }
}
