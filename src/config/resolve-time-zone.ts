import type { JsonPath } from './json-path.ts';
import type { ProblemCollector } from './problems.ts';
import { nearestWord } from './suggest.ts';

/** The zone as it is written; what this Node.js does not know as an IANA name is a problem. */
export function resolveTimeZone(
  name: string | undefined,
  path: JsonPath,
  problems: ProblemCollector,
): string | undefined {
  if (name === undefined || problems.isBroken(path) || isTimeZone(name)) return name;
  problems.add(path, problemOf(name));
  return undefined;
}

function problemOf(name: string): string {
  if (name.trim() === '') return 'must not be empty: give an IANA time zone, or remove it';
  const meant = nearestWord(name, ['UTC', ...Intl.supportedValuesOf('timeZone')]);
  const hint =
    meant === undefined ? 'give one like `Europe/Berlin`, or `UTC`' : `did you mean \`${meant}\`?`;
  return `is no IANA time zone: ${hint}`;
}

/** The list of supported zones lacks all aliases, `UTC` and `Asia/Kathmandu` among them. */
function isTimeZone(name: string): boolean {
  // An offset is a zone for Node.js 22 and none for 20.
  if (/^[+-]/.test(name)) return false;
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: name }));
  } catch {
    return false;
  }
}
