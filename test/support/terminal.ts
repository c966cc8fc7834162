/** Runs the built command on a pseudo-terminal, confined to the test's folder. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findPython } from '../setup/needs.ts';
import { startConfined, type Result, type Running } from './confine.ts';
import { TOOL, type ToolOptions } from './tool.ts';

const SCRIPT = fileURLToPath(new URL('terminal.py', import.meta.url));

export const CTRL_C = '\x03';
export const CTRL_D = '\x04';

export interface OnTerminal extends Running {
  /** Resolves when the screen has shown the text. @throws Error with the screen after 20 s. */
  waitForScreen(text: string): Promise<void>;
}

/**
 * Whatever the command writes to its terminal comes as `stdout`. `environment` is the whole of it.
 * @param stdoutFile where the command's standard output goes instead of to the terminal.
 */
export function startOnTerminal(
  args: readonly string[],
  options: ToolOptions,
  stdoutFile?: string,
): OnTerminal {
  const command = [process.execPath, TOOL, ...args];
  const running = startConfined(
    [
      findPython().path,
      SCRIPT,
      ...(stdoutFile === undefined
        ? command
        : ['/bin/sh', '-c', 'out=$1; shift; exec "$@" >"$out"', 'sh', stdoutFile, ...command]),
    ],
    options,
  );
  let end: Result | undefined;
  running.result.then(
    (result) => (end = result),
    () => undefined,
  );
  return {
    ...running,
    waitForScreen: async (text) => {
      const deadline = Date.now() + 20_000;
      while (!running.stdout().includes(text)) {
        if (end !== undefined || Date.now() > deadline) {
          throw new Error(`The screen did not show "${text}":\n${running.stdout()}`);
        }
        await sleep(10);
      }
    },
  };
}
