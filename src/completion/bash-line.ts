/** A command line as bash has it: with quotes, and perhaps in the middle of one. */
export interface BashLine {
  /** Without quotes; the last one ends at the cursor. Nothing in them is expanded. */
  readonly words: readonly string[];
  /** How much of the last word readline leaves alone: it replaces what stands behind. */
  readonly fixed: number;
}

/**
 * bash's own COMP_WORDS are split at `=` and keep their quotes, and to take those off in bash means
 * to evaluate what the operator has not run yet.
 * @param breaks COMP_WORDBREAKS: readline completes what stands behind the last of them.
 */
export function readBashLine(line: string, breaks: string): BashLine {
  const words: string[] = [];
  let word: string | undefined;
  let fixed = 0;
  let quote = '';
  for (let at = 0; at < line.length; at += 1) {
    const character = line.charAt(at);
    const text: string = word ?? '';
    if (quote === '' && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      fixed = 0;
    } else if (character === quote || (quote === '' && /["']/.test(character))) {
      quote = quote === '' ? character : '';
      word = text;
      fixed = text.length;
    } else if (character === '\\' && (quote === '' || isEscape(quote, line.charAt(at + 1)))) {
      at += 1;
      word = `${text}${line.charAt(at)}`;
    } else {
      word = `${text}${character}`;
      if (quote === '' && breaks.includes(character)) fixed = word.length;
    }
  }
  return { words: [...words, word ?? ''], fixed };
}

/** Between double quotes a backslash stands for itself but before these. */
function isEscape(quote: string, next: string): boolean {
  return quote === '"' && next !== '' && '$`"\\\n'.includes(next);
}
