/** Runs as their history tells of them, and those in the background. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Result } from './confine.ts';
import { runTool, type ToolOptions } from './tool.ts';

/** What `status <id> --json` says. */
export interface RunStatus {
  readonly cleanup_id: string;
  readonly status: string;
  readonly message: string | null;
  readonly detached: boolean;
  readonly pid: number;
  readonly process: string;
  readonly exit_code: number | null;
  readonly jobs_removed: number;
  readonly files_deleted: number;
  readonly finished_at: string | null;
  readonly progress: { readonly service: string; readonly step: string } | null;
  readonly report: Readonly<Record<string, unknown>> | null;
}

/** What `--detach --json` prints. */
export interface Detached {
  readonly message: string;
  readonly cleanup_id: string;
  readonly status: string;
}

/** Where `toolEnvironment` has runs and locks kept. */
export function stateOf(folder: string, ...names: readonly string[]): string {
  return join(folder, 'home/.local/state/media-cleanup', ...names);
}

export function runIdsIn(folder: string): readonly string[] {
  try {
    return readdirSync(stateOf(folder, 'runs')).toSorted();
  } catch {
    return [];
  }
}

/** `status <id> --json`, and further arguments. */
export async function statusJson(
  id: string,
  options: ToolOptions,
  ...args: readonly string[]
): Promise<Result & { readonly run: RunStatus }> {
  const result = await runTool(['status', id, '--json', ...args], { timeout: 60_000, ...options });
  if (result.stdout === '') throw new Error(`status said nothing:\n${result.stderr}`);
  return { ...result, run: JSON.parse(result.stdout) as RunStatus };
}

/** Processes in the background that work in the folder; zombies do not. */
export function backgroundPids(folder: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(pid, 'cmdline').split('\0').includes('--background'))
    .filter((pid) => read(pid, 'environ').includes(`${folder}/`))
    .map(Number);
}

/** Before the folder is removed: what a failed test has left running there. */
export function endBackground(folder: string): void {
  onTestFinished(() => {
    for (const pid of backgroundPids(folder)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended in this very moment.
      }
    }
  });
}

function read(pid: string, file: 'cmdline' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}
