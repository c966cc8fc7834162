/** Nodes of a compose file as the YAML parser leaves them, in each form that Compose accepts. Pure. */

export type Node = ReadonlyMap<unknown, unknown>;

/** What Compose's tags `!reset` and `!override` say in an overriding file. */
export class Tagged {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

export function environmentOf(node: unknown): ReadonlyMap<string, string | undefined> {
  const value = (one: unknown): string | undefined =>
    one === undefined || one === null ? undefined : scalar(one);
  const map = asMap(node);
  if (map !== undefined) return new Map(entriesOf(map).map(([key, one]) => [key, value(one)]));
  return new Map(
    listOf(node).map((entry) => {
      const line = scalar(entry);
      const at = line.indexOf('=');
      return at === -1 ? [line, undefined] : [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

export function buildOf(node: unknown): ReadonlyMap<unknown, unknown> {
  if (node === undefined || node === null) return new Map();
  return asMap(node) ?? new Map([['context', node]]);
}

export function asMap(value: unknown): Node | undefined {
  const inner = value instanceof Tagged ? value.value : value;
  return inner instanceof Map ? (inner as Node) : undefined;
}

export function entriesOf(node: Node | undefined): [string, unknown][] {
  return [...(node ?? [])].map(([key, value]) => [scalar(key), value]);
}

export function listOf(value: unknown): readonly unknown[] {
  const inner = value instanceof Tagged ? value.value : value;
  if (inner === undefined || inner === null) return [];
  return Array.isArray(inner) ? (inner as unknown[]) : [inner];
}

/** Text of a scalar; of anything else nothing. */
export function scalar(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}
