import { findHeldOpen } from '../files/held-open.ts';
import type { HeldFile } from '../files/held-open.ts';
import { counted } from '../report/text.ts';
import { megabytes } from '../report/totals.ts';
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
 * Deleted files of these directories that a process holds now. None where nothing was removed.
 * Undefined: interrupted, so that it has to be asked again.
 */
export async function findHeld(
  steps: readonly StepContext[],
): Promise<readonly HeldFile[] | undefined> {
  const [first] = steps;
  const removed = steps.some(({ tally }) => tally.directories.some(({ deleted }) => deleted > 0));
  if (first === undefined || !removed) return [];
  const { signal } = first;
  const limit = signal.aborted ? AbortSignal.timeout(INTERRUPTED_MS) : signal;
  try {
    return (await findHeldOpen(directoriesOf(steps), { signal: limit })).files;
  } catch (error) {
    if (!limit.aborted) throw error;
    return limit === signal ? undefined : [];
  }
}

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
    tally.directories[at] = {
      ...report,
      bytesFreed: Math.max(0, report.bytesFreed - bytesOf(byUs)),
      inodesFreed: Math.max(0, report.inodesFreed - byUs.length),
      bytesHeldOpen: report.bytesHeldOpen + bytesOf(own),
    };
    for (const text of warnings(located.name, own)) step.warn(text);
  }
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
