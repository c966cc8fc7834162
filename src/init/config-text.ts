/** A config file's text, laid out like the shipped one and as prettier would leave it. */
import type { ServiceEntry } from './proposal.ts';

const WIDTH = 80;

export function configText(
  schema: string | undefined,
  services: readonly { readonly name: string; readonly entry: ServiceEntry }[],
): string {
  const all = Object.fromEntries(services.map(({ name, entry }) => [name, entry]));
  return `${layOut({ ...(schema === undefined ? {} : { $schema: schema }), services: all }, '', 0)}\n`;
}

/** `used`: columns taken before the value on its line. */
function layOut(value: unknown, indent: string, used: number): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const flat = inline(value);
  // Deeper than a service's own keys only: those keep a line each.
  const mayBeInline = Array.isArray(value) || indent.length > 4;
  if (mayBeInline && used + flat.length < WIDTH) return flat;
  const deeper = `${indent}  `;
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  const lines = Object.entries(value).map(([key, member]) => {
    const name = Array.isArray(value) ? '' : `${JSON.stringify(key)}: `;
    return `${deeper}${name}${layOut(member, deeper, deeper.length + name.length)}`;
  });
  return lines.length === 0 ? open + close : `${open}\n${lines.join(',\n')}\n${indent}${close}`;
}

function inline(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  const members = Object.entries(value).map(
    ([key, one]) => `${JSON.stringify(key)}: ${inline(one)}`,
  );
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}
