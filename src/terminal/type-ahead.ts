import type { Readable } from 'node:stream';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { CannotStart } from '../errors.ts';

/** Throws away what was typed before a question, so that nothing but an answer to it is read. */

/** So long nothing must be typed before the question comes: the pause between two keys of a typist. */
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

/** Whether there is a terminal, which keeps what is typed until it is read. */
export function keepsTyped(input: KeyboardInput): boolean {
  return input.setRawMode !== undefined;
}

/**
 * Empties the terminal's queue until it stays empty for 200 ms. @param waiting is called once when
 * the keys do not rest.
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
 * All that the terminal and the stream hold. Node has no tcflush(3). In the terminal's line mode a
 * line without its Enter cannot be read, and Ctrl-D reads as the end of input: raw mode, for about a
 * millisecond, gives everything as bytes.
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
