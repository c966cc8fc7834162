/** What a container's command says of Celery. */

export interface CeleryCommand {
  /** A worker, and not beat, flower or another sub-command. */
  readonly worker: boolean;
  /** Of `-Q`; empty: Celery's default queue, or what the app's own config says. */
  readonly queues: readonly string[];
  /** Of `-b`: may hold a password. */
  readonly broker: string | undefined;
}

const END_OF_COMMAND = /^(?:&&|\|\|?|;|&)$/;

/** Undefined when no `celery` is started: by name, by path, by `python -m`, or within `sh -c`. */
export function celeryCommand(command: string | readonly string[]): CeleryCommand | undefined {
  const words = (typeof command === 'string' ? splitWords(command) : command).flatMap((word) =>
    /\s/.test(word) && /\bcelery\b/.test(word) ? splitWords(word) : [word],
  );
  let found: CeleryCommand | undefined;
  for (const [index, word] of words.entries()) {
    if (!/^(?:.*\/)?celery$/.test(word)) continue;
    const rest = words.slice(index + 1);
    const end = rest.findIndex((other) => END_OF_COMMAND.test(other));
    const read = readArguments(end === -1 ? rest : rest.slice(0, end));
    if (read === undefined) continue;
    found = {
      worker: read.worker || found?.worker === true,
      queues: [...new Set([...(found?.queues ?? []), ...read.queues])],
      broker: found?.broker ?? read.broker,
    };
  }
  return found;
}

function readArguments(words: readonly string[]): CeleryCommand | undefined {
  const subCommand = words.find((word) =>
    /^(?:worker|multi|beat|flower|events|inspect|control|status)$/.test(word),
  );
  if (subCommand === undefined) return undefined;
  const worker = subCommand === 'worker' || subCommand === 'multi';
  const queues = worker
    ? option(words, /^(?:-Q|--queues?)$/, /^(?:-Q|--queues?=)(.+)$/)
    : undefined;
  return {
    worker,
    queues: (queues ?? '')
      .split(',')
      .map((queue) => queue.trim())
      .filter((queue) => queue !== ''),
    broker: option(words, /^(?:-b|--broker)$/, /^--broker=(.+)$/),
  };
}

function option(words: readonly string[], alone: RegExp, joined: RegExp): string | undefined {
  for (const [index, word] of words.entries()) {
    if (alone.test(word)) return words[index + 1];
    const value = joined.exec(word)?.[1];
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Words as a shell splits them; `;` and `&&` are words of their own. */
function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  const end = (): void => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  for (const [part] of text.matchAll(/\\[^]|"(?:\\[^]|[^"\\])*"|'[^']*'|\s+|&&|\|\|?|;|&|[^]/g)) {
    if (/^\s/.test(part) || part === '\\\n') end();
    else if (END_OF_COMMAND.test(part)) {
      end();
      words.push(part);
    } else if (part.length > 1 && part.startsWith('"')) {
      word = (word ?? '') + part.slice(1, -1).replace(/\\(["\\$`])/g, '$1');
    } else if (part.length > 1 && part.startsWith("'")) word = (word ?? '') + part.slice(1, -1);
    else word = (word ?? '') + (part.length > 1 ? part.slice(1) : part);
  }
  end();
  return words;
}
