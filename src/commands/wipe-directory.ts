import { errorCode } from '../errors.ts';
import { eraseDirectory } from '../files/erase.ts';
import type { Erased } from '../files/erase.ts';
import type { PendingFile } from '../files/erase-context.ts';
import { withDirectory } from '../files/known-directory.ts';
import type { OpenDirectory } from '../files/open-directory.ts';
import { printable } from '../report/printable.ts';
import { counted } from '../report/text.ts';
import { megabytes } from '../report/totals.ts';
import { directoryFailure } from './open-services.ts';
import type { OpenedDirectory } from './open-services.ts';
import { logRemoved } from './step-log.ts';
import { mountFailure, mountWarning, nfsWarning } from './warnings.ts';
import { noteDirectory } from './step.ts';
import type { StepContext } from './step.ts';

/**
 * Empties one directory and notes what went.
 * @throws the signal's reason, after the tally holds what went until then.
 */
export async function wipeDirectory(step: StepContext, directory: OpenedDirectory): Promise<void> {
  const { located, known } = directory;
  const { name, path, kind } = located;
  const { tally, signal } = step;
  signal.throwIfAborted();
  const none = { deleted: 0, bytesFreed: 0, inodesFreed: 0, bytesHeldOpen: 0 };
  const nothing = { name, path, kind, ...none };
  if (known === undefined) {
    noteDirectory(tally, nothing);
    return;
  }
  let erased: Erased;
  try {
    // It was shown and confirmed at its path: while the question was open it may have been moved.
    erased = await withDirectory(known, signal, async (open) => empty(step, directory, open));
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined || signal.aborted) throw error;
    step.report(directoryFailure(located, '.', code));
    noteDirectory(tally, nothing);
    return;
  }
  const { deleted, inodesFreed } = erased;
  const held = notePending(step, directory, erased.pending);
  const bytesFreed = Math.max(0, erased.bytesFreed - held.deletedNow);
  const bytesHeldOpen = held.bytes;
  tally.inHand = undefined;
  noteDirectory(tally, { name, path, kind, deleted, bytesFreed, inodesFreed, bytesHeldOpen });
  if (erased.young > 0 && tally.pass === 1) {
    step.warn(
      `${name}: ${counted(erased.young, `younger ${kind === 'models' ? 'model' : 'file'}`)} not removed: --older-than`,
      'note',
    );
  }
  for (const mount of erased.mounts) {
    if (located.config.mountsMayStay === true) step.warn(mountWarning(name, mount));
    else step.report(mountFailure(name, mount));
  }
  logRemoved(
    step,
    kind,
    `${name}: ${counted(deleted, kind === 'models' ? 'model' : 'file')} deleted (${megabytes(bytesFreed)}MB freed)`,
    { deleted, bytes_freed: bytesFreed },
  );
  signal.throwIfAborted();
}

async function empty(
  { observer, tally, signal, report, erasing, service: { config } }: StepContext,
  { located, rules, asides }: OpenedDirectory,
  open: OpenDirectory,
): Promise<Erased> {
  const { name, path, kind } = located;
  const { item } = observer;
  return eraseDirectory(
    open,
    { rules, asides, ...erasing },
    {
      failure(at, code, lies) {
        report(directoryFailure(located, printable(at) || '.', code, lies));
      },
      progress(done, bytes) {
        tally.inHand = { path, kind, deleted: done, bytes };
        observer.progress({ service: config.name, step: `${kind} in ${name}`, done, bytes });
      },
      ...(item === undefined
        ? {}
        : {
            item: (at: Buffer) => {
              item(config.name, kind, `${name}/${printable(at)}`);
            },
          }),
    },
    signal,
  );
}

/** What a client of an NFS server holds is gone for everybody else, but not free yet. */
function notePending(
  { tally, warn }: StepContext,
  { located, pending }: OpenedDirectory,
  files: readonly PendingFile[],
): { readonly bytes: number; readonly deletedNow: number } {
  const fresh = files.filter(({ path }) => !pending.has(path.toString('latin1')));
  for (const { path } of fresh) {
    pending.add(path.toString('latin1'));
    warn(nfsWarning(located.name, path));
  }
  const sum = (some: readonly PendingFile[]): number =>
    some.reduce((total, { bytes }) => total + bytes, 0);
  return {
    bytes: sum(fresh),
    deletedNow: sum(fresh.filter(({ changed }) => changed >= tally.began)),
  };
}
