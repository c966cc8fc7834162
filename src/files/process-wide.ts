import { constants, existsSync, openSync } from 'node:fs';
import { errorCode } from '../errors.ts';

/**
 * What only the process as a whole has: one working directory, and the processor time it used. Bare
 * names below a working directory cost a third less than `/proc/self/fd/<n>/<name>` for every file.
 */

// Linux, open(2): a directory that may be entered but not read can be held all the same.
const O_PATH = 0o10000000;

let home: { readonly path: string } | undefined;
let isAway = false;
let place: object | undefined;

/**
 * Makes a directory the working directory, until `goHome`. Whatever awaits must enter it again.
 * @param path `/proc/self/fd/<n>`, or one whose identity the caller looks at afterwards.
 * @param whose what `isIn` is asked with; descriptors will not do, their numbers come again.
 * @throws the system error.
 */
export function changeDirectory(path: string, whose?: object): void {
  home ??= rememberHome();
  place = undefined;
  process.chdir(path);
  isAway = true;
  place = whose;
}

/** Whether the working directory is the one that was entered as this. */
export function isIn(whose: object): boolean {
  return place === whose;
}

/**
 * The path of the working directory, which must have been changed since this was asked last: Node.js
 * remembers it. Undefined where it has none.
 */
export function workingPath(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/** Back to where the process was started: before anybody else gets their turn. */
export function goHome(): void {
  if (!isAway || home === undefined) return;
  isAway = false;
  place = undefined;
  try {
    process.chdir(home.path);
  } catch {
    process.chdir('/');
  }
}

function rememberHome(): { readonly path: string } {
  if (!existsSync('/proc/self/fd')) return { path: process.cwd() };
  try {
    // By descriptor, since the directory may be renamed meanwhile; never closed.
    const descriptor = openSync('.', O_PATH | constants.O_DIRECTORY);
    return { path: `/proc/self/fd/${descriptor}` };
  } catch {
    return { path: '/' };
  }
}

/** How long the process has computed, in milliseconds, and how often it gave way to wait. */
export function timeSpent(): { readonly processor: number; readonly waits: number } {
  const { userCPUTime, systemCPUTime, voluntaryContextSwitches } = process.resourceUsage();
  return { processor: (userCPUTime + systemCPUTime) / 1000, waits: voluntaryContextSwitches };
}

/** The Node.js that runs. */
export function executable(): string {
  return process.execPath;
}

/** The effective user; undefined where there are none. */
export function userId(): number | undefined {
  return process.geteuid?.();
}

/** Whether a process has this pid here, whoever's it is. */
export function isProcessThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}
