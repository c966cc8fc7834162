import { describe, expect, test } from 'vitest';
import { RedisError, toRedisError } from './errors.ts';
import type { Argument, Reply } from './replies.ts';
import { createWire } from './wire.ts';
import type { Wire } from './wire.ts';

/** What was sent, in order, and how the server answers; each answer comes after a turn of the event loop. */
function scene(answer: (command: string, args: readonly Argument[]) => unknown = queueing()): {
  readonly wire: Wire;
  readonly sent: readonly string[];
} {
  const sent: string[] = [];
  const call = async (command: string, args: readonly Argument[]): Promise<unknown> => {
    sent.push([command, ...args].join(' '));
    const reply = answer(command, args);
    await new Promise((resolve) => setImmediate(resolve));
    if (reply instanceof Error) throw reply;
    return reply;
  };
  const raw = { call, callBytes: async (name: string) => call(name.toUpperCase(), [0]) };
  return { wire: createWire(raw, (error, command) => toRedisError(error, [], command)), sent };
}

/** A server that queues between MULTI and EXEC as Redis does; each command answers its last argument. */
function queueing(changes: Readonly<Record<string, unknown>> = {}) {
  let queue: unknown[] | undefined;
  return (command: string, args: readonly Argument[]): unknown => {
    if (command in changes) return changes[command];
    if (command === 'MULTI') {
      queue = [];
      return Buffer.from('OK');
    }
    if (command === 'EXEC') {
      const replies = queue;
      queue = undefined;
      return replies ?? new Error('ERR EXEC without MULTI');
    }
    const reply = args.at(-1) ?? null;
    if (queue === undefined) return reply;
    queue.push(reply);
    return Buffer.from('QUEUED');
  };
}

describe('a transaction has the connection to itself', () => {
  test('what is sent between MULTI and EXEC waits, the first time and later', async () => {
    const { wire, sent } = scene();
    for (let round = 0; round < 3; round += 1) {
      const transaction = wire.transaction([
        ['LLEN', 'index', 11],
        ['LLEN', 'unacked', 22],
      ]);
      const others = [
        wire.send('EVAL', 1),
        wire.unlink({ bytes: Buffer.alloc(0), count: 9 }),
        wire.transaction([['LLEN', 'queue', 33]]),
        wire.send('EVAL', 2),
      ];
      expect(await transaction).toEqual([11, 22]);
      expect(await Promise.all(others)).toEqual([1, 0, [33], 2]);
    }
    const round = ['MULTI', 'LLEN index 11', 'LLEN unacked 22', 'EXEC', 'EVAL 1', 'UNLINK 0'];
    const all = [...round, 'MULTI', 'LLEN queue 33', 'EXEC', 'EVAL 2'];
    expect(sent).toEqual([...all, ...all, ...all]);
  });

  test('where MULTI is refused no command of it is sent', async () => {
    const { wire, sent } = scene(queueing({ MULTI: new Error('NOPERM this user has no …') }));
    await expect(wire.transaction([['LLEN', 'q', 1]])).rejects.toMatchObject({ code: 'NOPERM' });
    expect(await wire.send('EVAL', 3)).toBe(3);
    expect(sent).toEqual(['MULTI', 'EVAL 3']);
  });

  test('where MULTI is refused later, what was done one by one is told', async () => {
    let isRefused = false;
    const server = queueing();
    const { wire } = scene((command, args) =>
      isRefused && command === 'MULTI'
        ? new Error('OOM command not allowed')
        : server(command, args),
    );
    expect(await wire.transaction([['LLEN', 'q', 1]])).toEqual([1]);
    isRefused = true;
    expect(await wire.transaction([['LLEN', 'q', 2]])).toEqual([2]);
    await expect(wire.transaction([['LLEN', 'q', 3]])).rejects.toMatchObject({ code: 'OOM' });
  });

  test('a watched key that was changed', async () => {
    const { wire } = scene(queueing({ EXEC: null }));
    await expect(wire.transaction([['SET', 'k', 1]])).rejects.toMatchObject({ code: 'EXECABORT' });
  });

  test.each<[string, Reply, string]>([
    ['MULTI', 1, 'MULTI answered the number 1 where OK was expected'],
    ['MULTI', null, 'MULTI answered nothing where OK was expected'],
    ['HDEL', Buffer.from('5'), 'HDEL answered a text of 1 bytes where QUEUED was expected'],
    ['EXEC', [0, 1, 2], 'EXEC answered a list of 3 where a list of 2 was expected'],
    ['EXEC', [], 'EXEC answered a list of 0 where a list of 2 was expected'],
    ['EXEC', Buffer.from('OK'), 'EXEC answered a text of 2 bytes where a list of 2 was expected'],
    ['EXEC', 7, 'EXEC answered the number 7 where a list of 2 was expected'],
  ])('%s that answers %j', async (command, reply, message) => {
    const { wire } = scene(queueing({ [command]: reply }));
    const failure = wire.transaction([
      ['ZREM', 'index', 1],
      ['HDEL', 'unacked', 1],
    ]);
    await expect(failure).rejects.toThrow(RedisError);
    await expect(failure).rejects.toMatchObject({ code: 'EREPLY', message });
  });

  test('a command in it that fails', async () => {
    const { wire } = scene(queueing({ EXEC: [1, new Error('WRONGTYPE Operation against a key')] }));
    const failure = wire.transaction([
      ['ZREM', 'index', 1],
      ['HDEL', 'unacked', 1],
    ]);
    await expect(failure).rejects.toMatchObject({ code: 'WRONGTYPE' });
  });
});
