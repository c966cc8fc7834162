import type { MessageIds } from '../celery/queue.ts';
import type { StepContext } from '../commands/step.ts';
import { hiddenIdsFailure, strangeMessagesWarning } from './left-messages.ts';

/** Counts removed messages whose ids are not known, by the key that held them. */
export interface UnnamedMessages {
  readonly note: (where: Buffer, ids: Pick<MessageIds, 'hidden' | 'strange'>) => void;
  /** Without the ids the results of these messages are not known: the service is not verified. */
  readonly tell: () => void;
}

export function noteUnnamed(step: StepContext, label: string): UnnamedMessages {
  const counts = new Map<string, { readonly where: Buffer; hidden: number; strange: number }>();
  return {
    note(where, { hidden, strange }) {
      if (hidden + strange === 0) return;
      const key = where.toString('latin1');
      const known = counts.get(key) ?? { where, hidden: 0, strange: 0 };
      known.hidden += hidden;
      known.strange += strange;
      counts.set(key, known);
    },
    tell() {
      for (const { where, hidden, strange } of counts.values()) {
        if (strange > 0) step.warn(strangeMessagesWarning(label, where, strange));
        if (hidden === 0 || step.keys.results === 'none') continue;
        step.tally.leavesResults = true;
        step.report(hiddenIdsFailure(step.service, label, where, hidden));
      }
    },
  };
}
