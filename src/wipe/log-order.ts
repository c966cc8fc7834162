import type { LogEntry, Observer } from '../report/observer.ts';

/**
 * Several parts of a wipe go on at once, and their log lines come in the order of the report: a part's
 * lines wait for the parts before it. Not for long: then they are told as they come, and name their
 * service, since `Redis: 15 jobs removed` alone does not.
 */

const LONGEST_MS = 2_000;

export interface Part {
  readonly observer: Observer;
  readonly end: () => void;
}

interface Queue {
  readonly entries: LogEntry[];
  isOver: boolean;
}

/** @returns makes the parts, in the order of their lines. */
export function orderLogs(observer: Observer, longest = LONGEST_MS): () => Part {
  const queues: Queue[] = [];
  let timer: NodeJS.Timeout | undefined;

  /** All that has its turn; with `late` everything. */
  const tell = (late: boolean): void => {
    let isTurn = true;
    for (const { entries, isOver } of queues) {
      if (isTurn || late) {
        for (const entry of entries.splice(0)) observer.log(isTurn ? entry : withName(entry));
      }
      isTurn &&= isOver;
    }
    const isWaiting = queues.some(({ entries }) => entries.length > 0);
    if (!isWaiting) {
      clearTimeout(timer);
      timer = undefined;
    } else {
      timer ??= setTimeout(() => {
        timer = undefined;
        tell(true);
      }, longest).unref();
    }
  };

  return () => {
    const queue: Queue = { entries: [], isOver: false };
    queues.push(queue);
    return {
      observer: {
        ...observer,
        log(entry) {
          queue.entries.push(entry);
          tell(false);
        },
      },
      end() {
        queue.isOver = true;
        tell(false);
      },
    };
  };
}

function withName(entry: LogEntry): LogEntry {
  const { service, message } = entry;
  if (service === undefined || message.includes(service)) return entry;
  return { ...entry, message: `${service}: ${message}` };
}
