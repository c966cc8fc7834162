import { eraseDirectory } from '../files/erase.ts';
import { isMoved } from '../files/open-directory.ts';
import { printable } from '../report/printable.ts';
import { counted } from '../report/text.ts';
import { megabytes } from '../report/totals.ts';
import { directoryFailure } from './open-services.ts';
import type { OpenedDirectory } from './open-services.ts';
import { logRemoved } from './step-log.ts';
import { mountWarning } from './warnings.ts';
import { noteDirectory } from './step.ts';
import type { StepContext } from './step.ts';

/**
 * Empties one directory and notes what went.
 * @throws the signal's reason, after the tally holds what went until then.
 */
export async function wipeDirectory(step: StepContext, directory: OpenedDirectory): Promise<void> {
  const { located, open, boundaries } = directory;
  const { name, path, kind } = located;
  const { tally, observer, signal } = step;
  signal.throwIfAborted();
  if (open === undefined) {
    noteDirectory(tally, { name, path, kind, deleted: 0, bytesFreed: 0 });
    return;
  }
  if (isMoved(open, path)) {
    // It was shown and confirmed at its path, and while the question was open it was moved away.
    step.report(directoryFailure(located, '.', 'EMOVED'));
    noteDirectory(tally, { name, path, kind, deleted: 0, bytesFreed: 0 });
    return;
  }
  const service = step.service.config.name;
  const { item } = observer;
  const erased = await eraseDirectory(
    open,
    boundaries,
    {
      failure(at, code) {
        step.report(directoryFailure(located, printable(at) || '.', code));
      },
      progress(done, bytes) {
        observer.progress({ service, step: `${kind} in ${name}`, done, bytes });
      },
      ...(item === undefined
        ? {}
        : {
            item: (at: Buffer) => {
              item(service, kind, `${name}/${printable(at)}`);
            },
          }),
    },
    signal,
  );
  const { deleted, bytesFreed } = erased;
  noteDirectory(tally, { name, path, kind, deleted, bytesFreed });
  for (const mount of erased.mounts) step.warn(mountWarning(name, mount));
  logRemoved(
    step,
    kind,
    `${name}: ${counted(deleted, kind === 'models' ? 'model' : 'file')} deleted (${megabytes(bytesFreed)}MB freed)`,
    { deleted, bytes_freed: bytesFreed },
  );
  signal.throwIfAborted();
}
