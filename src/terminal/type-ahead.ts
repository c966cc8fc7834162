import type { Readable } from 'node:stream';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { CannotStart } from '../errors.ts';

/** Discards input typed before a question, so that only an answer to the question is read. */

/** Time without a key before the question is asked, in ms: the pause between two keys of a typist. */
const QUIET_MS = 200;
const LOOK_EVERY_MS = 20;
const SAY_AFTER_MS = 1_000;
/** Ctrl-C, as raw mode delivers it. */
const INTERRUPT = 0x03;

export interface TypedAhead {
  readonly bytes: number;
  /** The terminal has echoed a whole line, so that the cursor is at the start of one. */
  readonly endsLine: boolean;
}

export type KeyboardInput = Readable & { setRawMode?(raw: boolean): unknown };

/** Whether the input is a terminal, which keeps input until a program reads it. */
export function keepsTyped(input: KeyboardInput): boolean {
  return input.setRawMode !== undefined;
}

/**
 * Empties the terminal's queue until the queue stays empty for 200 ms.
 * @param waiting called once when keys are still pressed after a second.
 * @throws the signal's reason; CannotStart for a Ctrl-C.
 */
export async function discardTyped(
  input: KeyboardInput,
  signal: AbortSignal,
  waiting: () => void,
): Promise<TypedAhead> {
  const started = performance.now();
  let quietSince = started;
  let bytes = 0;
  let endsLine = true;
  let isSaid = false;
  for (;;) {
    const typed = await readQueue(input);
    signal.throwIfAborted();
    if (typed.includes(INTERRUPT)) {
      throw new CannotStart('interrupted', 'Interrupted by Ctrl-C before anything was touched.');
    }
    const now = performance.now();
    if (typed.length > 0) {
      bytes += typed.length;
      endsLine = typed.at(-1) === 0x0a;
      quietSince = now;
    }
    if (now - quietSince >= QUIET_MS) return { bytes, endsLine };
    if (!isSaid && now - started > SAY_AFTER_MS) {
      isSaid = true;
      waiting();
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
  }
}

/**
 * All bytes that the terminal and the stream hold. Node has no tcflush(3). In line mode a line
 * without Enter cannot be read, and Ctrl-D reads as the end of input: raw mode, for about a
 * millisecond, makes all of it readable as bytes.
 */
async function readQueue(input: KeyboardInput): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const onData = (chunk: Buffer | string): void => {
    chunks.push(Buffer.from(chunk));
  };
  input.setRawMode?.(true);
  input.on('data', onData).resume();
  try {
    let before: number;
    do {
      before = chunks.length;
      // The event loop polls the terminal once between two turns.
      await nextTurn();
      await nextTurn();
    } while (chunks.length > before);
  } finally {
    input.off('data', onData).pause();
    input.setRawMode?.(false);
  }
  return Buffer.concat(chunks);
}
