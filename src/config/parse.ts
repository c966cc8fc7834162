import { parseTree, printParseErrorCode } from 'jsonc-parser';
import type { Node, ParseError } from 'jsonc-parser';
import type { Problem } from '../errors.ts';
import { printableKey } from './json-path.ts';
import type { JsonPath } from './json-path.ts';

export interface Position {
  /** Characters from the beginning of the text. */
  readonly offset: number;
  /** `line:column`, both from 1. */
  readonly label: string;
}

export interface DuplicateKey {
  readonly path: JsonPath;
  readonly first: Position;
  readonly second: Position;
}

export interface ParsedDocument {
  readonly value: unknown;
  readonly duplicates: readonly DuplicateKey[];
  /** Of the value at `path`, of its key, or of the nearest thing around it that is there. */
  positionOf(path: JsonPath, place: 'key' | 'value'): Position;
}

/**
 * Strict JSON (no comments, no trailing commas; a byte order mark is tolerated) to a value with
 * positions, or every syntax error there is: path `line:column`, message without any of the text.
 */
export function parseDocument(source: string): ParsedDocument | { readonly errors: Problem[] } {
  const text = source.replace(/^\uFEFF/, '');
  const label = createLabels(text);
  if (text.trim() === '') {
    return { errors: [{ path: '1:1', message: 'the file is empty: it must hold a JSON object' }] };
  }
  const errors: ParseError[] = [];
  let tree: Node | undefined;
  try {
    tree = parseTree(text, errors, { disallowComments: true, allowTrailingComma: false });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { errors: [{ path: '1:1', message: TOO_DEEP }] };
  }
  const deep = tree && tooDeep(tree);
  if (deep !== undefined) return { errors: [{ path: label(deep.offset), message: TOO_DEEP }] };
  if (errors.length > 0 || tree === undefined)
    return { errors: syntaxProblems(text, errors, label) };
  if (tree.type !== 'object') {
    const message = `the file must hold a JSON object { … }, not ${describeType(tree.type)}`;
    return { errors: [{ path: label(tree.offset), message }] };
  }
  const root = tree;
  const position = (offset: number): Position => ({ offset, label: label(offset) });
  const members = new WeakMap<Node, ReadonlyMap<string, Node>>();
  const duplicates: DuplicateKey[] = [];
  const value = toValue(root, [], (path, first, second) =>
    duplicates.push({ path, first: position(first), second: position(second) }),
  );
  return {
    value,
    duplicates,
    positionOf(path, place) {
      const node = nearestNode(root, path, members);
      const key = node.parent?.type === 'property' ? node.parent : undefined;
      return position(place === 'key' && key !== undefined ? key.offset : node.offset);
    },
  };
}

/** A config has seven; whatever reads it after this may descend with a call for each. */
const MOST_DEPTH = 100;
const TOO_DEEP = 'the JSON is nested too deeply to be a config';

/** The first value that lies too deep. */
function tooDeep(root: Node): Node | undefined {
  let level: readonly Node[] = [root];
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > MOST_DEPTH) return level[0];
    level = level.flatMap(containersIn);
  }
  return undefined;
}

/** The objects and arrays directly in one. */
function containersIn({ children = [] }: Node): readonly Node[] {
  return children
    .map((child) => (child.type === 'property' ? child.children?.[1] : child))
    .filter((child) => child?.type === 'array' || child?.type === 'object')
    .filter((child) => child !== undefined);
}

/** jsonc-parser's own getNodeValue would lose a key `__proto__`. */
function toValue(
  node: Node,
  path: JsonPath,
  onDuplicate: (path: JsonPath, first: number, second: number) => void,
): unknown {
  const children = node.children ?? [];
  if (node.type === 'array') {
    return children.map((child, index) => toValue(child, [...path, index], onDuplicate));
  }
  if (node.type !== 'object') return node.value as unknown;
  const result = Object.create(null) as Record<string, unknown>;
  const offsets = new Map<string, number>();
  for (const property of children) {
    const [keyNode, valueNode] = property.children ?? [];
    if (keyNode === undefined || valueNode === undefined) continue;
    const key = String(keyNode.value);
    const first = offsets.get(key);
    if (first === undefined) offsets.set(key, property.offset);
    else onDuplicate([...path, key], first, property.offset);
    result[key] = toValue(valueNode, [...path, key], onDuplicate);
  }
  return result;
}

export function duplicateMessage({ path, first }: DuplicateKey): string {
  const key = printableKey(String(path.at(-1)));
  return `duplicate key \`${key}\`, first at ${first.label}: keep one of the two`;
}

