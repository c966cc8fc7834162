/** A connection to no server: functions of the tool asked in process what some reply makes of them. */
import type { RedisConnection, Retries, Session } from '../../src/redis/connect.ts';
import { toRedisError } from '../../src/redis/errors.ts';
import type { Argument } from '../../src/redis/replies.ts';
import { createWire } from '../../src/redis/wire.ts';
import { keysOf } from '../../src/redis/unlink-payload.ts';
import type { Value } from './odd-replies.ts';

export interface FakeConnection {
  readonly redis: RedisConnection;
  /** Names of the commands that were sent. */
  readonly sent: ReadonlySet<string>;
  /** Whether more was sent than anything that ends would send. */
  isEndless(): boolean;
}

/**
 * @param answer of each command; in a transaction it becomes a part of the reply to EXEC.
 * @param most commands; a purge of a list that never gets shorter sends 502 batches of six.
 */
export function fakeConnection(
  answer: (command: string, args: readonly Argument[]) => Value,
  most = 5_000,
): FakeConnection {
  const sent = new Set<string>();
  let count = 0;
  let queue: Value[] | undefined;
  const call = async (command: string, args: readonly Argument[]): Promise<unknown> => {
    sent.add(command);
    count += 1;
    // Not even an endless loop goes on after it.
    if (count > most) throw new Error('ECONNREFUSED endless');
    if (command === 'MULTI') queue = [];
    else if (command === 'EXEC') {
      const replies = queue ?? [];
      queue = undefined;
      return await Promise.resolve(replies);
    } else if (queue !== undefined) {
      queue.push(answer(command, args));
      return await Promise.resolve(Buffer.from('QUEUED'));
    }
    const reply = command === 'MULTI' ? Buffer.from('OK') : answer(command, args);
    if (reply instanceof Error) throw reply;
    return await Promise.resolve(reply);
  };
  const wire = createWire(
    {
      call,
      callBytes: async (_, bytes) => call('UNLINK', keysOf({ bytes, count: countOf(bytes) })),
    },
    (error, command) => toRedisError(error, [], command),
  );
  const node = {
    ...{ send: wire.send, unlink: wire.unlink.bind(wire), roundTrip: () => 1 },
    identity: async () => wire.send('INFO', 'server').then(String, () => undefined),
  };
  const session: Session = { nodes: [node], isCluster: false, send: wire.send };
  const startRetries = (): Retries => ({
    session: async () => Promise.resolve(session),
    progressed: () => undefined,
    async recover(cause) {
      await Promise.resolve();
      throw cause;
    },
  });
  const redis: RedisConnection = {
    ...{ label: 'fake', warnings: [], replicaOf: undefined, isCluster: false, user: 'default' },
    send: wire.send,
    transaction: async (commands) => wire.transaction(commands),
    unlink: async (keys) => (keys.length === 0 ? 0 : wire.send('UNLINK', ...keys)),
    exists: async (keys) => (keys.length === 0 ? 0 : wire.send('EXISTS', ...keys)),
    refused: new Map(),
    startRetries,
    confirmPrimary: async () => Promise.resolve(true),
    owes: () => 0,
    close: () => undefined,
  };
  return { redis, sent, isEndless: () => count > most };
}

function countOf(bytes: Buffer): number {
  return Number(bytes.toString('latin1', 1, bytes.indexOf('\r\n'))) - 1;
}
