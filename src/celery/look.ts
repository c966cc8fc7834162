import type { RedisConnection } from '../redis/connect.ts';
import { isConnectionLost, RedisError } from '../redis/errors.ts';
import { readClients } from './clients.ts';
import type { Clients } from './clients.ts';
import { countConsumers } from './consumers.ts';
import type { Consumers } from './consumers.ts';
import { readHolds, serverTime, stateOfHold } from './hold.ts';
import type { NotedHold } from './hold.ts';
import type { BrokerKeys } from './keys.ts';
import { countListeners, openMailbox } from './mailbox.ts';
import type { Mailbox } from './mailbox.ts';
import { declaredWorkers, noteFanouts } from './routes.ts';
import { ANSWER_MS, askForQueues, enquire } from './workers.ts';
import type { Enquiry, Worker } from './workers.ts';

/** Who works on a database, as far as Redis and the workers themselves tell. */
export interface WorkerLook {
  /** Workers that listen to remote control, answering or not. */
  readonly listening: number;
  /** Undefined when this user may not see them. */
  readonly clients: Clients | undefined;
  /** Consumers beyond those that listen: nobody can ask what they do, or stop them. */
  readonly withoutRemoteControl: Consumers;
  /** Holds that a run noted and did not end. */
  readonly holds: readonly NotedHold[];
  /** Why nobody could be asked. */
  readonly trouble: RedisError | undefined;
  /** Undefined when nobody listens, or could be asked. The caller closes it. */
  readonly mailbox: Mailbox | undefined;
  readonly enquiry: Enquiry | undefined;
}

/**
 * Asks all workers of the database who they are and what they do. Leaves nothing in Redis once the
 * mailbox is closed, and writes nothing where nobody listens.
 * @throws RedisError of the connection, or the signal's reason.
 */
export async function lookAtWorkers(
  broker: RedisConnection,
  names: BrokerKeys,
  db: number,
  signal: AbortSignal,
): Promise<WorkerLook> {
  const [listening, clients, holds] = await Promise.all([
    refusable(countListeners(broker, names, db)),
    refusable(readClients(broker, db)),
    refusable(readHolds(broker, names)),
  ]);
  const known = {
    clients: clients instanceof RedisError ? undefined : clients,
    withoutRemoteControl: NO_CONSUMERS,
    holds: holds instanceof RedisError ? [] : holds,
  };
  const nobody = { ...known, listening: 0, trouble: undefined, mailbox: undefined };
  if (listening instanceof RedisError) return { ...nobody, trouble: listening, enquiry: undefined };
  const find = async (asked?: Mailbox, idle: readonly string[] = []): Promise<Consumers> =>
    clients instanceof RedisError
      ? NO_CONSUMERS
      : await consumersBeyond(listening, idle, { broker, names, db, clients, asked, signal });
  if (listening === 0) {
    return { ...nobody, enquiry: undefined, withoutRemoteControl: await find() };
  }
  const mailbox = await refusable(openMailbox(broker, names, db));
  if (mailbox instanceof RedisError) {
    return { ...nobody, listening, trouble: mailbox, enquiry: undefined };
  }
  try {
    const enquiry = await enquire(mailbox, 'with scheduled');
    await mailbox.receiveUntil(() => enquiry.isComplete(), ANSWER_MS, signal);
    noteFanouts(
      broker,
      enquiry.workers().flatMap(({ fanouts }) => fanouts),
    );
    // A worker that consumes nothing takes no message that another client would be seen waiting for.
    const idle = enquiry.workers().filter(({ queues }) => queues?.length === 0);
    const withoutRemoteControl = await find(
      mailbox,
      idle.map(({ name }) => name),
    );
    return { ...known, listening, trouble: undefined, mailbox, enquiry, withoutRemoteControl };
  } catch (error) {
    await mailbox.close().catch(() => undefined);
    if (!isRefusal(error)) throw error;
    return { ...nobody, listening, trouble: error, enquiry: undefined };
  }
}

const NO_CONSUMERS: Consumers = { all: 0, celery: 0 };

