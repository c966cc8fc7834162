/** The YAML of a compose file as maps and lists. Nothing of the text is repeated in an error. */
import type { Document } from 'yaml';
import { CannotStart } from '../errors.ts';
import { Tagged } from './compose-nodes.ts';

export interface ComposeSource {
  /** As messages name it. */
  readonly file: string;
  /** Absolute. */
  readonly path: string;
  readonly text: string;
}

/** @throws CannotStart('config') for what is no compose file, with file, line and column. */
export async function readYaml({ file, text }: ComposeSource): Promise<unknown> {
  // Loaded here, because no other command reads YAML.
  // By its default export, the only one that a bundle of a CommonJS package has.
  const { default: yaml } = await import('yaml');
  const { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument, visit, Scalar } = yaml;
  const lines = new LineCounter();
  const fail = (problem: string, offset?: number): never => {
    const { line, col } = lines.linePos(offset ?? 0);
    const place = offset === undefined ? file : `${file}:${line}:${col}`;
    throw new CannotStart('config', `cannot read ${place}: ${problem}`);
  };
  let document: Document.Parsed;
  try {
    document = parseDocument(text.replace(/^\uFEFF/, ''), {
      merge: true,
      prettyErrors: false,
      lineCounter: lines,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return fail('it is nested too deeply');
  }
  const [error] = document.errors;
  if (error !== undefined) {
    // Some messages of the parser quote the text, which may be a password.
    if (/call stack/i.test(error.message)) return fail('it is nested too deeply', error.pos[0]);
    const reason = error.message.replace(/[:(]?\s*["'`][^]*$/, '').replace(/\n[^]*$/, '');
    return fail(`it is not valid YAML: ${reason}`, error.pos[0]);
  }
  try {
    visit(document, {
      Alias(_, node) {
        if (isAlias(node) && node.resolve(document) === undefined) {
          fail('it is not valid YAML: an alias without its anchor', node.range?.[0]);
        }
      },
      Node(_, node) {
        if (node.tag === '!reset') return new Scalar(new Tagged(undefined));
        if (node.tag !== '!override') return undefined;
        const value: unknown = isScalar(node)
          ? node.value
          : node.toJS(document, { mapAsMap: true });
        return new Scalar(new Tagged(value));
      },
    });
    const services = document.get('services');
    for (const { key, value } of isMap(services) ? services.items : []) {
      const node = isAlias(value) ? value.resolve(document) : value;
      // Compose refuses the whole file, and so nothing of it is in use.
      if (
        (isScalar(node) && /^(?:string|number|boolean)$/.test(typeof node.value)) ||
        isSeq(node)
      ) {
        fail('a service must be a mapping', isScalar(key) ? key.range?.[0] : undefined);
      }
    }
    const value = document.toJS({ mapAsMap: true }) as unknown;
    if (holdsItself(value)) return fail(ENDLESS);
    return value;
  } catch (error_) {
    if (error_ instanceof CannotStart || !(error_ instanceof Error)) throw error_;
    // An alias bomb, or aliases that hold themselves.
    if (error_ instanceof ReferenceError || error_ instanceof RangeError) return fail(ENDLESS);
    return fail('a merge key (<<) leads to what is no mapping, or a tag to what it is not for');
  }
}

const ENDLESS = 'its aliases unfold without end';

/** Whether some map or list is within itself: whoever reads all of it would never end. */
function holdsItself(value: unknown, around = new Set(), done = new Set()): boolean {
  const inner = value instanceof Tagged ? value.value : value;
  if (typeof inner !== 'object' || inner === null || done.has(inner)) return false;
  if (around.has(inner)) return true;
  around.add(inner);
  const parts: readonly unknown[] =
    inner instanceof Map ? [...(inner as Map<unknown, unknown>)].flat() : Object.values(inner);
  const found = parts.some((part) => holdsItself(part, around, done));
  around.delete(inner);
  done.add(inner);
  return found;
}
