import type { Observer } from '../report/observer.ts';
import type { Warning } from './warnings.ts';
import type { StepContext } from './step.ts';

/** The log lines of a wipe's steps. */

/** @param message in the contract's words, e.g. `Redis: 15 jobs removed`. */
export function logRemoved(
  { service, observer, tally }: StepContext,
  step: string,
  message: string,
  figures: Readonly<Record<string, number>>,
): void {
  // After the first pass only what came back is news.
  if (tally.pass > 1 && Object.values(figures).every((figure) => figure === 0)) return;
  const line = `🗑️  ${tally.pass > 1 ? 'came back: ' : ''}${message}`;
  observer.log({ level: 'INFO', service: service.config.name, step, message: line, figures });
}

/** With `--quiet` a note is not shown. */
export function logWarning(service: string, { text, weight }: Warning, observer: Observer): void {
  observer.log({ level: 'WARNING', service, step: weight, message: `${service}: ${text}` });
}
