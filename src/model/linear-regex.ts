/**
 * Runs regular expressions without backtracking, so that no pattern and no text take longer than
 * (length of the text) × (length of the pattern). It knows what picomatch and kombu write: characters,
 * sets, groups, alternatives, repetitions, `^`, `$` and lookaheads. Pure.
 */

/** Repetitions are written out: `(a{1,9}){1,9}` … must end somewhere. */
const MOST_STATES = 20_000;
const MOST_DEPTH = 500;

type Tree =
  | { readonly is: 'character'; readonly test: (code: number) => boolean }
  | { readonly is: 'sequence'; readonly parts: readonly Tree[] }
  | { readonly is: 'either'; readonly options: readonly Tree[] }
  | { readonly is: 'repeat'; readonly what: Tree; readonly least: number; readonly most: number }
  | { readonly is: 'start' | 'end' }
  | { readonly is: 'ahead'; readonly what: Tree; readonly isWanted: boolean };

/** One step of the automaton, which reads the text from its end to its beginning. */
type State =
  | { readonly is: 'character'; readonly test: (code: number) => boolean; readonly next: number }
  | { readonly is: 'either'; readonly next: number[] }
  | { readonly is: 'start' | 'end'; readonly next: number }
  | {
      readonly is: 'ahead';
      readonly look: number;
      readonly isWanted: boolean;
      readonly next: number;
    }
  | { readonly is: 'found' };

type Assertion = Extract<State, { readonly is: 'start' | 'end' } | { readonly is: 'ahead' }>;

interface Automaton {
  readonly states: readonly State[];
  readonly first: number;
  readonly looks: readonly Automaton[];
}

/**
 * The test whether a text matches, as `new RegExp(source).test` tells it for a source that is bound
 * with `^` and `$`. @throws SyntaxError for what it does not know, and for what is too large.
 */
export function linearTest(source: string): (text: string) => boolean {
  const automaton = compile(parse(source), { states: MOST_STATES });
  return (text) => matchStarts(automaton, text, false)[0] === 1;
}

