import type { Readable, Writable } from 'node:stream';
import { discardTyped, keepsTyped } from './type-ahead.ts';

/**
 * The question before a wipe. Only the expected line, typed after the question, whole and ended by
 * the operator's Enter, is yes; it is read here and not by node:readline, which gives the rest before the end of input as a
 * line and ends lines at a lone \r and at U+2028.
 */

const MAX_ANSWER = 1024;

export interface Question {
  readonly input: Readable;
  readonly output: Writable;
  readonly question: string;
  readonly expected: string;
  readonly signal: AbortSignal;
}

/** @param host name of this host, safe to show. */
export function wipeQuestion(target: string, host: string): string {
  return `Type "${target}" to delete all of this on ${host}: `;
}

const WAITING =
  '\nWaiting until no key is pressed: input typed before the question is discarded.\n';
const DISCARDED = 'Input typed before the question was discarded.\n';

/**
 * Asks on `output`, reads one line from `input`. True only for exactly `expected` and `\n` or
 * `\r\n`, typed after the question.
 * @throws the signal's reason when it aborts; CannotStart for a Ctrl-C.
 */
export async function askTyped(options: Question): Promise<boolean> {
  await discardTypedBefore(options);
  options.output.write(options.question);
  return await readAnswer(options);
}

/**
 * Discards input that came before the question which is asked next, and says so on `output`.
 * @throws the signal's reason when it aborts; CannotStart for a Ctrl-C.
 */
export async function discardTypedBefore({
  input,
  output,
  signal,
}: Pick<Question, 'input' | 'output' | 'signal'>): Promise<void> {
  signal.throwIfAborted();
  // A terminal that hangs up, now or during the wipe, is the end of input and not a crash.
  input.on('error', () => undefined);
  if (keepsTyped(input)) {
    const { bytes, endsLine } = await discardTyped(input, signal, () => output.write(WAITING));
    if (bytes > 0) output.write(`${endsLine ? '' : '\n'}${DISCARDED}`);
  } else {
    // Without a terminal there is only what the stream holds.
    while (input.read() !== null);
  }
}

async function readAnswer({ input, output, expected, signal }: Question): Promise<boolean> {
  try {
    const line = await readLine(input, signal);
    if (line === undefined) output.write('\n');
    return line === expected;
  } catch (error) {
    output.write('\n');
    throw error;
  }
}

/** One line without its end; undefined at the end of input, also after an unfinished line. */
export function readLine(input: Readable, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const stop = (): void => {
      input.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', onEnd);
      signal.removeEventListener('abort', onAbort);
      letGo(input);
    };
    const onData = (chunk: Buffer | string): void => {
      const bytes = Buffer.from(chunk);
      const end = bytes.indexOf(0x0a);
      chunks.push(end === -1 ? bytes : bytes.subarray(0, end));
      length += bytes.length;
      if (end === -1 && length <= MAX_ANSWER) return;
      stop();
      resolve(end === -1 ? undefined : Buffer.concat(chunks).toString().replace(/\r$/, ''));
    };
    const onEnd = (): void => {
      stop();
      resolve(undefined);
    };
    const onAbort = (): void => {
      stop();
      reject(signal.reason as Error);
    };
    if (input.readableEnded || input.destroyed) {
      resolve(undefined);
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    input.on('data', onData).on('end', onEnd).on('close', onEnd).on('error', onEnd);
    hold(input);
    input.resume();
  });
}

type MaybeTerminal = Readable & {
  readonly isTTY?: boolean;
  ref?(): unknown;
  unref?(): unknown;
};

function hold(input: MaybeTerminal): void {
  input.ref?.();
}

/** A paused and unreferenced stdin does not keep the process alive. */
function letGo(input: MaybeTerminal): void {
  input.pause();
  input.unref?.();
}
