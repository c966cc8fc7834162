import { findHeldOpen } from '../files/held-open.ts';
import type { HeldFile, HeldOpen } from '../files/held-open.ts';
import { counted } from '../report/text.ts';
import { megabytes } from '../report/totals.ts';
import type { DirectoryReport } from '../report/types.ts';
import type { OpenService } from './open-services.ts';
import type { StepContext } from './step.ts';

/** An interrupted run says what it can say at once. */
const INTERRUPTED_MS = 500;

/** Deleted files that were held before the wipe: they are told of, but it did not delete them. */
export async function heldBefore(
  services: readonly OpenService[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const { files } = await findHeldOpen(places(services), { signal, mapped: false });
  return new Set(files.map(({ identity }) => identity));
}

/**
 * Deleted files of these directories that a process holds now. None where nothing was removed, now
 * or before. Undefined: interrupted, so that it has to be asked again.
 * @param before those that were held before the wipe.
 */
export async function findHeld(
  steps: readonly StepContext[],
  before: ReadonlySet<string>,
): Promise<HeldOpen | undefined> {
  const [first] = steps;
  const removed = steps.some(({ tally }) => tally.directories.some(({ deleted }) => deleted > 0));
  if (first === undefined || (!removed && before.size === 0)) return NOTHING_HELD;
  const { signal } = first;
  const limit = signal.aborted ? AbortSignal.timeout(INTERRUPTED_MS) : signal;
  try {
    return await findHeldOpen(directoriesOf(steps), { signal: limit });
  } catch (error) {
    if (!limit.aborted) throw error;
    return limit === signal ? undefined : NOTHING_HELD;
  }
}

export const NOTHING_HELD: HeldOpen = { files: [], unseen: 0 };

/**
 * Notes the deleted files that a process still holds: they free nothing until it closes them. What
 * this wipe deleted of them comes off the freed bytes.
 * @param before those that were held before the wipe.
 */
export function noteHeldOpen(
  steps: readonly StepContext[],
  before: ReadonlySet<string>,
  files: readonly HeldFile[],
): void {
  const owed: Owed[] = [];
  for (const [index, { step, located }] of directoriesOf(steps).entries()) {
    const own = files.filter(({ directory }) => directory === index);
    if (own.length === 0) continue;
    const { tally } = step;
    const at = tally.directories.findIndex(
      ({ path, kind }) => path === located.path && kind === located.kind,
    );
    const report = tally.directories[at];
    if (report === undefined) continue;
    const byUs = own.filter(
      ({ identity, ctimeMs }) => !before.has(identity) && ctimeMs >= tally.began - CLOCK_TICK_MS,
    );
    const freed = take(report, { bytes: bytesOf(byUs), inodes: byUs.length });
    tally.directories[at] = { ...freed.report, bytesHeldOpen: report.bytesHeldOpen + bytesOf(own) };
    const [file] = own;
    if (file !== undefined) owed.push({ ...freed.left, device: deviceOf(file) });
    for (const text of warnings(located.name, own)) step.warn(text);
  }
  for (const one of owed) settle(steps, one);
}

interface Owed {
  readonly bytes: number;
  readonly inodes: number;
  readonly device: string | undefined;
}

/** A file with several names is held by one of them and was counted where its last one went. */
function settle(steps: readonly StepContext[], owed: Owed): void {
  let left: Omit<Owed, 'device'> = owed;
  for (const { service, tally } of steps) {
    for (const [at, report] of tally.directories.entries()) {
      const { known } =
        service.directories.find(({ located }) => located.path === report.path) ?? {};
      if (left.bytes <= 0 || String(known?.device) !== owed.device) continue;
      const freed = take(report, left);
      tally.directories[at] = freed.report;
      ({ left } = freed);
    }
  }
}

function take(report: DirectoryReport, { bytes, inodes }: Omit<Owed, 'device'>) {
  const taken = {
    bytes: Math.min(report.bytesFreed, bytes),
    inodes: Math.min(report.inodesFreed, inodes),
  };
  return {
    report: {
      ...report,
      bytesFreed: report.bytesFreed - taken.bytes,
      inodesFreed: report.inodesFreed - taken.inodes,
    },
    left: { bytes: bytes - taken.bytes, inodes: inodes - taken.inodes },
  };
}

function deviceOf({ identity }: HeldFile): string | undefined {
  return identity.split(':')[0];
}

/** The kernel stamps files by a clock that is so much behind. */
const CLOCK_TICK_MS = 10;

function directoriesOf(steps: readonly StepContext[]) {
  return steps.flatMap((step) =>
    step.service.directories.map(({ located }) => ({ step, located, path: located.path })),
  );
}

function places(services: readonly OpenService[]): { readonly path: string }[] {
  return services.flatMap(({ directories }) => directories.map(({ located }) => located));
}

function bytesOf(files: readonly HeldFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** One for each process; a file that several hold is told of with each of them. */
function warnings(directory: string, files: readonly HeldFile[]): readonly string[] {
  const holders = new Map<number, { readonly command: string; readonly files: HeldFile[] }>();
  for (const file of files) {
    for (const { pid, command } of file.holders) {
      const known = holders.get(pid) ?? { command, files: [] };
      holders.set(pid, known);
      known.files.push(file);
    }
  }
  return [...holders].map(([pid, { command, files: held }]) => {
    const what = `${megabytes(bytesOf(held))} MB of ${counted(held.length, 'deleted file')}`;
    return `${directory}: ${what} still held open by ${command} (pid ${pid}), not free yet: restart it to free them`;
  });
}
