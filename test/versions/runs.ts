/** What the tasks themselves wrote of when they began and ended: nothing of it is in Redis. */
import { readFileSync } from 'node:fs';

export interface Runs {
  /** Ids of tasks, markers left out, in the order of time. */
  readonly begun: readonly string[];
  readonly ended: readonly string[];
  /** Ids of new tasks that ended, sent to see that a worker works. */
  readonly markers: readonly string[];
}

export function readRuns(file: string): Runs {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // No task has run yet.
  }
  const lines = text.split('\n').map((line) => line.split(' '));
  const ids = (what: string, markers: boolean): string[] =>
    lines
      .filter(([word, id = '']) => word === what && id.startsWith('marker-') === markers)
      .map(([, id = '']) => id);
  return { begun: ids('start', false), ended: ids('end', false), markers: ids('end', true) };
}
