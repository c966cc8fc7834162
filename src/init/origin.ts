/** Where a value was read: a file, as messages name it, and a line. */
export interface Origin {
  readonly file: string;
  /** From 1; undefined: the file as a whole. */
  readonly line: number | undefined;
}

export function originText({ file, line }: Origin): string {
  return line === undefined ? file : `${file}:${line}`;
}

/**
 * The line of a compose file that holds one of `needles`, the first of them that is there: within the
 * block of the service, else anywhere (an anchor, a service that is extended). Text is searched and
 * not the parsed document, because merging anchors and overriding files loses the places. Undefined
 * when no line holds any.
 */
export function lineOf(
  text: string,
  service: string,
  needles: readonly string[],
): number | undefined {
  const lines = text.split('\n');
  const [start, end] = blockOf(lines, service);
  const parts: readonly (readonly [number, number])[] = [
    // The first line names the service, and its queue may be called alike.
    [start + 1, end],
    [start, Math.min(start + 1, end)],
    [0, lines.length],
  ];
  for (const [from, to] of parts) {
    for (const needle of needles) {
      const wanted = new RegExp(`(?<![\\w.-])${escaped(needle)}(?![\\w])`);
      const index = lines.slice(from, to).findIndex((line) => holds(line, wanted));
      if (index !== -1) return from + index + 1;
    }
  }
  return undefined;
}

function holds(line: string, wanted: RegExp): boolean {
  return !/^\s*#/.test(line) && wanted.test(line);
}

/** First line of the service and the line behind its last line; empty when it is not there. */
function blockOf(lines: readonly string[], service: string): readonly [number, number] {
  const top = lines.findIndex((line) => /^["']?services["']?\s*:/.test(line));
  const key = new RegExp(
    `^(\\s*)(?:["']?services["']?\\s*:\\s*\\{.*)?["']?${escaped(service)}["']?\\s*:`,
  );
  const start = lines.findIndex((line, index) => index >= top && key.test(line));
  if (start === -1) return [0, 0];
  const indent = indentOf(lines[start] ?? '');
  const length = lines
    .slice(start + 1)
    .findIndex((line) => /^\s*[^\s#]/.test(line) && indentOf(line) <= indent);
  return [start, length === -1 ? lines.length : start + 1 + length];
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
