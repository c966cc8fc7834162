import type { core } from 'zod';
import { printableKey } from './json-path.ts';
import type { JsonPath } from './json-path.ts';
import {
  celerySchema,
  clusterFormSchema,
  configSchema,
  directorySchema,
  sentinelFormSchema,
  serverFormSchema,
  serviceSchema,
  tlsSchema,
} from './schema.ts';
import { nearestWord } from './suggest.ts';

export interface Explained {
  readonly path: JsonPath;
  readonly message: string;
  readonly place: 'key' | 'value' | 'missing';
  /** Of an unknown key: the known one that it was most likely meant to be. */
  readonly meant?: string | undefined;
}

/** One of zod's issues, with `actual` at its path, as sentences with the remedy. */
export function explainIssue(
  issue: core.$ZodIssue | { readonly code: 'forms'; readonly message: string },
  path: JsonPath,
  actual: unknown,
): Explained[] {
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(key, path, actual));
    case 'invalid_type':
      if (actual === undefined) return [{ path, message: missing(path), place: 'missing' }];
      return [{ path, message: wrongType(issue.expected, actual), place: 'value' }];
    case 'invalid_value':
      return [{ path, message: wrongWord(issue.values.map(String), actual), place: 'value' }];
    case 'too_small':
    case 'too_big':
      return [{ path, message: 'must be a whole number, 0 or more', place: 'value' }];
    case 'forms':
      return [{ path, message: issue.message, place: 'value' }];
    default:
      return [{ path, message: 'is not valid here: see the README', place: 'value' }];
  }
}

function unknownKey(key: string, path: JsonPath, holder: unknown): Explained {
  const known = knownKeys(path, holder);
  const meant = nearestWord(key, known);
  const hint =
    meant === undefined
      ? `known keys are ${known.map((name) => `\`${name}\``).join(', ')}`
      : `did you mean \`${meant}\`?`;
  const message = `unknown key \`${printableKey(key)}\`: ${hint}`;
  return { path: [...path, key], message, place: 'key', meant };
}

function knownKeys(path: JsonPath, holder: unknown): readonly string[] {
  const last = path.at(-1);
  if (last === undefined) return Object.keys(configSchema.shape);
  if (typeof last === 'number') return Object.keys(directorySchema.shape);
  if (path.length === 2) return Object.keys(serviceSchema.shape);
  if (last === 'celery') return Object.keys(celerySchema.shape);
  if (last === 'tls') return Object.keys(tlsSchema.shape);
  // Which of the forms of `redis` it is has been decided by a key that is there or nearly there.
  const present = Object.keys(holder ?? {});
  const near = (word: string): boolean => present.some((key) => nearestWord(key, [word]) === word);
  const forms = [serverFormSchema, clusterFormSchema, sentinelFormSchema];
  const words = ['url', 'cluster', 'sentinels'];
  const exact = words.findIndex((word) => present.includes(word));
  const index = exact === -1 ? words.findIndex(near) : exact;
  return Object.keys(forms[index]?.shape ?? {});
}

function missing(path: JsonPath): string {
  const remedies: Readonly<Record<string, string>> = {
    services: 'name at least one service',
    queues: 'list the queues of the service, e.g. ["my_queue"]',
    path: 'give the path or glob pattern of the directory',
    name: 'give the name of the master that the sentinels watch',
    url: 'give the URL of the server',
  };
  const remedy = remedies[String(path.at(-1))];
  return remedy === undefined ? 'is missing' : `is missing: ${remedy}`;
}

function wrongType(expected: string, actual: unknown): string {
  const kinds: Readonly<Record<string, string>> = {
    string: 'a string',
    boolean: 'true or false',
    array: 'an array [ … ]',
    object: 'an object { … }',
    record: 'an object { … }',
    int: 'a whole number, 0 or more',
    number: 'a whole number, 0 or more',
  };
  return `must be ${kinds[expected] ?? expected}, not ${kindOf(actual)}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return Number.isInteger(value) ? 'a number' : 'a fraction';
  return `a ${typeof value}`;
}

function wrongWord(allowed: readonly string[], actual: unknown): string {
  const words = allowed.map((word) => `\`${word}\``);
  const list = `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
  const meant = typeof actual === 'string' ? nearestWord(actual, allowed) : undefined;
  return meant === undefined ? `must be ${list}` : `must be ${list}: did you mean \`${meant}\`?`;
}
