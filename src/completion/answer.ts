import type { Command } from 'commander';
import type { SuggestRequest } from '../commands/request.ts';
import type { Surroundings } from '../commands/surroundings.ts';
import { readBashLine } from './bash-line.ts';
import { lookupIn } from './lookup.ts';
import { suggest } from './suggest.ts';
import type { Suggestions, Word } from './suggest.ts';

/**
 * What a shell's script reads: a line that says what kind of answer it is, then one suggestion a
 * line. A line holds no tab and no control character but the tab before the description.
 */
export function answer(
  request: SuggestRequest,
  program: Command,
  surroundings: Surroundings,
): string {
  const ask = (words: readonly string[]): Suggestions =>
    suggest(program, withHome(words, surroundings.home), lookupIn(surroundings));
  if (request.shell === 'bash') {
    const [breaks = '', line = ''] = request.words;
    const { words, fixed } = readBashLine(line, breaks);
    return forBash(ask(words.slice(1)), words.at(-1) ?? '', fixed);
  }
  const suggestions = ask(request.words);
  return request.shell === 'zsh'
    ? forZsh(suggestions)
    : forFish(suggestions, request.words.at(-1) ?? '');
}

/** The shells hand over what was typed; behind `--flag=` they leave a tilde alone themselves. */
function withHome(words: readonly string[], home: string | undefined): readonly string[] {
  return home === undefined ? words : words.map((word) => word.replace(/^~(?=\/)/, () => home));
}

/** bash filters nothing, and shows no descriptions. */
function forBash({ kind, kept, words, isList }: Suggestions, current: string, fixed: number) {
  const whole = words.map(({ value }) => `${kept}${value}`);
  const fitting = whole.filter((word) => word.startsWith(current));
  return lines([isList ? 'list' : kind, ...fitting.map((word) => word.slice(fixed))]);
}

/** Kind and the number of characters that stay; then what `_describe` wants. */
function forZsh({ kind, kept, words, isList }: Suggestions): string {
  const items = words.map((word) => `${word.value}:${described(word) || word.value}`);
  return lines([`${isList ? 'list' : kind} ${kept.length}`, ...items]);
}

/**
 * Kind, and what stays; then whole words with a description behind a tab. fish looks for what was
 * typed in the description too, and would make `--detach` of `--backg`.
 */
function forFish({ kind, kept, words }: Suggestions, current: string): string {
  const typed = current.replace(/^["']/, '').toLowerCase();
  const items = words
    .map((word) => ({ ...word, value: `${kept}${word.value}` }))
    .filter(({ value }) => value.toLowerCase().includes(typed))
    .map((word) => `${word.value}\t${described(word)}`);
  return lines([kind, ...(kind === 'words' ? items : [kept])]);
}

function described({ description }: Word): string {
  return description.replace(/\s+/g, ' ');
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}
