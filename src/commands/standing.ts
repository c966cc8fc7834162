import type { Removed } from '../report/run-types.ts';
import { removedSoFar } from './step.ts';
import type { StepContext } from './step.ts';

/** How far a wipe is, told at any moment. */

export type StopSignal = 'SIGHUP' | 'SIGINT' | 'SIGTERM';

/** What whoever ends the process must know. */
export interface Standing {
  /** How many consumers wait for us to tell them to go on. */
  held: number;
  /** What was not reached; undefined as long as nothing is touched. */
  left: (() => string) | undefined;
  /** Notes that the process ends now. */
  abandon: ((exitCode: number, message: string) => void) | undefined;
  /** Takes the spinner off the terminal, so that the last message stays last. */
  stopProgress: (() => void) | undefined;
}

/** With what went of the directories in hand. */
export function removedBy(steps: readonly StepContext[]): Removed {
  const all = steps.map(({ tally }) => {
    const { inHand } = tally;
    const removed = removedSoFar(tally);
    const more = (kind: 'files' | 'models'): number => (inHand?.kind === kind ? inHand.deleted : 0);
    return {
      ...removed,
      files: removed.files + more('files'),
      models: removed.models + more('models'),
      bytes: tally.directories.reduce((sum, one) => sum + one.bytesFreed, inHand?.bytes ?? 0),
    };
  });
  const sum = (figure: keyof Removed): number => all.reduce((total, one) => total + one[figure], 0);
  return {
    jobs: sum('jobs'),
    tasks: sum('tasks'),
    files: sum('files'),
    models: sum('models'),
    bytes: sum('bytes'),
  };
}
