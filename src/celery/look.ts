import type { RedisConnection } from '../redis/connect.ts';
import { isConnectionLost, permitted, RedisError } from '../redis/errors.ts';
import {
  countListeners,
  findChannels,
  findControlExchanges,
  isHeardElsewhere,
  separatorsOf,
} from './channels.ts';
import type { Channels } from './channels.ts';
import { readClients } from './clients.ts';
import type { Clients } from './clients.ts';
import { countConsumers } from './consumers.ts';
import type { Consumers } from './consumers.ts';
import { readDropped } from './control/dropped.ts';
import type { NotedDrop } from './control/dropped.ts';
import { readHolds, serverTime, stateOfHold } from './hold.ts';
import type { NotedHold } from './hold.ts';
import type { BrokerKeys } from './keys.ts';
import { openMailbox } from './mailbox.ts';
import type { Mailbox } from './mailbox.ts';
import { declaredWorkers, noteFanouts } from './routes.ts';
import { showsUnseenWorker } from './unseen.ts';
import { ANSWER_MS, askForQueues, enquire } from './workers.ts';
import type { Enquiry, Worker } from './workers.ts';

/** Who works on a database, as far as Redis and the workers themselves tell. */
export interface WorkerLook {
  readonly channels: Channels;
  /** Workers that listen to remote control, answering or not. */
  readonly listening: number;
  /** Undefined when this user may not see them. */
  readonly clients: Clients | undefined;
  /** Consumers beyond those that listen: nobody can ask what they do, or stop them. */
  readonly withoutRemoteControl: Consumers;
  /** Nobody listens, the clients may not be seen, and something shows a worker: see unseen.ts. */
  readonly unseen: boolean;
  /** Holds that a run noted and did not end. */
  readonly holds: readonly NotedHold[];
  /** Tasks that a run noted as dropped before they began. */
  readonly dropped: readonly NotedDrop[];
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
  const clients = refusable(readClients(broker, db));
  const known = clients.then((one) => (one instanceof RedisError ? undefined : one));
  const [channels, seen, holds, dropped] = await Promise.all([
    findAllChannels(broker, names, db, known, signal),
    known,
    refusable(readHolds(broker, names)),
    refusable(readDropped(broker, names)),
  ]);
  const base = {
    channels,
    clients: seen,
    holds: holds instanceof RedisError ? [] : holds,
    dropped: dropped instanceof RedisError ? [] : dropped,
  };
  const find = async (asked?: Mailbox, idle: readonly string[] = []): Promise<Consumers> =>
    seen === undefined
      ? NO_CONSUMERS
      : await consumersBeyond(asked === undefined ? NO_CHANNELS : channels, idle, {
          ...{ broker, db, clients: seen, asked, signal },
        });
  const unasked = async (trouble?: RedisError): Promise<WorkerLook> => ({
    ...base,
    ...{ listening: channels.listening, trouble, mailbox: undefined, enquiry: undefined },
    withoutRemoteControl: await find(),
    unseen:
      seen === undefined && channels.listening === 0 && (await showsUnseenWorker(broker, names)),
  });
  const trouble = channels.trouble ?? wrongSettings(channels, names);
  if (trouble !== undefined || channels.listening === 0) return await unasked(trouble);
  const mailbox = await refusable(openMailbox(broker, names, channels.all));
  if (mailbox instanceof RedisError) return await unasked(mailbox);
  try {
    const enquiry = await enquire(mailbox, 'with scheduled');
    await mailbox.receiveUntil(() => enquiry.isComplete(), ANSWER_MS, signal);
    const answered = enquiry.workers().reduce((sum, { copies }) => sum + copies, 0);
    if (isHeardElsewhere(channels, answered)) {
      await mailbox.close();
      return await unasked(sharedChannel(channels));
    }
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
    const { listening } = channels;
    const all = { ...base, listening, trouble: undefined, mailbox, enquiry };
    return { ...all, withoutRemoteControl, unseen: false };
  } catch (error) {
    await mailbox.close().catch(() => undefined);
    if (!isRefusal(error)) throw error;
    return await unasked(error);
  }
}

