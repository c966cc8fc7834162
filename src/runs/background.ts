import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { CannotStart, errorCode, errorMessage } from '../errors.ts';
import { hiddenFromNode } from '../node-words.ts';
import { isCleanupId } from './cleanup-id.ts';
import { runsDirectory } from './history.ts';
import type { RunFile } from './history.ts';
import { openToAppend } from './own-file.ts';

/** A run in a process of its own, which outlives the terminal that it was started from. */

/**
 * Starts it in a session of its own, so that no hangup reaches it, and hands it what it must know.
 * @param options `started` is told its pid while it still waits: what is written then, it finds.
 * @throws CannotStart when the system has no room for another process.
 */
export async function startBackground(options: {
  readonly interpreter: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly workingDirectory: string;
  readonly handover: object;
  readonly output: number | 'ignore';
  readonly started: (pid: number) => void;
}): Promise<void> {
  const { interpreter, program, args, workingDirectory, handover, output } = options;
  const child = spawn(interpreter, hiddenFromNode(program, args), {
    cwd: workingDirectory,
    detached: true,
    stdio: ['pipe', output, output],
  });
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('spawn', resolve);
    });
    options.started(child.pid as number);
    await new Promise<void>((resolve, reject) => {
      child.stdin?.once('error', reject);
      child.stdin?.end(JSON.stringify(handover), resolve);
    });
  } catch (error) {
    const message = `The background process could not be started: ${errorMessage(error)}.`;
    throw new CannotStart('refused', message, [], error);
  } finally {
    if (output !== 'ignore') closeSync(output);
  }
  child.unref();
}

/** Where it writes what nothing else tells, a crash above all; `ignore` on a full disk. */
export function openOutput(stateDirectory: string, id: string): number | 'ignore' {
  const name: RunFile = 'output';
  try {
    return openToAppend(join(runsDirectory(stateDirectory), id, name));
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return 'ignore';
  }
}

/** @throws CannotStart when nobody hands anything over. */
export async function readHandover(
  input: Readable,
): Promise<{ readonly cleanupId: string; readonly token: string }> {
  const chunks: Buffer[] = [];
  for await (const chunk of input) chunks.push(Buffer.from(chunk as Buffer | string));
  try {
    const found = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
    const { cleanupId, token } = found;
    // Both become names of files.
    if (isName(cleanupId) && isCleanupId(cleanupId) && isName(token)) return { cleanupId, token };
  } catch {
    // Below.
  }
  throw new CannotStart('usage', '--background is for --detach alone.');
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]+$/.test(value);
}
