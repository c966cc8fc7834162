/** Types and keys: zod's issues, told in the operator's language. */
import type { core } from 'zod';
import { explainIssue } from './explain.ts';
import type { JsonPath } from './json-path.ts';
import type { ProblemCollector } from './problems.ts';
import { configSchema } from './schema.ts';
import type { ConfigDraft } from './schema.ts';
import { chooseBranch } from './unions.ts';

/**
 * Adds a problem for everything that has the wrong type or an unknown key, and gives what is left
 * when that is taken out, so that the rest can still be checked.
 */
export function checkShape(value: unknown, problems: ProblemCollector): ConfigDraft {
  const result = configSchema.safeParse(value);
  if (result.success) return value as ConfigDraft;
  const issues = flatten(result.error.issues, [], value);
  const renamed = new Set<string>();
  const told = issues.map((issue) => explainIssue(issue.issue, issue.path, at(value, issue.path)));
  for (const entry of told.flat()) {
    if (entry.meant !== undefined)
      renamed.add(JSON.stringify([...entry.path.slice(0, -1), entry.meant]));
  }
  for (const { path, message, place } of told.flat()) {
    // A misspelt key is one mistake: that the right one is missing goes without saying.
    if (place === 'missing' && renamed.has(JSON.stringify(path))) continue;
    problems.add(path, message, place === 'key' ? 'key' : 'value');
  }
  let rest = value;
  const copies = new Set<unknown>();
  for (const { path } of told.flat()) {
    problems.markBroken(path);
    rest = without(rest, path, copies);
  }
  for (const path of renamed) problems.markBroken(JSON.parse(path) as JsonPath);
  return rest ?? {};
}

interface PlacedIssue {
  readonly issue: core.$ZodIssue | { readonly code: 'forms'; readonly message: string };
  readonly path: JsonPath;
}

function flatten(issues: readonly core.$ZodIssue[], base: JsonPath, root: unknown): PlacedIssue[] {
  return issues.flatMap((issue): PlacedIssue[] => {
    const path = [...base, ...(issue.path as JsonPath)];
    if (issue.code !== 'invalid_union') return [{ issue, path }];
    const branch = chooseBranch(path, at(root, path));
    if (typeof branch === 'string') return [{ issue: { code: 'forms', message: branch }, path }];
    return flatten(issue.errors[branch] ?? [], path, root);
  });
}

function at(value: unknown, path: JsonPath): unknown {
  let part = value;
  for (const segment of path) {
    if (typeof part !== 'object' || part === null) return undefined;
    part = (part as Record<string | number, unknown>)[segment];
  }
  return part;
}

/**
 * A copy without the value at `path`; in an array its place stays, so that indexes hold.
 * @param copies what was copied already, and may be changed; grows.
 */
function without(value: unknown, path: JsonPath, copies: Set<unknown>): unknown {
  const [segment, ...rest] = path;
  if (segment === undefined) return undefined;
  if (typeof value !== 'object' || value === null || !(segment in value)) return value;
  const copy = copies.has(value) ? value : copied(value);
  copies.add(copy);
  const members = copy as Record<string | number, unknown>;
  members[segment] = without(members[segment], rest, copies);
  return copy;
}

function copied(value: object): object {
  if (Array.isArray(value)) return [...(value as unknown[])];
  return Object.assign(Object.create(null) as Record<string, unknown>, value);
}
