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
    const reason = error.message.replace(/[:(]?\s*["'`][^]*$/, '').replace(/\n[^]*$/, '');
    return fail(`it is not valid YAML: ${reason}`, error.pos[0]);
  }
  visit(document, {
    Alias(_, node) {
      if (isAlias(node) && node.resolve(document) === undefined) {
        fail('it is not valid YAML: an alias without its anchor', node.range?.[0]);
      }
    },
    Node(_, node) {
      if (node.tag === '!reset') return new Scalar(new Tagged(undefined));
      if (node.tag !== '!override') return undefined;
      const value: unknown = isScalar(node) ? node.value : node.toJS(document, { mapAsMap: true });
      return new Scalar(new Tagged(value));
    },
  });
  const services = document.get('services');
  for (const { key, value } of isMap(services) ? services.items : []) {
    const node = isAlias(value) ? value.resolve(document) : value;
    // Compose refuses the whole file, and so nothing of it is in use.
    if ((isScalar(node) && /^(?:string|number|boolean)$/.test(typeof node.value)) || isSeq(node)) {
      fail('a service must be a mapping', isScalar(key) ? key.range?.[0] : undefined);
    }
  }
  try {
    return document.toJS({ mapAsMap: true }) as unknown;
  } catch (error_) {
    // An alias bomb, or aliases that hold themselves.
    if (error_ instanceof ReferenceError || error_ instanceof RangeError) {
      return fail('its aliases unfold without end');
    }
    throw error_;
  }
}
