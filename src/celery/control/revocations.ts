import { asRecord } from '../message.ts';
import type { Mailbox, Sent } from '../mailbox.ts';
import type { TaskState } from '../workers.ts';

/** What workers were told to revoke, and what they replied. */
export interface Revocations {
  /**
   * Tells one worker to revoke tasks that it has and was not told of yet: running ones are killed
   * (SIGKILL), waiting ones never begin. @throws RedisError.
   */
  tell(mailbox: Mailbox, worker: string, tasks: readonly RevocableTask[]): Promise<void>;
  /**
   * Tells workers to revoke ids that they may have. @param workers names; nobody else hears of them.
   * @throws RedisError.
   */
  tellPossible(
    mailbox: Mailbox,
    workers: readonly string[],
    taskIds: readonly string[],
  ): Promise<void>;
  /**
   * Tells halves of a message again when a worker refused the whole: one running task that its pool
   * cannot kill hides what the worker did of the others. @returns whether anything was told.
   * @throws RedisError.
   */
  divide(mailbox: Mailbox): Promise<boolean>;
  /** Whether one of these workers owes a reply. */
  isWaitingFor(workers: readonly string[]): boolean;
  /** Whether the worker has replied that it cannot kill what runs: no pool but prefork has `terminate_job`. */
  cannotKill(worker: string): boolean;
  /** Whether the worker has confirmed the message with this task. */
  isConfirmed(worker: string, taskId: string): boolean;
  /** Every id that a worker was told. */
  taskIds(): ReadonlySet<string>;
  /** The largest number of ids that one worker was told. */
  mostAtOneWorker(): number;
}

export type RevocableTask = { readonly id: string; readonly state: TaskState };

const IDS_A_MESSAGE = 500;

interface Message {
  readonly worker: string;
  readonly taskIds: readonly string[];
  readonly sent: Sent;
  /** Whether a refusal of the whole says nothing of each task. */
  readonly divisible: boolean;
}

export function createRevocations(): Revocations {
  const told = new Map<string, Set<string>>();
  const all = new Set<string>();
  const replies = createRevokeReplies();

  const send = async (
    mailbox: Mailbox,
    workers: readonly string[],
    taskIds: readonly string[],
    divisible: boolean,
  ): Promise<void> => {
    for (let start = 0; start < taskIds.length; start += IDS_A_MESSAGE) {
      const batch = taskIds.slice(start, start + IDS_A_MESSAGE);
      const how = { task_id: batch, terminate: true, signal: 'SIGKILL' };
      const sent = await mailbox.send('revoke', how, workers);
      for (const worker of workers) replies.open.push({ worker, taskIds: batch, sent, divisible });
    }
  };

  const untold = (worker: string, taskIds: readonly string[]): readonly string[] => {
    const known = entry(told, worker);
    const fresh = [...new Set(taskIds)].filter((id) => !known.has(id));
    for (const id of fresh) {
      known.add(id);
      all.add(id);
    }
    return fresh;
  };

  return {
    async tell(mailbox, worker, tasks) {
      const idsOf = (isRunning: boolean): readonly string[] =>
        tasks.filter(({ state }) => (state === 'active') === isRunning).map(({ id }) => id);
      // A worker that cannot kill a running task does nothing of the rest of the message.
      await send(mailbox, [worker], untold(worker, idsOf(false)), true);
      await send(mailbox, [worker], untold(worker, idsOf(true)), false);
    },
    async tellPossible(mailbox, workers, taskIds) {
      if (workers.length === 0) return;
      const fresh = new Set(workers.flatMap((worker) => untold(worker, taskIds)));
      await send(mailbox, workers, [...fresh], true);
    },
    async divide(mailbox) {
      const whole = replies.take().refused.splice(0);
      for (const { worker, taskIds } of whole) {
        const middle = Math.ceil(taskIds.length / 2);
        for (const half of [taskIds.slice(0, middle), taskIds.slice(middle)])
          await send(mailbox, [worker], half, true);
      }
      return whole.length > 0;
    },
    isWaitingFor(workers) {
      return replies.take().open.some(({ worker }) => workers.includes(worker));
    },
    cannotKill(worker) {
      return replies.take().unable.has(worker);
    },
    isConfirmed(worker, taskId) {
      return replies.take().confirmed.get(worker)?.has(taskId) === true;
    },
    taskIds: () => all,
    mostAtOneWorker: () => Math.max(0, ...[...told.values()].map(({ size }) => size)),
  };
}

interface RevokeReplies {
  /** Without a reply until now. */
  readonly open: Message[];
  /** Refused as a whole, and to be divided. */
  readonly refused: Message[];
  /** Workers that answered that they cannot kill. */
  readonly unable: Set<string>;
  /** Ids of tasks by worker. */
  readonly confirmed: Map<string, Set<string>>;
  /** Sorts the messages that have a reply by now. */
  take(): RevokeReplies;
}

function createRevokeReplies(): RevokeReplies {
  const replies: RevokeReplies = {
    open: [],
    refused: [],
    unable: new Set(),
    confirmed: new Map(),
    take() {
      for (const message of replies.open.splice(0)) {
        const { worker, sent, taskIds } = message;
        const reply = asRecord(sent.replies.get(worker));
        if (reply === undefined) replies.open.push(message);
        else if (reply['error'] !== undefined) {
          replies.unable.add(worker);
          if (message.divisible && taskIds.length > 1) replies.refused.push(message);
        } else if (reply['ok'] !== undefined) {
          for (const id of taskIds) entry(replies.confirmed, worker).add(id);
        }
      }
      return replies;
    },
  };
  return replies;
}

function entry(sets: Map<string, Set<string>>, name: string): Set<string> {
  const known = sets.get(name) ?? new Set();
  sets.set(name, known);
  return known;
}
