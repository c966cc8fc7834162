import { readFileSync, statSync } from 'node:fs';
import { CannotStart, errorCode, errorMessage } from '../errors.ts';

/** No config is this long; what is, was named by mistake. */
const MAX_BYTES = 2 ** 20;

/**
 * The text of a config file, at most 1 MiB of UTF-8.
 * @throws CannotStart that names the file and says what is wrong with it.
 */
export function readConfigText(file: string): string {
  const fail = (reason: string, cause?: unknown) =>
    new CannotStart('config', `cannot read the config file ${file}: ${reason}`, [], cause);
  let bytes: Buffer;
  try {
    const status = statSync(file);
    if (status.isDirectory()) throw fail('it is a directory, name the file inside it');
    if (!status.isFile() && !status.isFIFO()) throw fail('it is not a file');
    if (status.size > MAX_BYTES) throw fail('it is larger than 1 MiB, so it is no config');
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof CannotStart) throw error;
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'it does not exist',
      ENOTDIR: 'it does not exist',
      EACCES: 'permission denied, run as a user who may read it',
      ELOOP: 'it is a symbolic link that leads back to itself',
    };
    throw fail(reasons[errorCode(error) ?? ''] ?? errorMessage(error), error);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw fail('it is not UTF-8 text, save it as UTF-8', error);
  }
}
