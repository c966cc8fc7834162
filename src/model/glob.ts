/**
 * Glob patterns of file names, as picomatch reads them, matched without backtracking: no pattern and
 * no name on a disk can hold the process. Pure.
 */
import picomatch from 'picomatch';
import { expandBraces } from './braces.ts';
import { linearTest } from './linear-regex.ts';

/** What picomatch writes for a pattern that it cannot read: it matches nothing. */
const NOTHING = '$^';

/** With `posix`, `[!a]` is every character but `a`, as in a shell; without, `!` is one of the set. */
export const GLOB_OPTIONS = { dot: true, posix: true };

/** picomatch takes seconds to read some patterns of thousands of nested groups. */
const DEEPEST = 50;

/**
 * The test whether a whole text matches. Dots at the start of a name are like any other character;
 * parentheses are letters, as in a shell, unless they hold a `|` or follow one of `?*+@!`.
 * @throws SyntaxError for a pattern that cannot be read, or that stands for too many.
 */
export function globTest(pattern: string): (text: string) => boolean {
  const tests = expandBraces(pattern)
    .filter((one) => one !== '')
    .map((one) => {
      const { source } = picomatch.makeRe(withPlainParentheses(one), GLOB_OPTIONS);
      if (source === NOTHING) throw new SyntaxError('it matches nothing');
      return linearTest(source);
    });
  return (text) => tests.some((test) => test(text));
}

/** The same of a name between slashes, where a `!` in front is a letter. */
export function nameTest(pattern: string): (text: string) => boolean {
  return globTest(/^!(?!\()/.test(pattern) ? `\\${pattern}` : pattern);
}

/** Whether a path is a pattern, or names one place. @throws SyntaxError as expandBraces. */
export function isPathPattern(path: string): boolean {
  const alternatives = expandBraces(path);
  return alternatives.length > 1 || alternatives.some(isGlob);
}

/** @throws SyntaxError for a path pattern that cannot be read, or that stands for too many. */
export function checkPathPattern(pattern: string): void {
  if (!isPathPattern(pattern)) return;
  for (const one of expandBraces(pattern)) {
    for (const part of one.split('/')) if (isGlob(part)) nameTest(part);
  }
}

/**
 * Whether a text without braces is a pattern; else it is a name, with backslashes perhaps.
 * @throws SyntaxError when it is nested too deeply.
 */
export function isGlob(text: string): boolean {
  const plain = withPlainParentheses(text).replace(/\\[^]/g, '');
  return /[*?(]|\[[^[\]]+\]/.test(plain);
}

/** A name that was written with backslashes before its special characters. */
export function unescapeGlob(text: string): string {
  return text.replace(/\\([^])/g, '$1');
}

/** Sets a backslash before parentheses that neither choose nor repeat. */
function withPlainParentheses(pattern: string): string {
  const plain: number[] = [];
  const open: { readonly at: number; readonly repeats: boolean; chooses: boolean }[] = [];
  let last = '';
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] as string;
    if (character === '\\') {
      at += 1;
      last = '';
      continue;
    }
    const group = open.at(-1);
    if (character === '(') {
      if (open.length >= DEEPEST) throw new SyntaxError('its parentheses are nested too deeply');
      open.push({ at, repeats: last !== '' && '?*+@!'.includes(last), chooses: false });
    } else if (character === '|' && group !== undefined) {
      group.chooses = true;
    } else if (character === ')') {
      open.pop();
      if (group === undefined) plain.push(at);
      else if (!group.repeats && !group.chooses) plain.push(group.at, at);
    }
    last = character;
  }
  const letters = new Set([...plain, ...open.map((group) => group.at)]);
  return Array.from(
    { length: pattern.length },
    (_, at) => (letters.has(at) ? '\\' : '') + (pattern[at] as string),
  ).join('');
}
