/** A wipe to which something happens while it runs. */
import { join } from 'node:path';
import type { JsonReport, JsonResult } from './config-file.ts';
import { startTool, type ToolOptions } from './tool.ts';
import { until } from './until.ts';

export interface StartedWipe {
  /** Fails when there is no JSON on stdout. */
  readonly result: Promise<JsonResult>;
  /** Resolves when the condition holds. @throws Error with its messages when the wipe ends before. */
  reaches(what: string, condition: () => boolean): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** What it has said so far. */
  stderr(): string;
}

/** `all --yes --json`, and further arguments. */
export function startWipe(
  config: string,
  options: ToolOptions,
  ...args: readonly string[]
): StartedWipe {
  const run = startTool(['all', '--yes', '--json', '--config', config, ...args], {
    cwd: join(options.folder, 'cwd'),
    timeout: 90_000,
    ...options,
  });
  run.endInput();
  let hasEnded = false;
  const result = run.result.then((result): JsonResult => {
    hasEnded = true;
    try {
      return { ...result, report: JSON.parse(result.stdout) as JsonReport };
    } catch {
      throw new Error(`no JSON on stdout:\n${result.stdout}\n${result.stderr}`);
    }
  });
  // Who waits for a moment hears of it there.
  result.catch(() => undefined);
  return {
    result,
    kill: run.kill,
    stderr: run.stderr,
    reaches: async (what, condition) => {
      await until(what, () => {
        if (hasEnded) throw new Error(`the wipe ended before this: ${what}\n${run.stderr()}`);
        return condition();
      });
    },
  };
}
