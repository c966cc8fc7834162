/** Compose's variables (`$NAME`, `${NAME:-default}` …), keeping which part came from which one. */

/** The value of a variable; undefined when it is not set. */
export type Lookup = (name: string) => string | undefined;

export interface Piece {
  readonly text: string;
  /** The variable whose value this is; undefined: it is written in the file. */
  readonly variable: string | undefined;
}

export interface Interpolated {
  readonly text: string;
  readonly pieces: readonly Piece[];
  /** Variables that are not set and have no default: Compose puts nothing in their place. */
  readonly missing: readonly string[];
}

/** Compose nests defaults; nobody nests them deeper by intention. */
const MAX_DEPTH = 20;
const EXPRESSION = /^([A-Za-z_]\w*)(?:(:?[-?+])([^]*))?$/;

/** https://docs.docker.com/reference/compose-file/interpolation; what is no variable stays. */
export function interpolate(raw: string, lookup: Lookup, depth = 0): Interpolated {
  const pieces: Piece[] = [];
  const missing: string[] = [];
  const add = (text: string, variable?: string): void => {
    if (text !== '' || variable !== undefined) pieces.push({ text, variable });
  };
  let position = 0;
  while (position < raw.length) {
    const start = raw.indexOf('$', position);
    if (start === -1) break;
    add(raw.slice(position, start));
    const plain = /^[A-Za-z_]\w*/.exec(raw.slice(start + 1, start + 257))?.[0];
    if (raw[start + 1] === '$') {
      add('$');
      position = start + 2;
    } else if (plain !== undefined) {
      substitute(plain, undefined, '');
      position = start + 1 + plain.length;
    } else {
      const end = raw[start + 1] === '{' ? closingBrace(raw, start + 2) : -1;
      const match = end === -1 ? null : EXPRESSION.exec(raw.slice(start + 2, end));
      if (match?.[1] === undefined || depth === MAX_DEPTH) {
        add(raw.slice(start, end === -1 ? undefined : end + 1));
        position = end === -1 ? raw.length : end + 1;
      } else {
        substitute(match[1], match[2], match[3] ?? '');
        position = end + 1;
      }
    }
  }
  add(raw.slice(position));
  return { text: pieces.map(({ text }) => text).join(''), pieces, missing };

  function substitute(name: string, operator: string | undefined, other: string): void {
    const value = lookup(name);
    const has = operator?.startsWith(':') === true ? Boolean(value) : value !== undefined;
    const wantsOther = operator?.endsWith('+') === true ? has : !has;
    if (wantsOther && /[-+]$/.test(operator ?? '')) {
      const inner = interpolate(other, lookup, depth + 1);
      pieces.push(...inner.pieces);
      missing.push(...inner.missing);
    } else if (operator?.endsWith('+') !== true) {
      if (!has) missing.push(name);
      add(value ?? '', name);
    }
  }
}

function closingBrace(text: string, from: number): number {
  let open = 1;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '}') open -= 1;
    else if (text.startsWith('${', at)) open += 1;
    if (open === 0) return at;
  }
  return -1;
}
