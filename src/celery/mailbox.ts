import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CLIENT_NAME } from '../redis/client.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { over } from '../redis/over.ts';
import { parseBinding, SEPARATOR } from './keys.ts';
import type { BrokerKeys } from './keys.ts';
import { decodeReply, encodeControl } from './pidbox.ts';

/** Remote control of the workers of one database: messages to them, and a list for their replies. */
export interface Mailbox {
  /** Names the reply list; noted with a hold, so that the next run can remove it. */
  readonly oid: string;
  /** Content types of replies that could not be read: whoever sent them counts as silent. */
  readonly unreadable: ReadonlySet<string>;
  /**
   * Names in replies to a question that came when as many had come as workers listen: somebody makes up
   * replies, and which of them are true is not known.
   */
  readonly surplus: ReadonlySet<string>;
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
  /** How many replies came of each name: more than one where several workers go by it. */
  readonly copies: ReadonlyMap<string, number>;
  /** How many replies came. */
  readonly answered: number;
}

interface Question extends Sent {
  readonly replies: Map<string, unknown>;
  readonly copies: Map<string, number>;
  reached: number;
  answered: number;
  /** How many listened when it was asked; more replies than these cannot all be workers'. */
  listening: number;
  surplus: number;
}

const REPLIES_A_READ = 500;
/** So many replies too many are read for each question. */
const MOST_SURPLUS = 16;
/** A question that is answered is kept for a while: a reply too many may come late. */
const KEPT_QUESTIONS = 200;

function forgetOldest(byTicket: Map<string, Question>): void {
  for (const [ticket, { answered, reached }] of byTicket) {
    if (byTicket.size < KEPT_QUESTIONS) return;
    if (answered >= reached) byTicket.delete(ticket);
  }
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
  return await over(broker, async () => broker.send('PUBLISH', names.mailbox(db), message));
}

/** @throws RedisError. */
export async function openMailbox(
  broker: RedisConnection,
  names: BrokerKeys,
  db: number,
): Promise<Mailbox> {
  const oid = `${CLIENT_NAME}-${Date.now()}-${randomUUID()}`;
  const list = names.replies(oid);
  const unreadable = new Set<string>();
  const surplus = new Set<string>();
  const byTicket = new Map<string, Question>();
  await broker.send('SADD', names.binding(REPLY_EXCHANGE), bindingOf(oid));

  // Read, and taken away by a command whose answer was lost: perhaps still there.
  let uncertain: readonly Buffer[] = [];

  const receive = async (): Promise<number> => {
    // The oldest: anybody who may write to Redis may push any number of replies.
    const all = await broker.send('LRANGE', list, -REPLIES_A_READ, -1);
    if (all.length === 0) return 0;
    const messages = all.filter((message) => !uncertain.some((known) => known.equals(message)));
    uncertain = [];
    try {
      // New ones come in at the head (kombu's `_put`).
      await broker.send('LTRIM', list, 0, -1 - all.length);
    } catch (error) {
      await broker.startRetries().recover(error);
      uncertain = all;
    }
    let taken = 0;
    for (const message of messages) {
      const reply = decodeReply(message);
      const question = byTicket.get(reply?.ticket ?? '');
      if (reply === undefined || question === undefined) continue;
      if (reply.worker === undefined) {
        unreadable.add(reply.contentType);
        continue;
      }
      const { worker, value } = reply;
      if (question.answered >= question.listening) {
        surplus.add(worker);
        // What it says counts as well, since it may be the true one; but nobody waits for more.
        if (question.surplus >= MOST_SURPLUS) continue;
        question.surplus += 1;
        question.replies.set(worker, joined(question.replies.get(worker), value));
        question.copies.set(worker, (question.copies.get(worker) ?? 0) + 1);
        continue;
      }
      question.replies.set(worker, joined(question.replies.get(worker), value));
      question.copies.set(worker, (question.copies.get(worker) ?? 0) + 1);
      question.answered += 1;
      taken += 1;
    }
    return taken;
  };

  return {
    oid,
    unreadable,
    surplus,
    async send(method, args, to) {
      const question: Question = {
        replies: new Map(),
        copies: new Map(),
        answered: 0,
        reached: 0,
        listening: Infinity,
        surplus: 0,
      };
      // To kombu an empty destination is everyone (`Node.handle_message`).
      if (to?.length === 0) return question;
      const listening = await over(broker, async () => {
        // Answers to one that was asked twice are told apart.
        const ticket = randomUUID();
        forgetOldest(byTicket);
        byTicket.set(ticket, question);
        const message = encodeControl({ method, args, to, reply: { oid, ticket } });
        try {
          return await broker.send('PUBLISH', names.mailbox(db), message);
        } catch (error) {
          byTicket.delete(ticket);
          throw error;
        }
      });
      question.listening = listening;
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
      await removeReplyList(connection, names, oid);
      // A worker that has just looked the binding up still pushes its reply.
      const waiting = [...byTicket.values()].some(({ reached, answered }) => answered < reached);
      if (!waiting) return;
      await sleep(REPLY_MS);
      await connection.unlink([list]);
    },
  };
}

const OURS = /^(media-cleanup-[0-9a-f]{8})-(\d+)-/;
/** No run keeps its mailbox open for so long. */
const LEFT_OVER_MS = 24 * 3_600_000;

/**
 * Removes the reply lists of runs that were killed: they are not connected any more, or their day is
 * over. @throws RedisError.
 */
export async function removeLeftovers(broker: RedisConnection, names: BrokerKeys): Promise<void> {
  const members = await broker.send('SMEMBERS', names.binding(REPLY_EXCHANGE));
  const oids = members.map((member) => parseBinding(member)?.routingKey ?? '');
  const others = oids.filter((oid) => OURS.test(oid) && !oid.startsWith(CLIENT_NAME));
  if (others.length === 0) return;
  // Whoever may not see the clients goes by the time alone.
  const connected = await broker.send('CLIENT', 'LIST').then(String, () => undefined);
  for (const oid of others) {
    const isOver = Date.now() - Number(OURS.exec(oid)?.[2]) > LEFT_OVER_MS;
    const isGone = connected !== undefined && !connected.includes(`name=${clientOf(oid)}`);
    if (isOver || isGone) await removeReplyList(broker, names, oid);
  }
}

/** What the run is called in CLIENT LIST that has this reply list. */
export function clientOf(oid: string): string | undefined {
  return OURS.exec(oid)?.[1];
}

/** Of a run that was killed. @throws RedisError. */
export async function removeReplyList(
  broker: RedisConnection,
  names: BrokerKeys,
  oid: string,
): Promise<void> {
  // Who may not tidy up leaves an empty name behind, and has done its work all the same.
  await Promise.all([
    permitted(broker.send('SREM', names.binding(REPLY_EXCHANGE), bindingOf(oid))),
    permitted(broker.unlink([names.replies(oid)])),
  ]);
}

/** Two workers that go by one name answer both: what they have is had by that name. */
function joined(one: unknown, other: unknown): unknown {
  if (Array.isArray(one) && Array.isArray(other))
    return [...(one as unknown[]), ...(other as unknown[])];
  return one ?? other;
}

const REPLY_EXCHANGE = 'reply.celery.pidbox';

/** Routing key, no pattern, queue: kombu routes a reply only where it finds this. */
function bindingOf(oid: string): string {
  return [oid, '', `${oid}.reply.celery.pidbox`].join(SEPARATOR);
}
