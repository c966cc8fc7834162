import { describe, expect, test } from 'vitest';
import { RedisError, toRedisError } from './errors.ts';
import type { Argument, Reply } from './replies.ts';
import { createPayloadMaker } from './unlink-payload.ts';
import { createWire, refusesTransaction } from './wire.ts';
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

const NO_UNLINK = new Error("ERR unknown command 'UNLINK', with args beginning with: 'a' ");
const NO_PERMISSION = new Error("NOPERM this user has no permissions to run the 'del' command");

describe('commands that are refused', () => {
  const keys = Array.from({ length: 250 }, (_, at) => Buffer.from(`job:${at}`));

  test('UNLINK is asked for once, then DEL is sent, a hundred keys at a time', async () => {
    const { wire, sent } = scene((command, args) =>
      command === 'UNLINK' ? NO_UNLINK : args.length,
    );
    expect(await wire.send('UNLINK', ...keys)).toBe(250);
    expect(await wire.send('UNLINK', 'a', 'b')).toBe(2);
    expect(await wire.unlink(createPayloadMaker().make(keys.slice(0, 3)))).toBe(3);
    expect(sent.map((line) => line.split(' ')[0])).toEqual([
      ...['UNLINK', 'DEL', 'DEL', 'DEL'],
      ...['DEL', 'DEL'],
    ]);
    expect(sent.map((line) => line.split(' ').length - 1)).toEqual([250, 100, 100, 50, 2, 3]);
  });

  test('without DEL as well, UNLINK is what is missing', async () => {
    const { wire } = scene((command) => (command === 'UNLINK' ? NO_UNLINK : NO_PERMISSION));
    const failure = wire.unlink(createPayloadMaker().make(keys));
    await expect(failure).rejects.toMatchObject({ code: 'ENOCOMMAND', command: 'UNLINK' });
  });

  test('a transaction whose EXEC is refused is left, and no other is tried', async () => {
    const refusal = new Error("NOPERM this user has no permissions to run the 'exec' command");
    const { wire, sent } = scene(queueing({ EXEC: refusal, DISCARD: Buffer.from('OK') }));
    for (let round = 0; round < 2; round += 1) {
      const failure = wire.transaction([['LLEN', 'q', 1]]);
      await expect(failure).rejects.toSatisfy(refusesTransaction);
    }
    expect(sent).toEqual(['MULTI', 'LLEN q 1', 'EXEC', 'DISCARD']);
  });

  test.each([
    ['OOM command not allowed when used memory > maxmemory.', true],
    ["ERR unknown command 'MULTI', with args beginning with: ", true],
    ['NOPERM this user has no permissions to access one of the keys used as arguments', true],
    ['MISCONF Redis is configured to save RDB snapshots', false],
    ["NOPERM this user has no permissions to run the 'hdel' command", false],
  ])('%s: other ways are tried: %s', async (message, expected) => {
    const command = message.includes('hdel') || message.includes('keys') ? 'HDEL' : 'MULTI';
    const { wire } = scene(queueing({ [command]: new Error(message) }));
    const failure: unknown = await wire
      .transaction([['HDEL', 'unacked', 'tag']])
      .catch((error: unknown) => error);
    expect(refusesTransaction(failure)).toBe(expected);
  });
});