/** @param idle names of workers that listen and consume nothing. */
async function consumersBeyond(
  listening: number,
  idle: readonly string[],
  found: {
    readonly broker: RedisConnection;
    readonly names: BrokerKeys;
    readonly db: number;
    readonly clients: Clients;
    readonly asked: Mailbox | undefined;
    readonly signal: AbortSignal;
  },
): Promise<Consumers> {
  const { broker, names, db, asked } = found;
  const consuming = listening - idle.length;
  const { waiting, atWork } = await countConsumers(found, Math.max(0, consuming));
  if (waiting.all + atWork <= consuming) return NO_CONSUMERS;
  // A worker may have begun to listen or to consume meanwhile: told to by a run that was killed.
  const now =
    asked === undefined || idle.length === 0 ? undefined : await askForQueues(asked, idle);
  const still = idle.filter((name) => now?.get(name)?.length === 0);
  const heard = Math.max(listening, await countListeners(broker, names, db));
  // One that was told to consume no more, and has just ended a task, looks as if it were at work.
  const beyond = (all: number): number =>
    Math.max(0, all - (heard - still.length), all + atWork - heard);
  return { all: beyond(waiting.all), celery: beyond(waiting.celery) };
}

/** A worker that is gone for so long does not come back with a hold. */
const HOLD_ENDS_S = 24 * 3600;

/**
 * Which noted holds of these queues still stand, by what the workers say; which may stand, since
 * their worker may be one that does not answer, or did not say what it consumes; which are of a run
 * that goes on; and which are over: their worker consumes again, or was restarted. The hold of a
 * worker that does not listen is none of these: its connection may be lost for a moment only.
 * @throws RedisError.
 */
export async function judgeHolds(
  broker: RedisConnection,
  look: Pick<WorkerLook, 'holds' | 'enquiry' | 'clients'>,
  queues: readonly string[],
): Promise<Readonly<Record<'standing' | 'possible' | 'going' | 'over', readonly NotedHold[]>>> {
  const all = look.holds.filter(({ queue }) => queues.includes(queue));
  const going = all.filter(({ client }) => look.clients?.names.has(client ?? ''));
  const noted = all.filter((hold) => !going.includes(hold));
  if (noted.length === 0) return { standing: [], possible: [], going, over: [] };
  const now = await serverTime(broker);
  const workers = look.enquiry?.workers() ?? [];
  const silent = look.enquiry?.silent() ?? 0;
  const judged = noted.map((hold) => {
    const worker = workers.find(({ name }) => name === hold.worker);
    if (worker !== undefined) return { hold, is: stateOfHold(hold, worker, now) };
    const isOver = now - hold.since > HOLD_ENDS_S;
    return { hold, is: silent > 0 ? 'possible' : isOver ? 'over' : undefined };
  });
  const of = (state: string): readonly NotedHold[] =>
    judged.filter(({ is }) => is === state).map(({ hold }) => hold);
  return { going, standing: of('standing'), possible: of('possible'), over: of('over') };
}

/**
 * Names that those may have who did not answer: of every declared mailbox but the ones that did.
 * More than there are silent ones when workers were killed.
 * @throws RedisError.
 */
export async function silentNames(
  broker: RedisConnection,
  names: BrokerKeys,
  enquiry: Enquiry,
): Promise<readonly string[]> {
  if (enquiry.silent() + twinsOf(enquiry) === 0) return [];
  const answered = new Set(enquiry.workers().map((worker: Worker) => worker.name));
  const declared = await refusable(declaredWorkers(broker, names));
  if (declared instanceof RedisError) return [];
  return declared.filter((name) => !answered.has(name)).toSorted();
}

/** How many replies came in a name that had answered already. */
export function twinsOf(enquiry: Enquiry): number {
  return enquiry.workers().reduce((sum, { copies }) => sum + copies - 1, 0);
}

/** Anything but the loss of the connection: Redis answers, and says no. */
export async function refusable<T>(work: Promise<T>): Promise<T | RedisError> {
  try {
    return await work;
  } catch (error) {
    if (isRefusal(error)) return error;
    throw error;
  }
}

function isRefusal(error: unknown): error is RedisError {
  return error instanceof RedisError && !isConnectionLost(error);
}
