import { RedisError } from './errors.ts';
import { isText, unexpectedReply } from './replies.ts';
import type { Reply } from './replies.ts';

export type Argument = string | Buffer | number;
export type CommandLine = readonly [command: string, ...args: Argument[]];

/**
 * The only way to send commands on a connection. Redis keeps the order of one connection, so between
 * MULTI and EXEC nothing else may be sent on it: it would become a part of the transaction, and its
 * reply one of EXEC's.
 */
export interface Wire {
  /** @throws RedisError. */
  send(command: string, ...args: readonly Argument[]): Promise<Reply>;
  /** Sends what is a command in the Redis protocol already. @throws RedisError. */
  sendBytes(name: string, bytes: Buffer): Promise<Reply>;
  /**
   * MULTI, the commands, EXEC; everything else that is sent meanwhile waits until EXEC is on its way.
   * @returns the reply to each command. @throws RedisError; EXECABORT: nothing was done.
   */
  transaction(commands: readonly CommandLine[]): Promise<readonly Reply[]>;
}

/** What a connection of ioredis is asked to do; a test has one of its own. */
export interface RawWire {
  call(command: string, args: readonly Argument[]): Promise<unknown>;
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

  const sendNow: Wire['send'] = async (command, ...args) => {
    try {
      return (await raw.call(command, args)) as Reply;
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
      return await sendNow(command, ...args);
    },
    async sendBytes(name, bytes) {
      while (taken.until !== undefined) await taken.until;
      try {
        return (await raw.callBytes(name, bytes)) as Reply;
      } catch (error) {
        throw toError(error, name.toUpperCase());
      }
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
  readonly queued: readonly Promise<Reply>[];
  readonly execution: Promise<Reply>;
}

async function readTransaction(
  commands: readonly CommandLine[],
  { queued, execution }: SentTransaction,
  toError: (error: unknown, command: string) => RedisError,
): Promise<readonly Reply[]> {
  const settled = await Promise.allSettled(queued);
  const [begun, ...answers] = settled;
  const refused = answers.find((reply) => reply.status === 'rejected');
  if (refused !== undefined) throw refused.reason;
  // Refused since the last transaction: each command was carried out by itself.
  if (begun?.status === 'rejected') {
    return answers.flatMap((reply) => (reply.status === 'fulfilled' ? [reply.value] : []));
  }
  const replies = await execution;
  if (replies === null) {
    throw new RedisError('EXECABORT', 'The transaction was not run', 'run again');
  }
  settled.forEach((reply, index) => {
    const [name, expected] = index === 0 ? ['MULTI', 'OK'] : [commands[index - 1]?.[0], 'QUEUED'];
    const value = reply.status === 'fulfilled' ? reply.value : null;
    if (!isText(value, expected)) throw unexpectedReply(name ?? '', value, expected);
  });
  if (!Array.isArray(replies) || replies.length !== commands.length) {
    throw unexpectedReply('EXEC', replies, `a list of ${commands.length}`);
  }
  const failed = (replies as readonly unknown[]).findIndex((reply) => reply instanceof Error);
  if (failed >= 0) throw toError(replies[failed], commands[failed]?.[0] ?? 'EXEC');
  return replies as readonly Reply[];
}
