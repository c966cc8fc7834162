/** Which of several allowed forms a wrong value was meant to be. */
import type { JsonPath } from './json-path.ts';
import { nearestWord } from './suggest.ts';

const REDIS_FORMS =
  'a Redis URL (string), { "url", "tls" }, { "cluster": [url, …] } or { "sentinels": [url, …], "name", "db" }';
const REDIS_KEYS = ['url', 'cluster', 'sentinels'] as const;

/**
 * The index of the union's member in schema.ts that `value` was meant to be, so that this member's
 * complaints are the right ones; or a sentence that says which forms there are.
 */
export function chooseBranch(path: JsonPath, value: unknown): number | string {
  const last = path.at(-1);
  if (last === 'redis' || last === 'broker') return chooseRedisForm(value);
  if (last === 'sentinels') {
    return Array.isArray(value) ? 1 : 'must be a string or an array of strings';
  }
  if (last === 'keyPrefix' || last === 'foreignKeyPrefixes' || last === 'indexKeys') {
    return Array.isArray(value) ? 1 : 'must be a string or an array of strings';
  }
  if (last === 'fanoutPrefix') {
    return 'must be the text that `fanout_prefix` is set to, such as "/{db}.", or false';
  }
  return isObject(value)
    ? 1
    : 'must be a path (string) or an object { "path", "mustBeMounted", "marker", "keep", "optional" }';
}

function chooseRedisForm(value: unknown): number | string {
  if (!isObject(value)) return `must be ${REDIS_FORMS}`;
  const keys = Object.keys(value);
  const named = REDIS_KEYS.filter((key) => keys.includes(key));
  if (named.length > 1) {
    return `names ${named.map((key) => `\`${key}\``).join(' and ')}: keep one; it must be ${REDIS_FORMS}`;
  }
  const meant = named[0] ?? keys.map((key) => nearestWord(key, REDIS_KEYS)).find((key) => key);
  const index = REDIS_KEYS.findIndex((key) => key === meant);
  return index === -1 ? `must be ${REDIS_FORMS}` : index + 1;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
