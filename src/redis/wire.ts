import { RedisError } from './errors.ts';
import { decodeReply, decodeUnlinked, isText, unexpectedReply } from './replies.ts';
import type { Argument, CommandName, ReplyTo } from './replies.ts';
import type { UnlinkPayload } from './unlink-payload.ts';

/** Asks something, and gives the reply in its shape. @throws RedisError, EREPLY for another shape. */
export type Send = <C extends CommandName>(
  command: C,
  ...args: readonly Argument[]
) => Promise<ReplyTo<C>>;
export type CommandLine = readonly [command: CommandName, ...args: Argument[]];
/** What each of the commands answers. */
export type RepliesTo<T extends readonly CommandLine[]> = {
  readonly [Index in keyof T]: ReplyTo<T[Index][0]>;
};

/**
 * The only way to send commands on a connection. Redis keeps the order of one connection, so between
 * MULTI and EXEC nothing else may be sent on it: it would become a part of the transaction, and its
 * reply one of EXEC's.
 */
export interface Wire {
  readonly send: Send;
  /** @returns how many keys Redis says it removed. @throws RedisError. */
  unlink(payload: UnlinkPayload): Promise<number>;
  /**
   * MULTI, the commands, EXEC; everything else that is sent meanwhile waits until EXEC is on its way.
   * @returns the reply to each command. @throws RedisError; EXECABORT: nothing was done.
   */
  transaction<const T extends readonly CommandLine[]>(commands: T): Promise<RepliesTo<T>>;
}

/** What a connection of ioredis is asked to do; a test has one of its own. */
export interface RawWire {
  call(command: string, args: readonly Argument[]): Promise<unknown>;
  /** Sends what is a command in the Redis protocol already. */
  callBytes(name: string, bytes: Buffer): Promise<unknown>;
}

/** @param toError of whatever the connection throws, and the command. */
export function createWire(
  raw: RawWire,
  toError: (error: unknown, command: string) => RedisError,
): Wire {
  /** `until` is there while a transaction has the connection. */
  const taken: { until: Promise<void> | undefined } = { until: undefined };
  let isMultiAllowed = false;

  const sendNow = async (command: string, ...args: readonly Argument[]): Promise<unknown> => {
    try {
      return await raw.call(command, args);
    } catch (error) {
      throw toError(error, command);
    }
  };

  /** Returns when EXEC is on its way. */
  const sendTransaction = async (commands: readonly CommandLine[]): Promise<SentTransaction> => {
    const multi = sendNow('MULTI');
    // Where it is refused the commands would be carried out one by one. Once for a connection: Redis
    // answers to the next MULTI when the commands behind it are on their way.
    if (!isMultiAllowed && !isText(await multi, 'OK')) {
      sendNow('DISCARD').catch(() => undefined);
      throw unexpectedReply('MULTI', await multi, 'OK');
    }
    isMultiAllowed = true;
    multi.catch(() => {
      isMultiAllowed = false;
    });
    const queued = [multi, ...commands.map(async (command) => sendNow(...command))];
    const execution = sendNow('EXEC');
    // Looked at by `readTransaction`; until then a lost connection is no unhandled rejection.
    for (const reply of [...queued, execution]) reply.catch(() => undefined);
    return { queued, execution };
  };

  return {
    async send(command, ...args) {
      // Waiting would change the order of commands, so it is done only where something is waited for.
      while (taken.until !== undefined) await taken.until;
      return decodeReply(command, args, await sendNow(command, ...args));
    },
    async unlink({ bytes, count }) {
      while (taken.until !== undefined) await taken.until;
      let reply: unknown;
      try {
        reply = await raw.callBytes('unlink', bytes);
      } catch (error) {
        throw toError(error, 'UNLINK');
      }
      return decodeUnlinked(reply, count);
    },
    async transaction(commands) {
      while (taken.until !== undefined) await taken.until;
      let free = (): void => undefined;
      taken.until = new Promise((resolve) => {
        free = resolve;
      });
      let sent: SentTransaction;
      try {
        sent = await sendTransaction(commands);
      } finally {
        taken.until = undefined;
        free();
      }
      return await readTransaction(commands, sent, toError);
    },
  };
}

interface SentTransaction {
  /** Of MULTI and of each command. */
  readonly queued: readonly Promise<unknown>[];
  readonly execution: Promise<unknown>;
}

async function readTransaction<T extends readonly CommandLine[]>(
  commands: T,
  { queued, execution }: SentTransaction,
  toError: (error: unknown, command: string) => RedisError,
): Promise<RepliesTo<T>> {
  const [begun, ...answers] = await Promise.allSettled(queued);
  const refused = answers.find((reply) => reply.status === 'rejected');
  if (refused !== undefined) throw refused.reason;
  const values = answers.map((reply) => (reply.status === 'fulfilled' ? reply.value : null));
  // Refused since the last transaction: each command was carried out by itself.
  if (begun?.status === 'rejected') return decodeReplies(commands, values, toError);
  const replies = await execution;
  if (replies === null) {
    throw new RedisError('EXECABORT', 'The transaction was not run', 'run again');
  }
  if (!isText(begun?.value, 'OK')) throw unexpectedReply('MULTI', begun?.value, 'OK');
  values.forEach((value, index) => {
    if (isText(value, 'QUEUED')) return;
    throw unexpectedReply(commands[index]?.[0] ?? '', value, 'QUEUED');
  });
  if (!Array.isArray(replies) || replies.length !== commands.length) {
    throw unexpectedReply('EXEC', replies, `a list of ${commands.length}`);
  }
  return decodeReplies(commands, replies, toError);
}

function decodeReplies<T extends readonly CommandLine[]>(
  commands: T,
  replies: readonly unknown[],
  toError: (error: unknown, command: string) => RedisError,
): RepliesTo<T> {
  const failed = replies.findIndex((reply) => reply instanceof Error);
  if (failed >= 0) throw toError(replies[failed], commands[failed]?.[0] ?? 'EXEC');
  const decoded = commands.map(([command, ...args], index) =>
    decodeReply(command, args, replies[index]),
  );
  return decoded as unknown as RepliesTo<T>;
}