/** With the control exchanges that other apps have, where the workers are not known otherwise. */
async function findAllChannels(
  broker: RedisConnection,
  names: BrokerKeys,
  db: number,
  clients: Promise<Clients | undefined>,
  signal: AbortSignal,
): Promise<Channels> {
  const channels = await findChannels(broker, names, db, clients);
  const seen = await clients;
  const waiting = seen?.popping.filter(({ state }) => state !== 'done').length ?? 0;
  const isNobody = channels.listening === 0 && (seen?.subscribers.length ?? 0) > 0;
  if (channels.trouble !== undefined || !(isNobody || waiting > channels.listening)) {
    return channels;
  }
  const exchanges = (await permitted(findControlExchanges(broker, names, signal))) ?? [];
  return exchanges.length === 0
    ? channels
    : await findChannels(broker, names, db, clients, exchanges);
}

/** Without a look at the workers: where one is known to be held. @throws RedisError. */
export async function openMailboxAnew(
  broker: RedisConnection,
  names: BrokerKeys,
  db: number,
): Promise<Mailbox> {
  const clients = refusable(readClients(broker, db));
  const known = clients.then((one) => (one instanceof RedisError ? undefined : one));
  const never = new AbortController().signal;
  const { all } = await findAllChannels(broker, names, db, known, never);
  return await openMailbox(broker, names, all);
}

/** Why no worker is asked although some listen: a binding of ours might stop one. */
function wrongSettings(channels: Channels, names: BrokerKeys): RedisError | undefined {
  if (channels.listening === 0) return undefined;
  const { separator } = names.settings;
  const seen = separatorsOf(channels);
  const shown = seen.map((one) => (one === undefined ? 'none' : JSON.stringify(one))).join(', ');
  if (separator !== undefined && seen.length > 0 && !seen.includes(separator)) {
    return new RedisError(
      'ESEPARATOR',
      `the config says "separator": ${JSON.stringify(separator)}, and the workers' own entries show ${shown}`,
      `"separator": ${shown}, or leave it out`,
    );
  }
  const unasked = channels.all.find(({ listening, reply }) => listening > 0 && reply === undefined);
  if (unasked === undefined) return undefined;
  const table = unasked.names.binding(unasked.names.controlExchange).toString();
  return new RedisError(
    'ESEPARATOR',
    `workers listen on ${unasked.channel.toString()}, which other databases share, and their separator is not certain: ${table} shows ${shown}`,
    `remove the entries of workers that are gone: redis-cli SREM ${table} …`,
  );
}

/** Why workers get no orders: see `isHeardElsewhere`. */
function sharedChannel({ all }: Channels): RedisError {
  const names = all.filter(({ isShared, listening }) => isShared && listening > 0);
  return new RedisError(
    'ECHANNEL',
    `workers of other databases, or others, hear ${names.map(({ channel }) => channel.toString()).join(', ')} as well, and an order for a worker would reach one of the same name there`,
    'let each app have a channel of its own (fanout_prefix True, or a control_exchange), or stop the workers',
  );
}

const NO_CHANNELS: Pick<Channels, 'all' | 'listening'> = { all: [], listening: 0 };
const NO_CONSUMERS: Consumers = { all: 0, celery: 0 };

/**
 * @param channels where workers were asked; none where nobody could be.
 * @param idle names of workers that listen and consume nothing.
 */
async function consumersBeyond(
  { all: channels, listening }: Pick<Channels, 'all' | 'listening'>,
  idle: readonly string[],
  found: {
    readonly broker: RedisConnection;
    readonly db: number;
    readonly clients: Clients;
    readonly asked: Mailbox | undefined;
    readonly signal: AbortSignal;
  },
): Promise<Consumers> {
  const { broker, asked } = found;
  const consuming = listening - idle.length;
  const { waiting, atWork } = await countConsumers(found, Math.max(0, consuming));
  if (waiting.all + atWork <= consuming) return NO_CONSUMERS;
  // A worker may have begun to listen or to consume meanwhile: told to by a run that was killed.
  const now =
    asked === undefined || idle.length === 0 ? undefined : await askForQueues(asked, idle);
  const still = idle.filter((name) => now?.get(name)?.length === 0);
  const heard = Math.max(listening, await countListeners(broker, channels));
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
  { channels, enquiry }: Pick<WorkerLook, 'channels' | 'enquiry'>,
): Promise<readonly string[]> {
  if (enquiry === undefined) return [];
  if (enquiry.silent() + twinsOf(enquiry) === 0) return [];
  const answered = new Set(enquiry.workers().map((worker: Worker) => worker.name));
  const controls = channels.all.filter(({ listening }) => listening > 0).map(({ names }) => names);
  const declared = await refusable(declaredWorkers(broker, controls));
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
