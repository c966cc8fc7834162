/** Configs for tests, and what the tool made of them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Result } from './confine.ts';
import { runTool, type ToolOptions } from './tool.ts';

export interface ReportedService {
  readonly jobs_removed: number;
  readonly files_deleted: number;
  readonly verified: boolean;
  readonly remaining: Readonly<Record<string, number>>;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  readonly failures: readonly { readonly code: string; readonly hint: string }[];
}

export interface JsonReport {
  readonly status: string;
  readonly message: string;
  readonly jobs_removed: number;
  readonly files_deleted: number;
  readonly verified: boolean;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  readonly services: Readonly<Record<string, ReportedService>>;
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly problems: readonly { readonly path: string; readonly message: string }[];
  };
}

export interface JsonResult extends Result {
  readonly report: JsonReport;
}

/** Writes `config/cleanup.config.json`, so that the config's directory is no parent of anything. */
export function writeConfig(folder: string, services: Readonly<Record<string, object>>): string {
  mkdirSync(join(folder, 'config'), { recursive: true });
  mkdirSync(join(folder, 'cwd'), { recursive: true });
  const file = join(folder, 'config/cleanup.config.json');
  writeFileSync(file, JSON.stringify({ services }));
  return file;
}

/** `all --yes --json`, and further arguments. */
export async function wipeJson(
  config: string,
  options: ToolOptions,
  ...args: readonly string[]
): Promise<JsonResult> {
  const result = await runTool(['all', '--yes', '--json', '--config', config, ...args], {
    cwd: join(options.folder, 'cwd'),
    ...options,
  });
  try {
    return { ...result, report: JSON.parse(result.stdout) as JsonReport };
  } catch {
    throw new Error(`no JSON on stdout:\n${result.stdout}\n${result.stderr}`);
  }
}

/** `count` small files below `directory`, which is made. */
export function makeFiles(directory: string, count: number): void {
  mkdirSync(directory, { recursive: true });
  for (let index = 0; index < count; index += 1) {
    writeFileSync(join(directory, `file-${index}.mp3`), 'x');
  }
}
