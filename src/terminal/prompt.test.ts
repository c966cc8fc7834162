import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { askTyped, wipeQuestion } from './prompt.ts';

interface Asked {
  readonly input: PassThrough;
  readonly answer: Promise<boolean>;
  readonly abort: AbortController;
  shown(): string;
}

function ask(input = new PassThrough()): Asked {
  const output = new PassThrough();
  const abort = new AbortController();
  const written: string[] = [];
  output.on('data', (chunk: Buffer) => written.push(chunk.toString()));
  const answer = askTyped({
    input,
    output,
    question: wipeQuestion('all', 'media1'),
    expected: 'all',
    signal: abort.signal,
  });
  return { input, answer, abort, shown: () => written.join('') };
}

test('the question', async () => {
  const { input, answer, shown } = ask();
  input.write('all\n');
  await answer;
  expect(shown()).toBe('Type "all" to delete all of this on media1: ');
});

test.each<[string, string, boolean]>([
  ['the word', 'all\n', true],
  ['the word and \\r\\n', 'all\r\n', true],
  ['the word, then more lines', 'all\nno\n', true],
  ['an empty line', '\n', false],
  ['another word', 'yes\n', false],
  ['y', 'y\n', false],
  ['a trailing space', 'all \n', false],
  ['a leading space', ' all\n', false],
  ['another case', 'ALL\n', false],
  ['a lone \\r', 'all\rx\n', false],
  ['two \\r', 'all\r\r\n', false],
  ['U+2028', 'all\u2028\n', false],
  ['a second line', 'no\nall\n', false],
  ['a line without an end', 'x'.repeat(5000), false],
])('%s', async (_, typed, expected) => {
  const { input, answer } = ask();
  input.write(typed);
  expect(await answer).toBe(expected);
});

test('a word that comes in pieces', async () => {
  const { input, answer } = ask();
  for (const piece of ['a', 'l', 'l', '\n']) {
    input.write(piece);
    await delay(1);
  }
  expect(await answer).toBe(true);
});

describe('the end of input is no', () => {
  test.each(['', 'all', 'al'])('after %o', async (typed) => {
    const { input, answer, shown } = ask();
    input.end(typed);
    expect(await answer).toBe(false);
    expect(shown()).toMatch(/: \n$/);
  });

  test('when it came before the question', async () => {
    const input = new PassThrough();
    input.resume().end();
    await delay(5);
    expect(await ask(input).answer).toBe(false);
  });

  test('when the input breaks', async () => {
    const { input, answer } = ask();
    input.destroy(new Error('EIO'));
    expect(await answer).toBe(false);
  });
});

describe('abort', () => {
  test('throws its reason and lets go of the input', async () => {
    const { input, answer, abort } = ask();
    const reason = new Error('SIGINT');
    setTimeout(() => abort.abort(reason), 5);
    await expect(answer).rejects.toBe(reason);
    expect(input.isPaused()).toBe(true);
    expect(input.listenerCount('data')).toBe(0);
  });

  test('before the question asks nothing', async () => {
    const output = new PassThrough();
    const answer = askTyped({
      input: new PassThrough(),
      output,
      question: 'sure? ',
      expected: 'all',
      signal: AbortSignal.abort(new Error('SIGTERM')),
    });
    await expect(answer).rejects.toThrow('SIGTERM');
    expect(output.read()).toBeNull();
  });
});

/** A terminal keeps what is typed until it is read; here the stream does. */
describe('on a terminal input before the question is discarded', () => {
  function terminal(): { readonly input: PassThrough; readonly modes: boolean[] } {
    const modes: boolean[] = [];
    const input = Object.assign(new PassThrough(), {
      setRawMode: (raw: boolean) => modes.push(raw),
    });
    return { input, modes };
  }

  test.each(['all\n', 'al', 'x\nall\nall'])('%j', async (typed) => {
    const { input, modes } = terminal();
    input.write(typed);
    const { answer, shown } = ask(input);
    await delay(100);
    expect(shown()).toBe('');
    await delay(400);
    expect(shown()).toMatch(/^\n?Input typed before the question was discarded\.\nType "all"/);
    // Back in the line mode, in which the answer is typed.
    expect(modes.at(-1)).toBe(false);
    input.write('all\n');
    expect(await answer).toBe(true);
  });

  test('and does not make it the start of the answer', async () => {
    const { input } = terminal();
    input.write('al');
    const { answer } = ask(input);
    await delay(400);
    input.write('l\n');
    expect(await answer).toBe(false);
  });

  test('a Ctrl-C in it is an interruption', async () => {
    const { input, modes } = terminal();
    input.write('al\x03');
    const { answer, shown } = ask(input);
    await expect(answer).rejects.toMatchObject({ stop: 'interrupted', exitCode: 130 });
    expect([shown(), modes.at(-1)]).toEqual(['', false]);
  });

  test('a signal while the keys are waited for', async () => {
    const { input, modes } = terminal();
    const { answer, abort, shown } = ask(input);
    const reason = new Error('SIGTERM');
    setTimeout(() => abort.abort(reason), 50);
    await expect(answer).rejects.toBe(reason);
    expect([shown(), modes.at(-1)]).toEqual(['', false]);
  });

  test('a terminal that breaks is no', async () => {
    const { input } = terminal();
    const { answer } = ask(input);
    input.destroy(new Error('EIO'));
    expect(await answer).toBe(false);
  });
});
