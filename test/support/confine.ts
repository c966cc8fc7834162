/**
 * Runs a command that may delete, so that it can change nothing outside the test's folder: in a
 * mount namespace of its own where everything else is read-only.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findCommand } from '../setup/needs.ts';
import { hasEnded, killAtExit } from './processes.ts';

/** Made inside the namespace, so they vanish with the command; `at` is created where missing. */
export type Mount =
  | { readonly kind: 'tmpfs'; readonly at: string; readonly size: string; readonly inodes?: number }
  | { readonly kind: 'bind' | 'bind-read-only'; readonly at: string; readonly from: string };

export interface ConfineOptions {
  /** The only place that stays writable, everything mounted below it included. */
  readonly folder: string;
  /** Default: the folder. */
  readonly cwd?: string;
  /** The whole environment; nothing is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: /dev/null. */
  readonly stdin?: string | Buffer;
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly mounts?: readonly Mount[];
  /** Shell text run as root inside, in the folder, after the mounts: to fill a tmpfs. */
  readonly prepare?: string;
  /** Milliseconds until SIGKILL; default 60 000. */
  readonly timeout?: number;
}

export interface Result {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

export interface Running {
  /** Of the command itself: what confines it has been replaced by it. */
  readonly pid: number;
  readonly result: Promise<Result>;
  /** What came so far. */
  stdout(): string;
  stderr(): string;
  write(text: string): void;
  endInput(): void;
  kill(signal: NodeJS.Signals): void;
}

const SCRIPT = fileURLToPath(new URL('confine.sh', import.meta.url));

/** @throws Error when the confinement could not be made; then the command has not run. */
export async function confine(
  command: readonly [string, ...string[]],
  options: ConfineOptions,
): Promise<Result> {
  return await startConfined(command, options, false).result;
}

/** As `confine`, for a command that is spoken to while it runs. */
export function startConfined(
  command: readonly [string, ...string[]],
  options: ConfineOptions,
  keepInputOpen = true,
): Running {
  const [program, ...args] = confinedCommand(command, options);
  const started = performance.now();
  const child = spawn(program, args, {
    // `/` because the folder's mount is not there yet; the script changes directory itself.
    cwd: isRoot() ? '/' : (options.cwd ?? options.folder),
    env: isRoot() ? { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } : (options.env ?? {}),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  killAtExit(child);
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const text = (name: 'stdout' | 'stderr'): string => Buffer.concat(output[name]).toString();
  child.stdout.on('data', (chunk: Buffer) => output.stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.stderr.push(chunk));
  // A command that ends without reading its input is no error of the test.
  child.stdin.on('error', () => undefined);
  if (options.stdin !== undefined) child.stdin.write(options.stdin);
  if (!keepInputOpen) child.stdin.end();

  const kill = (signal: NodeJS.Signals): void => {
    if (child.pid !== undefined && !hasEnded(child)) process.kill(child.pid, signal);
  };
  const timer = setTimeout(() => killGroup(child.pid), options.timeout ?? 60_000);
  const result = new Promise<Result>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const durationMs = performance.now() - started;
      const finished = { code, signal, stdout: text('stdout'), stderr: text('stderr'), durationMs };
      if (code === 125 && finished.stderr.includes('confine: ')) {
        reject(new Error(finished.stderr.trim()));
      } else {
        resolve(finished);
      }
    });
  });
  return {
    pid: child.pid ?? 0,
    result,
    stdout: () => text('stdout'),
    stderr: () => text('stderr'),
    write: (input) => child.stdin.write(input),
    endInput: () => child.stdin.end(),
    kill,
  };
}

export function confinedCommand(
  command: readonly [string, ...string[]],
  options: ConfineOptions,
): readonly [string, ...string[]] {
  const { folder, user, mounts = [] } = options;
  if (!isRoot()) {
    // Without root there is nothing to confine with, and little to break.
    if (user !== undefined || mounts.length > 0 || options.prepare !== undefined) {
      throw new Error('another user and mounts need root: guard the test with requireOrSkip');
    }
    return command;
  }
  const unshare = findCommand('unshare');
  if (unshare === undefined) throw new Error('unshare is missing: as root nothing runs unconfined');
  return [
    unshare,
    '--mount',
    '--propagation=private',
    '/bin/bash',
    SCRIPT,
    folder,
    options.cwd ?? folder,
    user === undefined ? '' : `${user.uid}:${user.gid}`,
    options.prepare ?? '',
    ...mounts.flatMap(mountArguments),
    '--',
    ...Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
    ...command,
  ];
}

function mountArguments(mount: Mount): readonly string[] {
  if (mount.kind !== 'tmpfs') return [mount.kind, mount.at, mount.from];
  const inodes = mount.inodes === undefined ? '' : `,nr_inodes=${mount.inodes}`;
  return ['tmpfs', mount.at, `size=${mount.size},mode=755${inodes}`];
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended in this very moment.
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