function parse(source: string): Tree {
  let at = 0;
  let depth = 0;
  const tree = either();
  if (at < source.length) throw unknown(source, at);
  return tree;

  function either(): Tree {
    depth += 1;
    if (depth > MOST_DEPTH) throw tooLarge();
    const options = [sequence()];
    while (source[at] === '|') {
      at += 1;
      options.push(sequence());
    }
    depth -= 1;
    return options.length === 1 ? (options[0] as Tree) : { is: 'either', options };
  }

  function sequence(): Tree {
    const parts: Tree[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') {
      parts.push(repeated(part()));
    }
    return { is: 'sequence', parts };
  }

  function part(): Tree {
    const character = source[at];
    if (character === '(') return group();
    if (character === '^' || character === '$') {
      at += 1;
      return { is: character === '^' ? 'start' : 'end' };
    }
    if (character === undefined || '*+?'.includes(character)) throw unknown(source, at);
    const start = at;
    if (character === '[') skipSet();
    else at += character === '\\' ? 2 : 1;
    const text = source.slice(start, at);
    // Of more than one character, or of none: `\1`, `\b`, `\x41`.
    if (/^\\(?:[0-9bBckpPux]|$)/.test(text)) throw unknown(source, at);
    return { is: 'character', test: characterTest(text) };
  }

  function skipSet(): void {
    at += source[at + 1] === '^' ? 2 : 1;
    while (at < source.length && source[at] !== ']') at += source[at] === '\\' ? 2 : 1;
    if (at >= source.length) throw unknown(source, at);
    at += 1;
  }

  function group(): Tree {
    const [opening = '('] = /^\((?:\?(?:[:=!]|<[=!]?))?/.exec(source.slice(at, at + 4)) ?? [];
    if (opening.startsWith('(?<')) throw unknown(source, at);
    at += opening.length;
    const what = either();
    if (source[at] !== ')') throw unknown(source, at);
    at += 1;
    if (opening === '(?=' || opening === '(?!') {
      return { is: 'ahead', what, isWanted: opening === '(?=' };
    }
    return what;
  }

  function repeated(what: Tree): Tree {
    const counts = /^(?:[*+?]|\{(\d{1,4})(,?)(\d{0,4})\})/.exec(source.slice(at, at + 12));
    if (counts === null) return what;
    const [text, least = '', comma, most = ''] = counts;
    at += text.length;
    // Lazy or greedy makes no difference to whether the text matches.
    if (source[at] === '?') at += 1;
    if (text === '*') return { is: 'repeat', what, least: 0, most: Infinity };
    if (text === '+') return { is: 'repeat', what, least: 1, most: Infinity };
    if (text === '?') return { is: 'repeat', what, least: 0, most: 1 };
    const to = comma === '' ? least : most;
    return { is: 'repeat', what, least: Number(least), most: to === '' ? Infinity : Number(to) };
  }
}

function unknown(source: string, at: number): SyntaxError {
  return new SyntaxError(`unknown syntax at ${at} of ${source}`);
}

function tooLarge(): SyntaxError {
  return new SyntaxError('it is too large');
}

/** Of one character a regular expression is linear, and knows every kind of set and escape. */
function characterTest(source: string): (code: number) => boolean {
  const literal = /^(?:\\\W|[^.[\\])$/.test(source)
    ? source.charCodeAt(source.length - 1)
    : undefined;
  if (literal !== undefined) return (code) => code === literal;
  const one = new RegExp(`^(?:${source})$`);
  const ascii = Array.from({ length: 128 }, (_, code) => one.test(String.fromCharCode(code)));
  return (code) => ascii[code] ?? one.test(String.fromCharCode(code));
}

function compile(tree: Tree, left: { states: number }): Automaton {
  const states: State[] = [{ is: 'found' }];
  const looks: Automaton[] = [];
  const first = add(tree, 0);
  return { states, first, looks };

  function push(state: State): number {
    left.states -= 1;
    if (left.states < 0) throw tooLarge();
    return states.push(state) - 1;
  }

  /** @returns the state to begin with, at the end of what matches; `next` follows at its beginning. */
  function add(node: Tree, next: number): number {
    if (node.is === 'character') return push({ is: 'character', test: node.test, next });
    if (node.is === 'sequence') return node.parts.reduce((behind, one) => add(one, behind), next);
    if (node.is === 'either') {
      return push({ is: 'either', next: node.options.map((option) => add(option, next)) });
    }
    if (node.is === 'repeat') return addRepeat(node, next);
    if (node.is !== 'ahead') return push({ is: node.is, next });
    const look = looks.push(compile(node.what, left)) - 1;
    return push({ is: 'ahead', look, isWanted: node.isWanted, next });
  }

  function addRepeat({ what, least, most }: Tree & { is: 'repeat' }, next: number): number {
    let at = next;
    for (let count = 0; count < least; count++) at = add(what, at);
    const enough = at;
    if (most === Infinity) {
      const loop: number[] = [at];
      const again = push({ is: 'either', next: loop });
      loop.push(add(what, again));
      return again;
    }
    for (let count = least; count < most; count++) {
      at = push({ is: 'either', next: [enough, add(what, at)] });
    }
    return at;
  }
}

/**
 * Where something that the automaton matches begins; it ends anywhere, or only at the end of the
 * text. Each position is looked at once, with all states that are possible there.
 */
function matchStarts(automaton: Automaton, text: string, anywhere: boolean): Uint8Array {
  const { states, first, looks } = automaton;
  const starts = new Uint8Array(text.length + 1);
  const seenAt = new Int32Array(states.length).fill(-1);
  const ahead: (Uint8Array | undefined)[] = [];
  let reading: number[] = [];
  enter([first], text.length);
  for (let at = text.length - 1; at >= 0; at--) {
    if (reading.length === 0 && !anywhere) break;
    const code = text.charCodeAt(at);
    const next: number[] = anywhere ? [first] : [];
    for (const index of reading) {
      const state = states[index];
      if (state?.is === 'character' && state.test(code)) next.push(state.next);
    }
    reading = [];
    enter(next, at);
  }
  return starts;

  /** Notes the states that read a character next, and those that are reached without reading. */
  function enter(from: number[], at: number): void {
    const todo = from;
    for (let index = todo.pop(); index !== undefined; index = todo.pop()) {
      if (seenAt[index] === at) continue;
      seenAt[index] = at;
      const state = states[index] as State;
      if (state.is === 'character') reading.push(index);
      else if (state.is === 'either') todo.push(...state.next);
      else if (state.is === 'found') starts[at] = 1;
      else if (holds(state, at)) todo.push(state.next);
    }
  }

  function holds(state: Assertion, at: number): boolean {
    if (state.is !== 'ahead') return at === (state.is === 'start' ? 0 : text.length);
    const found = (ahead[state.look] ??= matchStarts(looks[state.look] as Automaton, text, true));
    return (found[at] === 1) === state.isWanted;
  }
}
