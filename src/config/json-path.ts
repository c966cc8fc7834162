/** Where in a JSON document something is, as keys and indexes. */
export type JsonPath = readonly (string | number)[];

/** `services.audio-transcriber.directories[1].keep[0]`; other keys as `services["my service"]`. */
export function formatPath(path: JsonPath): string {
  if (path.length === 0) return '(top level)';
  return path.map(formatSegment).join('').replace(/^\./, '');
}

function formatSegment(segment: string | number): string {
  if (typeof segment === 'number') return `[${segment}]`;
  if (/^[A-Za-z0-9_-]+$/.test(segment)) return `.${segment}`;
  return `[${JSON.stringify(printableKey(segment))}]`;
}

/** A key as messages may show it: a URL written in a key's place could hold a password. */
export function printableKey(key: string): string {
  return /:\/\/|@/.test(key) ? '(hidden)' : key;
}
