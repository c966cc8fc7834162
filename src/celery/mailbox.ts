import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CLIENT_NAME } from '../redis/client.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { over } from '../redis/over.ts';
import { startsWith } from '../redis/scan.ts';
import { hasThreeParts } from './channels.ts';
import type { ControlChannel } from './channels.ts';
import type { BrokerKeys } from './keys.ts';
import { encodeControl } from './pidbox.ts';
import { createQuestions, startQuestion } from './questions.ts';
import type { Sent } from './questions.ts';

export type { Sent } from './questions.ts';

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

const REPLIES_A_READ = 500;
/** From looking up where a reply goes to pushing it. */
const REPLY_MS = 60;
const FIRST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 50;

/**
 * @param channels where workers may listen; whoever comes to the first is asked as well, the others
 *   count only where somebody listens now.
 * @throws RedisError.
 */
export async function openMailbox(
  broker: RedisConnection,
  names: BrokerKeys,
  channels: readonly ControlChannel[],
): Promise<Mailbox> {
  const oid = `${CLIENT_NAME}-${Date.now()}-${randomUUID()}`;
  const list = names.replies(oid);
  const questions = createQuestions();
  const routes = channels
    .filter(({ listening }, index) => index === 0 || listening > 0)
    .map((channel) => routeOf(channel, names.replyQueue(oid), oid))
    .filter((route) => route !== undefined);
  const bindings = routes.map(({ binding }) => binding).filter((one) => one !== undefined);
  await Promise.all(bindings.map(async ({ key, member }) => broker.send('SADD', key, member)));
  const receive = createReceiver(broker, list, questions.take);

  return {
    oid,
    unreadable: questions.unreadable,
    surplus: questions.surplus,
    async send(method, args, to) {
      const question = startQuestion();
      // To kombu an empty destination is everyone (`Node.handle_message`).
      if (to?.length === 0) return question;
      const counts = await over(broker, async () => {
        // Answers to one that was asked twice are told apart.
        const ticket = randomUUID();
        questions.ask(ticket, question);
        try {
          return await Promise.all(
            routes.map(async ({ channel, exchange, reply }) => {
              const control = { exchange, method, args, to, reply: { ...reply, ticket } };
              return await broker.send('PUBLISH', channel, encodeControl(control));
            }),
          );
        } catch (error) {
          questions.forget(ticket);
          throw error;
        }
      });
      question.listening = counts.reduce((sum, count) => sum + count, 0);
      const here = counts.map((count, index) => Math.min(count, routes[index]?.most ?? count));
      const listening = here.reduce((sum, count) => sum + count, 0);
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
      await Promise.all([
        ...bindings.map(async ({ key, member }) => permitted(connection.send('SREM', key, member))),
        permitted(connection.unlink([list])),
      ]);
      // A worker that has just looked the binding up still pushes its reply.
      if (!questions.areOpen()) return;
      await sleep(REPLY_MS);
      await connection.unlink([list]);
    },
  };
}

/** Takes replies out of their list; how many were waited for. */
function createReceiver(
  broker: RedisConnection,
  list: Buffer,
  take: (message: Buffer) => boolean,
): () => Promise<number> {
  // Read, and taken away by a command whose answer was lost: perhaps still there.
  let uncertain: readonly Buffer[] = [];
  return async () => {
    // The oldest replies: any client of Redis may push any number of them.
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
    return messages.filter(take).length;
  };
}

interface Route {
  readonly channel: Buffer;
  readonly exchange: string;
  readonly most: number;
  readonly reply: { readonly exchange: string; readonly routingKey: string };
  /** What must be written before a worker may reply. */
  readonly binding: { readonly key: Buffer; readonly member: string } | undefined;
}

/** @param queue that the replies come in. */
function routeOf(
  { channel, names, most, reply }: ControlChannel,
  queue: string,
  oid: string,
): Route | undefined {
  if (reply === undefined) return undefined;
  const base = { channel, exchange: names.controlExchange, most };
  // Routing key, no pattern, queue: kombu routes a reply only where it finds this.
  const member = [oid, '', queue].join(names.separator);
  const isReadable = hasThreeParts(member, names.separator);
  if (reply === 'direct' || !isReadable) {
    return { ...base, reply: { exchange: '', routingKey: queue }, binding: undefined };
  }
  const exchange = names.replyExchange;
  const binding = { key: names.binding(exchange), member };
  return { ...base, reply: { exchange, routingKey: oid }, binding };
}

const OURS = /^(media-cleanup-[0-9a-f]{8})-(\d+)-/;
/** No run keeps its mailbox open for so long. */
const LEFT_OVER_MS = 24 * 3_600_000;

/**
 * Removes the reply lists of runs that were killed: they are not connected any more, or their day is
 * over. @throws RedisError.
 */
export async function removeLeftovers(broker: RedisConnection, names: BrokerKeys): Promise<void> {
  const members = await broker.send('SMEMBERS', names.binding(names.replyExchange));
  const oids = members.map((member) => oidOf(member.toString(), names));
  const others = new Set(oids.filter((oid) => OURS.test(oid) && !oid.startsWith(CLIENT_NAME)));
  if (others.size === 0) return;
  // Whoever may not see the clients goes by the time alone.
  const connected = await broker.send('CLIENT', 'LIST').then(String, () => undefined);
  for (const oid of others) {
    const isOver = Date.now() - Number(OURS.exec(oid)?.[2]) > LEFT_OVER_MS;
    const isGone = connected !== undefined && !connected.includes(`name=${clientOf(oid)}`);
    if (isOver || isGone) await removeReplyList(broker, names, oid);
  }
}

/** Told from the queue at the end of a binding: the separator before it may be any. */
function oidOf(member: string, names: BrokerKeys): string {
  const end = names.replyQueue('');
  const start = member.lastIndexOf('media-cleanup-');
  return start >= 0 && member.endsWith(end) ? member.slice(start, -end.length) : '';
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
  const key = names.binding(names.replyExchange);
  const members = (await permitted(broker.send('SMEMBERS', key))) ?? [];
  // Whatever separator the run wrote it with.
  const own = members.filter((member) => startsWith(member, Buffer.from(oid)));
  await Promise.all([
    ...(own.length === 0 ? [] : [permitted(broker.send('SREM', key, ...own))]),
    permitted(broker.unlink([names.replies(oid)])),
  ]);
}