function syntaxProblems(
  text: string,
  errors: readonly ParseError[],
  label: (offset: number) => string,
): Problem[] {
  // One slip makes the parser stumble again: at the same place, in the rest of a line whose words
  // it could not read, and over everything after a bracket that it then took for the last.
  const found: { readonly error: ParseError; readonly line: string; readonly path: string }[] = [];
  for (const error of errors.toSorted((first, second) => first.offset - second.offset)) {
    const path = label(error.offset);
    const line = path.replace(/:.*/, '');
    const name = printParseErrorCode(error.error);
    const last = found.at(-1);
    if (last !== undefined) {
      const unreadable = printParseErrorCode(last.error.error) === 'InvalidSymbol';
      if (last.path === path || (unreadable && last.line === line)) continue;
      if (name === 'EndOfFileExpected') continue;
    }
    found.push({ error, line, path });
  }
  // Whatever the parser failed to say, what is no JSON is never taken for a config.
  if (found.length === 0) return [{ path: '1:1', message: 'not valid JSON' }];
  return found.map(({ error, path }) => ({ path, message: plainLanguage(text, error) }));
}

function plainLanguage(text: string, error: ParseError): string {
  const atEnd = text.slice(error.offset).trim() === '';
  const before = text.slice(0, error.offset).trimEnd();
  switch (printParseErrorCode(error.error)) {
    case 'InvalidSymbol':
      return 'not JSON: put keys and text into double quotes';
    case 'InvalidNumberFormat':
    case 'UnexpectedEndOfNumber':
      return 'not a JSON number: write it like 12 or 0.5';
    case 'PropertyNameExpected':
      return before.endsWith(',')
        ? 'a key must follow the comma: remove a trailing comma, or put the key into double quotes'
        : 'a key in double quotes is expected here';
    case 'ValueExpected':
      return before.endsWith(',')
        ? 'a value must follow the comma: remove the trailing comma'
        : 'a value is expected here';
    case 'ColonExpected':
      return 'a colon is expected between the key and its value';
    case 'CommaExpected':
      return 'a comma is missing before this';
    case 'CloseBraceExpected':
      return atEnd ? 'the file ends before its closing }' : 'a closing } is expected here';
    case 'CloseBracketExpected':
      return atEnd ? 'the file ends before its closing ]' : 'a closing ] is expected here';
    case 'EndOfFileExpected':
      return 'nothing may follow the closing } of the file';
    case 'InvalidCommentToken':
    case 'UnexpectedEndOfComment':
      return 'comments are not allowed in JSON: remove it';
    case 'UnexpectedEndOfString':
      return 'the closing double quote is missing on this line';
    case 'InvalidUnicode':
      return 'not a Unicode escape: write \\u and four hexadecimal digits';
    case 'InvalidEscapeCharacter':
      return 'not a JSON escape: write a backslash as \\\\';
    case 'InvalidCharacter':
      return 'a control character (a tab perhaps) inside a text: write it as \\t or \\u00XX';
    case '<unknown ParseErrorCode>':
    default:
      return 'not valid JSON';
  }
}

function describeType(type: string): string {
  if (type === 'null') return 'null';
  return type === 'array' ? 'an array' : `a ${type}`;
}

/**
 * The value at a path, or the nearest thing around it that is there. The members of an object are
 * listed once: a file may have a problem in each of thousands.
 * @param known the members of objects, by key; grows.
 */
function nearestNode(
  root: Node,
  path: JsonPath,
  known: WeakMap<Node, ReadonlyMap<string, Node>>,
): Node {
  let node = root;
  for (const segment of path) {
    let next: Node | undefined;
    if (node.type === 'array') next = node.children?.[Number(segment)];
    else if (node.type === 'object') {
      const members = known.get(node) ?? membersOf(node);
      known.set(node, members);
      next = members.get(String(segment));
    }
    if (next === undefined) break;
    node = next;
  }
  return node;
}

/** Of a key that stands twice the first one. */
function membersOf(object: Node): ReadonlyMap<string, Node> {
  const members = new Map<string, Node>();
  for (const { children } of object.children ?? []) {
    const [key, value] = children ?? [];
    if (key !== undefined && value !== undefined && !members.has(String(key.value))) {
      members.set(String(key.value), value);
    }
  }
  return members;
}

/** Makes a function that tells `line:column` of an offset. */
function createLabels(text: string): (offset: number) => string {
  const starts = [
    0,
    ...Array.from(text.matchAll(/\r\n|\n|\r/g), (end) => end.index + end[0].length),
  ];
  return (offset) => {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return `${low + 1}:${offset - (starts[low] ?? 0) + 1}`;
  };
}
