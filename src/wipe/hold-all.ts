import { setTimeout as sleep } from 'node:timers/promises';
import type { Crew } from '../commands/crew.ts';
import { holdConsumers } from '../commands/hold-consumers.ts';
import { settleAll } from '../settle-all.ts';
import { restartWorkers } from './restart-workers.ts';

/** A broker that owes a reply for so long is stuck: what does not need it goes on. */
const STUCK_MS = 1_000;
/** The longest that a service waits for the consumers of the others. */
const OTHERS_MS = 5_000;
const LOOK_EVERY_MS = 100;

export interface Holds {
  /** When the consumers of this service are held, or could not be. */
  readonly own: (crew: Crew) => Promise<void>;
  /**
   * When nobody writes any more, as far as it is worth waiting for: a stuck broker is not waited
   * for, and the other services only for some seconds. What is written later, the proof finds.
   * @throws the signal's reason.
   */
  readonly quiet: (crew: Crew) => Promise<void>;
  /** When all consumers are held or could not be; a stuck broker is not waited for. */
  readonly settled: () => Promise<void>;
  /** When all consumers are held or could not be. @throws the signal's reason. */
  readonly all: Promise<void>;
  readonly areOver: () => boolean;
}

/**
 * Holds the consumers of all services at once, since one service's tasks may make jobs for another.
 * @param waitIdle milliseconds.
 */
export function holdAll(
  crews: readonly Crew[],
  { waitIdle, restart }: { readonly waitIdle: number; readonly restart: boolean },
  signal: AbortSignal,
): Holds {
  const endedAt = new Map<Crew, number>();
  const holding = new Map(crews.map((crew) => [crew, holdConsumers(crew, waitIdle)] as const));
  for (const [crew, hold] of holding) {
    const end = (): void => void endedAt.set(crew, performance.now());
    hold.then(end, end);
  }
  const holdThenRestart = async (): Promise<void> => {
    await settleAll([...holding.values()]);
    if (restart) await restartWorkers(crews, signal);
  };
  const all = holdThenRestart();
  const progress = { isOver: false };
  const end = (): void => {
    progress.isOver = true;
  };
  // The caller that awaits the promise gets the error.
  all.then(end, end);
  const isSettled = (crew: Crew): boolean => endedAt.has(crew) || isStuck(crew);
  const isQuietFor = (crew: Crew): boolean => {
    const own = endedAt.get(crew);
    const isLate = own !== undefined && performance.now() - own > OTHERS_MS;
    return isSettled(crew) && (isLate || crews.every(isSettled));
  };
  const until = async (condition: () => boolean): Promise<void> => {
    const watch = async (): Promise<void> => {
      while (!progress.isOver && !signal.aborted && !condition()) await sleep(LOOK_EVERY_MS);
    };
    // A worker that starts again may take a task of any service.
    await (restart ? all : Promise.race([all, watch()]));
    signal.throwIfAborted();
  };
  return {
    all,
    own: async (crew) => holding.get(crew),
    quiet: async (crew) => until(() => isQuietFor(crew)),
    settled: async () => until(() => crews.every(isSettled)),
    areOver: () => progress.isOver,
  };
}

function isStuck({ link }: Crew): boolean {
  return (link?.connection?.owes() ?? 0) > STUCK_MS;
}
