import type { Standing, StopSignal } from '../commands/standing.ts';
import type { LogEntry } from '../report/observer.ts';
import type { Caller } from './run.ts';

/** Confirms that a signal was received, and names the effect of a second one. */

/** Before the first deletion a run usually ends sooner, with a message of its own. */
const UNTOUCHED_MS = 200;

/** @param say is called once: at once during a wipe, before it only when the end takes long. */
export function hearSignal(
  caller: Pick<Caller, 'signal' | 'interruptedBy' | 'standing'>,
  say: (entry: LogEntry) => void,
): { readonly end: () => void } {
  const { signal, standing } = caller;
  let timer: NodeJS.Timeout | undefined;
  const tell = (): void => {
    const name = caller.interruptedBy();
    // Aborted by an internal error, which has its own message.
    if (name === undefined) return;
    say({ level: 'WARNING', step: 'interrupt', message: heardText(name, standing) });
  };
  const hear = (): void => {
    if (standing.left === undefined) timer = setTimeout(tell, UNTOUCHED_MS).unref();
    else tell();
  };
  if (signal.aborted) hear();
  else signal.addEventListener('abort', hear, { once: true });
  return {
    end: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', hear);
    },
  };
}

const HEARD: Readonly<Record<StopSignal, { readonly first: string; readonly second: string }>> = {
  SIGINT: { first: 'Interrupted', second: 'press Ctrl-C again to end at once' },
  SIGTERM: { first: 'Interrupted by SIGTERM', second: 'a second SIGTERM ends it at once' },
  // A terminal that closes may send it twice.
  SIGHUP: { first: 'Interrupted by SIGHUP', second: 'SIGTERM ends it at once' },
};

export function heardText(
  name: StopSignal,
  { held, left }: Pick<Standing, 'held' | 'left'>,
): string {
  const { first, second } = HEARD[name];
  const doing =
    left === undefined
      ? 'nothing was touched, closing connections'
      : `finishing the item at hand${held > 0 ? ', resuming consumers' : ''}`;
  return `${first}: ${doing}; ${second}`;
}
