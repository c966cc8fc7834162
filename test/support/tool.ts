/** Runs the built command as an operator would, confined to the test's folder. */
import { execFileSync } from 'node:child_process';
import { chownSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  confine,
  startConfined,
  type ConfineOptions,
  type Result,
  type Running,
} from './confine.ts';
import { testFolder } from './folder.ts';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
export const TOOL = join(REPOSITORY, 'bin/media-cleanup.js');

export interface ToolOptions extends ConfineOptions {
  /** Another build than the one of this checkout: see `mutantTool`. */
  readonly tool?: string;
  /** Instead of the minimal environment of `toolEnvironment`, not in addition to it. */
  readonly env?: Readonly<Record<string, string>>;
}

/** PATH, and a HOME inside the folder: no colours, no CI, nothing of the machine's own. */
export function toolEnvironment(folder: string): Record<string, string> {
  return {
    PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
    HOME: join(folder, 'home'),
    ...stateEnvironment(folder),
  };
}

/** Where runs and locks of the tool are kept: root's own place is read-only for it here. */
export function stateEnvironment(folder: string): Record<string, string> {
  return { XDG_STATE_HOME: join(folder, 'home/.local/state') };
}

export async function runTool(args: readonly string[], options: ToolOptions): Promise<Result> {
  return await confine([process.execPath, toolFor(options), ...args], prepared(options));
}

/** For prompts and signals: stdin stays open until `endInput`. */
export function startTool(args: readonly string[], options: ToolOptions): Running {
  return startConfined([process.execPath, toolFor(options), ...args], prepared(options));
}

/** Another user need not be able to enter the checkout: they get a copy of what an install has. */
function toolFor({ user, tool = TOOL }: ToolOptions): string {
  return user === undefined ? tool : copyTool(testFolder());
}

function copyTool(folder: string): string {
  for (const part of ['bin', 'dist', 'package.json']) {
    cpSync(join(REPOSITORY, part), join(folder, part), { recursive: true });
  }
  execFileSync('chmod', ['-R', 'a+rX', folder]);
  return join(folder, 'bin/media-cleanup.js');
}

/**
 * A copy of the built tool in which texts of the code are replaced, to see that a test fails without
 * them. @throws Error when one of them is not there any more.
 */
export function mutantTool(
  folder: string,
  changes: readonly (readonly [find: string, replacement: string])[],
): string {
  const tool = copyTool(folder);
  const dist = join(folder, 'dist');
  for (const [find, replacement] of changes) {
    // The program of the file workers has its own copy of what they share with the tool.
    const files = readdirSync(dist).filter(
      (name) => /\.c?js$/.test(name) && readFileSync(join(dist, name), 'utf8').includes(find),
    );
    if (files.length === 0) throw new Error(`the code is written differently now: ${find}`);
    for (const file of files) {
      const text = readFileSync(join(dist, file), 'utf8');
      writeFileSync(join(dist, file), text.replaceAll(find, replacement));
    }
  }
  return tool;
}

function prepared(options: ToolOptions): ConfineOptions {
  const env = {
    ...stateEnvironment(options.folder),
    ...(options.env ?? toolEnvironment(options.folder)),
  };
  // With an environment of its own a test has said what is there; another user could not make it.
  if (options.env !== undefined && options.user === undefined) return { ...options, env };
  const home = join(options.folder, 'home');
  mkdirSync(home, { recursive: true });
  if (options.user !== undefined) chownSync(home, options.user.uid, options.user.gid);
  return { ...options, env };
}
