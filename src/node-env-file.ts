/** Undoes what Node.js itself does with `--env-file`. */

/** NAME=value entries as Linux gives them to a process (proc(5), environ), NUL behind each. */
export type InitialEnvironment = string | undefined;

/**
 * Node.js 20 takes `--env-file` even behind the script, and puts the file's variables into the
 * environment. Ours decides nothing but `${…}` of the config, so those variables are taken out again,
 * before a process in the background inherits them.
 * @param initial undefined: not known, and nothing is taken out.
 * @returns names of the variables that the process was not started with.
 */
export function addedByNode(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  initial: InitialEnvironment,
): readonly string[] {
  const isGiven = argv.some((word) => word === '--env-file' || word.startsWith('--env-file='));
  if (!isGiven || initial === undefined || initial === '') return [];
  const own = new Set(initial.split('\0').map((entry) => entry.slice(0, entry.indexOf('='))));
  return Object.keys(env).filter((name) => !own.has(name));
}
