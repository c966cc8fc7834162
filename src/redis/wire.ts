import { refusesCommand, refusesKey, RedisError } from './errors.ts';
import { decodeReply, decodeUnlinked, isText, unexpectedReply } from './replies.ts';
import type { Argument, CommandName, Reply, ReplyTo } from './replies.ts';
import { keysOf } from './unlink-payload.ts';
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
  /**
   * UNLINK, as `send` does it: by DEL where UNLINK is refused.
   * @returns how many keys Redis says it removed. @throws RedisError.
   */
  unlink(payload: UnlinkPayload): Promise<number>;
  /**
   * MULTI, the commands, EXEC; everything else that is sent meanwhile waits until EXEC is on its way.
   * @returns the reply to each command.
   * @throws RedisError; EXECABORT, and where `refusesTransaction`: nothing was done.
   */
  transaction<const T extends readonly CommandLine[]>(commands: T): Promise<RepliesTo<T>>;
}

/** What a connection of ioredis is asked to do; a test has one of its own. */
export interface RawWire {
  call(command: string, args: readonly Argument[]): Promise<unknown>;
  /** Sends what is a command in the Redis protocol already. */
  callBytes(name: string, bytes: Buffer): Promise<unknown>;
}

/** Commands that were refused as such, by their names: renamed, or not permitted to this user. */
export type RefusedCommands = Map<string, RedisError>;

/** DEL frees values while nobody else is served, unlike UNLINK, so a command names few keys. */
const KEYS_A_DEL = 100;

/**
 * @param toError of whatever the connection throws, and the command.
 * @param refused grows; shared by all connections to one server as one user.
 */
export function createWire(
  raw: RawWire,
  toError: (error: unknown, command: string) => RedisError,
  refused: RefusedCommands = new Map(),
): Wire {
  /** `until` is there while a transaction has the connection. */
  const taken: { until: Promise<void> | undefined } = { until: undefined };

  const noted = async (command: string, reply: Promise<unknown>): Promise<unknown> => {
    try {
      return await reply;
    } catch (cause) {
      const error = toError(cause, command);
      if (refusesCommand(error)) refused.set(command, error);
      throw error;
    }
  };
  const sendNow = async (command: string, ...args: readonly Argument[]): Promise<unknown> =>
    await noted(command, raw.call(command, args));
  // Waiting would change the order of commands, so it is done only where something is waited for.
  const untilFree = async (): Promise<void> => {
    while (taken.until !== undefined) await taken.until;
  };

  const removeKeys = createRemoval(refused, async (keys) => {
    if (taken.until !== undefined) await untilFree();
    return decodeReply('DEL', keys, await sendNow('DEL', ...keys));
  });

  const sendTransaction = createTransactions(sendNow);

  return {
    async send(command, ...args) {
      if (taken.until !== undefined) await untilFree();
      const ask = async () => decodeReply(command, args, await sendNow(command, ...args));
      if (command !== 'UNLINK') return await ask();
      const removed: Reply = await removeKeys(() => args, ask as () => Promise<number>);
      return removed as ReplyTo<typeof command>;
    },
    async unlink(payload) {
      if (taken.until !== undefined) await untilFree();
      const { bytes, count } = payload;
      return await removeKeys(
        () => keysOf(payload),
        async () => decodeUnlinked(await noted('UNLINK', raw.callBytes('unlink', bytes)), count),
      );
    },
    async transaction(commands) {
      const known = refused.get('MULTI') ?? refused.get('EXEC');
      if (known !== undefined) throw known;
      if (taken.until !== undefined) await untilFree();
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

/**
 * @param keys asked for only where DEL stands in. @param send sends UNLINK.
 * @returns how many keys Redis says it removed.
 */
type Removal = (keys: () => readonly Argument[], send: () => Promise<number>) => Promise<number>;

/** UNLINK, and DEL where this server or user has no UNLINK. */
function createRemoval(
  refused: RefusedCommands,
  sendDelete: (keys: readonly Argument[]) => Promise<number>,
): Removal {
  const deleteKeys = async (keys: readonly Argument[], unlinkRefused: RedisError) => {
    let sum = 0;
    for (let start = 0; start < keys.length; start += KEYS_A_DEL) {
      try {
        sum += await sendDelete(keys.slice(start, start + KEYS_A_DEL));
      } catch (error) {
        // The permission that is named is the one for the better command.
        throw refusesCommand(error) ? unlinkRefused : error;
      }
    }
    return sum;
  };
  return async (keys, send) => {
    const known = refused.get('UNLINK');
    if (known !== undefined) return await deleteKeys(keys(), known);
    try {
      return await send();
    } catch (error) {
      if (!refusesCommand(error)) throw error;
      return await deleteKeys(keys(), error);
    }
  };
}

/** Sends MULTI, the commands and EXEC of one connection. */
function createTransactions(
  sendNow: (command: string, ...args: readonly Argument[]) => Promise<unknown>,
): (commands: readonly CommandLine[]) => Promise<SentTransaction> {
  let isMultiAllowed = false;

  /** The connection stays in a transaction whose EXEC is refused. */
  const leaveRefused = async (execution: Promise<unknown>): Promise<void> => {
    try {
      await execution;
    } catch (error) {
      if (!refusesCommand(error)) return;
      isMultiAllowed = false;
      await sendNow('DISCARD').catch(() => undefined);
    }
  };

  /** Returns when EXEC is on its way. */
  return async (commands) => {
    const isFirst = !isMultiAllowed;
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
    if (isFirst) await leaveRefused(execution);
    return { queued, execution };
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

/**
 * Whether an error of a transaction says that this server, or this user, may do none now, and nothing
 * of it was done. A full Redis before 7.2.6 refuses MULTI, whatever is in it (redis #9926); a command
 * with a forbidden key takes the others of its transaction with it.
 */
export function refusesTransaction(error: unknown): boolean {
  if (!(error instanceof RedisError)) return false;
  const isOfItself = ['multi', 'exec'].includes(error.command?.toLowerCase() ?? '');
  return error.code === 'OOM' || (refusesCommand(error) && isOfItself) || refusesKey(error);
}
