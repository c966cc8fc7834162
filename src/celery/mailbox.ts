import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisConnection } from '../redis/connect.ts';
import { SEPARATOR } from './keys.ts';
import type { BrokerKeys } from './keys.ts';
import { decodeReply, encodeControl } from './pidbox.ts';

/** Remote control of the workers of one database: messages to them, and a list for their replies. */
export interface Mailbox {
  /** Names the reply list; noted with a hold, so that the next run can remove it. */
  readonly oid: string;
  /** Content types of replies that could not be read: whoever sent them counts as silent. */
  readonly unreadable: ReadonlySet<string>;
  /** @throws RedisError. */
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
  /** Removes the reply list and its binding; later replies are dropped by kombu. @throws RedisError. */
  close(): Promise<void>;
}

export interface Sent {
  /** How many workers have it: what PUBLISH says. */
  readonly reached: number;
  /** By worker; grows as replies are received. */
  readonly replies: ReadonlyMap<string, unknown>;
  /** How many replies came; more than names where two workers go by one. */
  readonly answered: number;
}

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
  const oid = `media-cleanup-${randomUUID()}`;
  const list = names.replies(oid);
  const unreadable = new Set<string>();
  const byTicket = new Map<string, { replies: Map<string, unknown>; answered: number }>();
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
      const question = { replies: new Map<string, unknown>(), answered: 0 };
      byTicket.set(ticket, question);
      const message = encodeControl({ method, args, to, reply: { oid, ticket } });
      const reached = Number(await broker.send('PUBLISH', names.mailbox(db), message));
      return Object.assign(question, { reached });
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
    async close() {
      await removeReplyList(broker, names, oid);
    },
  };
}

/** Also of a run that was killed. @throws RedisError. */
export async function removeReplyList(
  broker: RedisConnection,
  names: BrokerKeys,
  oid: string,
): Promise<void> {
  await Promise.all([
    broker.send('SREM', names.binding(REPLY_EXCHANGE), bindingOf(oid)),
    broker.unlink([names.replies(oid)]),
  ]);
}

const REPLY_EXCHANGE = 'reply.celery.pidbox';

/** Routing key, no pattern, queue: kombu routes a reply only where it finds this. */
function bindingOf(oid: string): string {
  return [oid, '', `${oid}.reply.celery.pidbox`].join(SEPARATOR);
}
