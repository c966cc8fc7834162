import type { EnvConflict, Variables } from './env-file.ts';
import type { Environment } from './find.ts';
import type { JsonPath } from './json-path.ts';

export interface VariableProblem {
  readonly path: JsonPath;
  readonly message: string;
}

export interface Expanded {
  readonly value: unknown;
  /** A string with a problem is left as it was written. */
  readonly problems: readonly VariableProblem[];
}

type Conflicts = Variables['conflicts'];

/**
 * `${NAME}` and `${NAME:-default}` in every string value (not in keys) of a JSON value; any other
 * `$` is literal. Messages name variables and never show what is in them.
 */
export function expandVariables(
  value: unknown,
  env: Environment,
  conflicts: Conflicts = new Map(),
): Expanded {
  const problems: VariableProblem[] = [];
  const visit = (part: unknown, path: JsonPath): unknown => {
    if (typeof part === 'string') {
      const expanded = expandText(part, env, conflicts);
      problems.push(...expanded.problems.map((message) => ({ path, message })));
      return expanded.problems.length === 0 ? expanded.text : part;
    }
    if (Array.isArray(part)) return part.map((element, index) => visit(element, [...path, index]));
    if (typeof part !== 'object' || part === null) return part;
    // Without a prototype, so that a key `__proto__` stays a key.
    const result = Object.create(null) as Record<string, unknown>;
    for (const [key, member] of Object.entries(part)) result[key] = visit(member, [...path, key]);
    return result;
  };
  return { value: visit(value, []), problems };
}

function expandText(
  text: string,
  env: Environment,
  conflicts: Conflicts,
): { readonly text: string; readonly problems: readonly string[] } {
  const problems = new Set<string>();
  let result = '';
  let position = 0;
  for (;;) {
    const start = text.indexOf('${', position);
    if (start === -1) break;
    const end = text.indexOf('}', start);
    if (end === -1) {
      problems.add('`${` has no closing `}`: write `${NAME}` or `${NAME:-default}`');
      break;
    }
    const variable = resolveVariable(text.slice(start + 2, end), env, conflicts);
    if ('problem' in variable) problems.add(variable.problem);
    else result += text.slice(position, start) + variable.value;
    position = end + 1;
  }
  return { text: result + text.slice(position), problems: [...problems] };
}

function resolveVariable(
  inside: string,
  env: Environment,
  conflicts: Conflicts,
): { readonly value: string } | { readonly problem: string } {
  const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([^]*))?$/.exec(inside);
  const name = match?.[1];
  if (name === undefined) {
    return {
      problem:
        'not a variable: write `${NAME}` or `${NAME:-default}`, with a name of letters, digits and `_`',
    };
  }
  const fallback = match?.[2];
  if (fallback?.includes('${') === true) {
    return { problem: `the default of \`${name}\` holds another variable: write it as plain text` };
  }
  const conflict = conflicts.get(name);
  if (conflict !== undefined) return { problem: conflictText(name, conflict) };
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  if (value !== undefined && value !== '') return { value };
  if (fallback !== undefined) return { value: fallback };
  const state = value === undefined ? 'not set' : 'empty';
  return {
    problem: `the variable \`${name}\` is ${state}: set it, or name the env file that has it with --env-file`,
  };
}

function conflictText(name: string, { variable, files: [first, second] }: EnvConflict): string {
  const subject =
    variable === name
      ? `the variable \`${name}\` has`
      : `the variable \`${name}\` uses \`${variable}\`, which has`;
  return `${subject} different values in the env files ${first} and ${second}: name one of the two files only, or give the variable another name in the config and in one of the files`;
}
