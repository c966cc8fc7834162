import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { isProcessThere } from '../files/process-wide.ts';
import { errorCode } from '../errors.ts';

/** Which process it is that holds a lock or is a run: a pid alone is given to others later. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it was started, in clock ticks since boot (proc(5), stat, field 22); '' if unknown. */
  readonly started: string;
  /** Where the pid means something: this boot of this machine, and its pid namespace. */
  readonly realm: string;
  readonly host: string;
}

/** @param pid of a process of this machine and namespace: ours, or one that we started. */
export function identify(pid: number): ProcessIdentity {
  return { pid, started: startOf(pid), realm: realm(), host: hostname() };
}

/**
 * Whether it still runs; undefined where that cannot be told from here: another machine, or another
 * container. A zombie does not run.
 */
export function stillRuns(identity: ProcessIdentity): boolean | undefined {
  if (identity.realm !== realm()) {
    // The same machine, started anew: nothing has outlived that.
    const isSameHost = identity.host === hostname();
    return isSameHost && bootOf(identity.realm) !== bootOf(realm()) ? false : undefined;
  }
  const { pid, started } = identity;
  if (!isProcessThere(pid)) return false;
  const now = startOf(pid);
  if (now !== '') return started === '' || now === started;
  // A zombie has no start that counts. With hidepid nothing can be read of other users' processes,
  // but they are there; one that was a zombie a moment ago may be gone by now.
  return !isGone(pid) && isProcessThere(pid);
}

/**
 * Whether it is gone, as far as we can see for ourselves: another boot of a host with our name may be
 * another host, of all those that an image was made for.
 */
export function hasDiedHere(identity: ProcessIdentity): boolean {
  return identity.realm === realm() && stillRuns(identity) === false;
}

let known: string | undefined;

function realm(): string {
  // Without /proc a pid means something on this host.
  const boot = read('/proc/sys/kernel/random/boot_id').trim() || hostname();
  known ??= `${boot} ${pidNamespace()}`;
  return known;
}

function bootOf(text: string): string {
  return text.split(' ')[0] ?? '';
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** '' for one that is gone or a zombie, and where there is no /proc. */
function startOf(pid: number): string {
  const stat = read(`/proc/${pid}/stat`);
  // The command's name may contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  return state === 'Z' || state === 'X' ? '' : (fields[19] ?? '');
}

function isGone(pid: number): boolean {
  return /^\d+ \(.*\) [ZX] /s.test(read(`/proc/${pid}/stat`));
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return '';
  }
}
