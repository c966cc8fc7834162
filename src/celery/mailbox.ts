import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisConnection } from '../redis/connect.ts';
import { parseBinding, SEPARATOR } from './keys.ts';
import type { BrokerKeys } from './keys.ts';
import { decodeReply, encodeControl } from './pidbox.ts';

/** Remote control of the workers of one database: messages to them, and a list for their replies. */
export interface Mailbox {
  /** Names the reply list; noted with a hold, so that the next run can remove it. */
  readonly oid: string;
  /** Content types of replies that could not be read: whoever sent them counts as silent. */
  readonly unreadable: ReadonlySet<string>;
  /** @param to names of workers; undefined: every one that listens. @throws RedisError. */
  send(
    method: string,
    args: Readonly<Record<string, unknown>>,
    to?: readonly string[],
  ): Promise<Sent>;
  /** Takes in the replies that have come, to whatever was sent. @throws RedisError. */
  receive(): Promise<void>;
  /**
   * Takes in replies until `done`, or until for `silence` milliseconds none has come.
   * @throws RedisError, or the signal's reason.
   */
  receiveUntil(done: () => boolean, silence: number, signal: AbortSignal): Promise<void>;
  /**
   * Removes the reply list and its binding; later replies are dropped by kombu.
   * @param connection instead of the one it was opened on, when that is lost. @throws RedisError.
   */
  close(connection?: RedisConnection): Promise<void>;
}

export interface Sent {
  /** How many workers it is for: what PUBLISH says, at most as many as were named. */
  readonly reached: number;
  /** By worker; grows as replies are received. */
  readonly replies: ReadonlyMap<string, unknown>;
  /** How many replies came; more than names where two workers go by one. */
  readonly answered: number;
}

interface Question extends Sent {
  readonly replies: Map<string, unknown>;
  reached: number;
  answered: number;
}

/** From looking up where a reply goes to pushing it. */
const REPLY_MS = 60;
const FIRST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 50;

/**
 * How many workers listen, asked with a message that wants no reply and changes nothing.
 * @throws RedisError, NOPERM when this user may not PUBLISH there.
 */
export async function countListeners(
  broker: RedisConnection,
  names: BrokerKeys,
  db: number,
): Promise<number> {
  const message = encodeControl({ method: 'ping', args: {}, to: undefined, reply: undefined });
  return Number(await broker.send('PUBLISH', names.mailbox(db), message));
}

/** @throws RedisError. */
export async function openMailbox(
  broker: RedisConnection,
  names: BrokerKeys,
  db: number,
): Promise<Mailbox> {
  await removeLeftovers(broker, names);
  const oid = `${OURS}${Date.now()}-${randomUUID()}`;
  const list = names.replies(oid);
  const unreadable = new Set<string>();
  const byTicket = new Map<string, Question>();
  await broker.send('SADD', names.binding(REPLY_EXCHANGE), bindingOf(oid));

  const receive = async (): Promise<number> => {
    const [messages] = (await broker.transaction([
      ['LRANGE', list, 0, -1],
      ['UNLINK', list],
    ])) as unknown as readonly [readonly Buffer[]];
    let taken = 0;
    for (const message of messages) {
      const reply = decodeReply(message);
      const question = byTicket.get(reply?.ticket ?? '');
      if (reply === undefined || question === undefined) continue;
      if (reply.worker === undefined) {
        unreadable.add(reply.contentType);
        continue;
      }
      question.replies.set(reply.worker, reply.value);
      question.answered += 1;
      taken += 1;
    }
    return taken;
  };

  return {
    oid,
    unreadable,
    async send(method, args, to) {
      const ticket = randomUUID();
      const question: Question = { replies: new Map(), answered: 0, reached: 0 };
      // To kombu an empty destination is everyone (`Node.handle_message`).
      if (to?.length === 0) return question;
      byTicket.set(ticket, question);
      const message = encodeControl({ method, args, to, reply: { oid, ticket } });
      const listening = Number(await broker.send('PUBLISH', names.mailbox(db), message));
      question.reached = Math.min(listening, to?.length ?? listening);
      return question;
    },
    async receive() {
      await receive();
    },
    async receiveUntil(done, silence, signal) {
      let last = performance.now();
      for (let pause = FIRST_PAUSE_MS; !done(); pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
        signal.throwIfAborted();
        if ((await receive()) > 0) {
          last = performance.now();
          pause = FIRST_PAUSE_MS;
          continue;
        }
        if (performance.now() - last >= silence) return;
        await sleep(pause);
      }
    },
    async close(connection = broker) {
      await unbind(connection, names, oid);
      // A worker that has just looked the binding up still pushes its reply.
      const waiting = [...byTicket.values()].some(({ reached, answered }) => answered < reached);
      if (waiting) await sleep(REPLY_MS);
      await connection.unlink([list]);
    },
  };
}

const OURS = 'media-cleanup-';
/** No run keeps its mailbox open for so long. */
const LEFT_OVER_MS = 24 * 3_600_000;

/** What runs left that were killed before they noted a hold, which would name it. */
async function removeLeftovers(broker: RedisConnection, names: BrokerKeys): Promise<void> {
  const members = (await broker.send(
    'SMEMBERS',
    names.binding(REPLY_EXCHANGE),
  )) as unknown as readonly Buffer[];
  for (const member of members) {
    const { routingKey: oid } = parseBinding(member) ?? { routingKey: '' };
    if (!oid.startsWith(OURS)) continue;
    const opened = Number.parseInt(oid.slice(OURS.length), 10);
    if (Date.now() - opened > LEFT_OVER_MS) await removeReplyList(broker, names, oid);
  }
}

/** Of a run that was killed. @throws RedisError. */
export async function removeReplyList(
  broker: RedisConnection,
  names: BrokerKeys,
  oid: string,
): Promise<void> {
  await unbind(broker, names, oid);
  await broker.unlink([names.replies(oid)]);
}

async function unbind(broker: RedisConnection, names: BrokerKeys, oid: string): Promise<void> {
  await broker.send('SREM', names.binding(REPLY_EXCHANGE), bindingOf(oid));
}

const REPLY_EXCHANGE = 'reply.celery.pidbox';

/** Routing key, no pattern, queue: kombu routes a reply only where it finds this. */
function bindingOf(oid: string): string {
  return [oid, '', `${oid}.reply.celery.pidbox`].join(SEPARATOR);
}
