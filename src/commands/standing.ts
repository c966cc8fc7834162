import type { Removed } from '../report/run-types.ts';
import { counted } from '../report/text.ts';
import { megabytes } from '../report/totals.ts';
import type { Kind } from '../report/types.ts';
import { removedSoFar } from './step.ts';
import type { StepContext } from './step.ts';

/** How far a wipe is, told at any moment. */

/** What whoever ends the process must know. */
export interface Standing {
  /** How many consumers wait for us to tell them to go on. */
  held: number;
  /** What was not reached; undefined as long as nothing is touched. */
  left: (() => string) | undefined;
  /** Notes that the process ends now. */
  abandon: ((exitCode: number, message: string) => void) | undefined;
}

export function removedBy(steps: readonly StepContext[]): Removed {
  const all = steps.map(({ tally }) => ({
    ...removedSoFar(tally),
    bytes: tally.directories.reduce((sum, one) => sum + one.bytesFreed, 0),
  }));
  const sum = (figure: keyof Removed): number => all.reduce((total, one) => total + one[figure], 0);
  return {
    jobs: sum('jobs'),
    tasks: sum('tasks'),
    files: sum('files'),
    models: sum('models'),
    bytes: sum('bytes'),
  };
}

/** What went and what was not reached, for whoever ends it at once. */
export function leftText(steps: readonly StepContext[], kinds: readonly Kind[]): string {
  const { jobs, tasks, files, models, bytes } = removedBy(steps);
  const went = [
    counted(jobs, 'job'),
    counted(tasks, 'task'),
    counted(files, 'file'),
    counted(models, 'model'),
  ].join(', ');
  const left = steps.flatMap((step) => serviceLeft(step, kinds));
  const rest = left.length === 0 ? 'nothing was looked at again' : left.join('; ');
  return `Removed before: ${went} (${megabytes(bytes)} MB in finished directories). Left: ${rest}.`;
}

function serviceLeft({ service, tally }: StepContext, kinds: readonly Kind[]): readonly string[] {
  const { name } = service.config;
  if (tally.pass === 0) return [`all of ${name}`];
  const directories = service.directories
    .map(({ located }) => located)
    .filter(({ kind }) => kinds.includes(kind))
    .filter(
      ({ path, kind }) =>
        !tally.directories.some((done) => done.path === path && done.kind === kind),
    );
  return directories.length === 0
    ? []
    : [`what is in ${directories.map((directory) => directory.name).join(', ')} of ${name}`];
}
