import { closeSync, fstatSync, openSync, readFileSync, readdirSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { errorCode } from '../errors.ts';
import { createPace } from './pace.ts';
import { createPlaceOfDescriptor, isBelow, linkOf } from './place-of-descriptor.ts';
import type { Place } from './place-of-descriptor.ts';

/** A file without a name that frees nothing until its last holder closes it or ends. */
export interface HeldFile {
  /** Index of the directory that it was in; of nested ones the innermost. */
  readonly directory: number;
  /** Relative to the directory, as bytes: its last name. */
  readonly path: Buffer;
  /** Allocated bytes. Whoever holds it may still write to it. */
  readonly bytes: number;
  /**
   * Milliseconds since 1970, as of the last change. Unlinking is one and writing is one, so the past
   * tells that it was deleted before then, and the present does not tell that it was deleted now.
   */
  readonly ctimeMs: number;
  /** Unique among all files of all file systems: device and inode. */
  readonly identity: string;
  /** Ordered by process id, each process once. */
  readonly holders: readonly Holder[];
}

export interface Holder {
  readonly pid: number;
  /** What was typed to start it, or its short name: printable ASCII, at most 60 characters. */
  readonly command: string;
}

export interface HeldOpen {
  readonly files: readonly HeldFile[];
  /** Processes that this user may not look at: what they hold is not in `files`. */
  readonly unseen: number;
}

/** What the kernel puts behind the path of a file that has lost its name: proc_pid_fd(5). */
const DELETED = ' (deleted)';
/** Memory that looks like a deleted file: memfd_create(2), shmget(2), mmap(2) of /dev/zero. */
const NO_FILE = /^\/(?:memfd:|SYSV|dev\/zero )/;
/** Not in Node's constants: to ask about a file without opening what it is (open(2)). */
const O_PATH = 0o10000000;

const SLICE_MS = 10;
const COMMAND_LENGTH = 60;
/**
 * `maps` and `cmdline` want a lock of the process, which one that hangs in a page fault on a dead
 * network mount may keep for ever.
 */
const PATIENCE_MS = 500;
const HANGING_AT_MOST = 2;

/** PF_KTHREAD in field 9 of `/proc/<pid>/stat` (linux/sched.h): holds no files. */
const KERNEL_THREAD = 0x00200000;

interface Candidate {
  readonly pid: number;
  /** In /proc, leading to the file itself and not to its name. */
  readonly link: string;
}

/**
 * Which deleted files of the directories (absolute, links resolved) are still held by a process other
 * than this one: through a descriptor, or mapped into memory, from whichever mount namespace. Looks
 * at names in /proc only, and asks about a file only where its name says that it is deleted.
 *
 * Left out: mapped files unless we may follow `/proc/<pid>/map_files` (root, CAP_CHECKPOINT_RESTORE),
 * which counts as unseen; a file with names left elsewhere; paths longer than PATH_MAX. Nothing is
 * found where there is no such /proc. See proc_pid_fd(5), proc_pid_maps(5), proc_pid_map_files(5).
 * @param options `mapped: false` looks at descriptors alone, which is a fifth of the work.
 * @throws the signal's reason when it aborts.
 */
export async function findHeldOpen(
  directories: readonly { readonly path: string }[],
  { signal, mapped = true }: { readonly signal: AbortSignal; readonly mapped?: boolean },
): Promise<HeldOpen> {
  const pids = otherProcesses();
  const pace = createPace(SLICE_MS);
  const readText = createPatientReader(signal);
  const placeOf = createPlaceOfDescriptor();
  const places = directories.map(({ path }) => useDescriptor(path, (at) => placeOf(at, 'self')));
  const found = new Map<string, HeldFile & { readonly holders: Holder[] }>();
  let unseen = 0;
  for (const pid of pids) {
    signal.throwIfAborted();
    if (!(await lookAt(pid)) && !isKernelThread(pid)) unseen += 1;
    if (pace.due()) await pace.rest();
  }
  return { files: [...found.values()], unseen };

  /** False when not everything that it holds may be seen. */
  async function lookAt(pid: number): Promise<boolean> {
    const folder = `/proc/${pid}/fd`;
    const descriptors = namesIn(folder);
    if (descriptors === 'denied') return false;
    for (const descriptor of descriptors) {
      const link = `${folder}/${descriptor}`;
      if (namesDeletedFile(linkOf(link))) await consider({ pid, link });
      if (pace.due()) {
        await pace.rest();
        signal.throwIfAborted();
      }
    }
    if (!mapped) return true;
    const maps = await readText(`/proc/${pid}/maps`);
    if (typeof maps === 'string') return maps === 'gone';
    if (!maps.includes(DELETED)) return true;
    let complete = true;
    for (const range of deletedRanges(maps.toString('latin1'))) {
      const link = `/proc/${pid}/map_files/${range}`;
      complete = (await consider({ pid, link })) !== 'denied' && complete;
    }
    return complete;
  }

  async function consider({ pid, link }: Candidate): Promise<'looked' | 'denied'> {
    const seen = useDescriptor(link, (descriptor) => {
      const stat = fstatSync(descriptor, { bigint: true });
      // The name may really end in this way, or the file have other names, which keep it.
      if (stat.nlink !== 0n || stat.isDirectory()) return undefined;
      const place = placeOf(descriptor, pid, DELETED);
      const directory = place === undefined ? -1 : innermost(places, place);
      return directory < 0 ? undefined : { stat, directory, path: place?.path ?? '' };
    });
    if (seen === 'denied') return 'denied';
    if (seen === undefined) return 'looked';
    const { stat, directory, path } = seen;
    const identity = `${stat.dev}:${stat.ino}`;
    const file = found.get(identity) ?? {
      directory,
      path: relativeTo(placeAt(directory), path),
      ...sizeOf(stat),
      identity,
      holders: [],
    };
    found.set(identity, file);
    if (file.holders.at(-1)?.pid !== pid) {
      file.holders.push({ pid, command: await commandOf(pid, readText) });
    }
    return 'looked';
  }

  function placeAt(index: number): Place | undefined {
    const place = places[index];
    return place === 'denied' ? undefined : place;
  }
}

function otherProcesses(): readonly number[] {
  const own = linkOf('/proc/self');
  const names = own === undefined ? [] : namesIn('/proc');
  if (names === 'denied') return [];
  return names
    .filter((name) => /^\d+$/.test(name) && name !== own)
    .map(Number)
    .toSorted((a, b) => a - b);
}

function namesIn(folder: string): readonly string[] | 'denied' {
  try {
    return readdirSync(folder);
  } catch (error) {
    return isDenied(error) ? 'denied' : [];
  }
}

/** @throws what is no system error; ENOENT and ESRCH say that the process has ended meanwhile. */
function isDenied(error: unknown): boolean {
  const code = errorCode(error);
  if (code === undefined) throw error;
  return code === 'EACCES' || code === 'EPERM';
}

function namesDeletedFile(path: string | undefined): boolean {
  return path?.endsWith(DELETED) === true && path.startsWith('/') && !NO_FILE.test(path);
}

/** Undefined when there is nothing (any more). */
function useDescriptor<T>(path: string, use: (descriptor: number) => T): T | 'denied' | undefined {
  let descriptor;
  try {
    descriptor = openSync(path, O_PATH);
    return use(descriptor);
  } catch (error) {
    return isDenied(error) ? 'denied' : undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** One address range of each deleted file in the text of maps, as map_files calls it. */
function deletedRanges(maps: string): readonly string[] {
  const ranges = new Map<string, string>();
  for (const line of maps.split('\n')) {
    if (!line.endsWith(DELETED)) continue;
    const [, range, file, path] = /^(\S+) \S+ \S+ (\S+ \d+) +(.*)$/.exec(line) ?? [];
    if (range === undefined || file === undefined || !namesDeletedFile(path)) continue;
    ranges.set(file, range);
  }
  return [...ranges.values()].map((range) => range.replace(/\b0+(?=[\da-f])/g, ''));
}

function innermost(places: readonly (Place | 'denied' | undefined)[], inner: Place): number {
  let best = -1;
  let length = -1;
  for (const [index, place] of places.entries()) {
    if (place === undefined || place === 'denied' || place.device !== inner.device) continue;
    if (inner.path === place.path || !isBelow(inner.path, place.path)) continue;
    if (place.path.length <= length) continue;
    best = index;
    length = place.path.length;
  }
  return best;
}

function relativeTo(top: Place | undefined, path: string): Buffer {
  const start = top === undefined || top.path === '/' ? 1 : top.path.length + 1;
  return Buffer.from(path.slice(start), 'latin1');
}

function sizeOf(stat: BigIntStats): { readonly bytes: number; readonly ctimeMs: number } {
  return { bytes: Number(stat.blocks) * 512, ctimeMs: Number(stat.ctimeMs) };
}

function isKernelThread(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is a name in brackets, which may hold blanks and brackets itself.
    const flags = text.slice(text.lastIndexOf(')') + 2).split(' ')[6];
    return (Number(flags) & KERNEL_THREAD) !== 0;
  } catch (error) {
    // Ended meanwhile: nothing that anyone missed.
    return !isDenied(error);
  }
}

async function commandOf(pid: number, readText: PatientReader): Promise<string> {
  const line = await readText(`/proc/${pid}/cmdline`);
  const text = typeof line === 'string' ? '' : asCommand(line);
  if (text !== '') return text;
  // Without a lock of the process, so that one that hangs has a name.
  try {
    return asCommand(readFileSync(`/proc/${pid}/comm`));
  } catch (error) {
    isDenied(error);
    return '';
  }
}

function asCommand(text: Buffer): string {
  return text
    .toString('latin1')
    .replace(/[\0\n]/g, ' ')
    .replace(/[^\x20-\x7e]/g, '?')
    .trim()
    .slice(0, COMMAND_LENGTH);
}

type PatientReader = (path: string) => Promise<Buffer | 'gone' | 'denied'>;

/**
 * Reads files of /proc and gives up on one that hangs; after a few of those, on all: every one keeps
 * a thread of Node's pool busy.
 */
function createPatientReader(signal: AbortSignal): PatientReader {
  let hanging = 0;
  return async (path) => {
    if (hanging >= HANGING_AT_MOST) return 'denied';
    let timer;
    const patience = new Promise<'hangs'>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS, 'hangs');
    });
    try {
      const text = await Promise.race([readFile(path), patience]);
      signal.throwIfAborted();
      if (text !== 'hangs') return text;
      hanging += 1;
      return 'denied';
    } catch (error) {
      if (signal.aborted) throw error;
      return isDenied(error) ? 'denied' : 'gone';
    } finally {
      clearTimeout(timer);
    }
  };
}
