/** Every function that asks Redis, in process, with odd replies to one command after the other. */
import { beforeAll, describe, expect, test } from 'vitest';
import { readClients } from '../src/celery/clients.ts';
import { scanInFlight, removeInFlight } from '../src/celery/in-flight.ts';
import { forgetHolds, noteHolds, readHolds } from '../src/celery/hold.ts';
import { brokerKeys } from '../src/celery/keys.ts';
import { lookAtWorkers } from '../src/celery/look.ts';
import { showsUnseenWorker } from '../src/celery/unseen.ts';
import { countListeners, findChannels, findControlExchanges } from '../src/celery/channels.ts';
import type { ControlChannel } from '../src/celery/channels.ts';
import { openMailbox, removeLeftovers } from '../src/celery/mailbox.ts';
import { countQueued, findQueueKeys, purgeQueues, scanQueued } from '../src/celery/queue.ts';
import { declaredQueues, declaredWorkers } from '../src/celery/routes.ts';
import { scopeOf } from '../src/celery/scope.ts';
import type { RedisConnection } from '../src/redis/connect.ts';
import { createdAt } from '../src/redis/created-at.ts';
import { RedisError } from '../src/redis/errors.ts';
import { databaseSize, takeCensus, typesOf } from '../src/redis/families.ts';
import { nothingKept } from '../src/redis/job-age.ts';
import { countExisting, countJobs, removeJobs } from '../src/redis/jobs.ts';
import { readKeyspace } from '../src/redis/keyspace.ts';
import { acquireLock, releaseLock, renewLock, replaceOwner } from '../src/redis/lock.ts';
import { FULL_PACE } from '../src/redis/pace.ts';
import { COMMANDS, type Argument } from '../src/redis/replies.ts';
import { readServerState, saveToDisk } from '../src/redis/server-state.ts';
import { readJobs } from '../src/resources/job-evidence.ts';
import { findRelatedKeys } from '../src/resources/related-keys.ts';
import { dice, SEED } from './support/dice.ts';
import { fakeConnection, type FakeConnection } from './support/fake-connection.ts';
import { nearlyRight, oddReply, type Value } from './support/odd-replies.ts';

/** Odd replies to each command; its decoder alone gets 10,000 in replies.test.ts. */
const REPLIES = Number(process.env['TEST_ODD_REPLIES'] ?? 1_000);
const SIGNAL = new AbortController().signal;
const NAMES = brokerKeys({ globalKeyPrefix: '' });
const CHANNEL: ControlChannel = {
  ...{
    channel: NAMES.mailbox(1),
    names: NAMES,
    listening: 1,
    most: Infinity,
    heard: 1,
    isShared: false,
    reply: 'bound',
  },
};
const bytes = (text: string): Buffer => Buffer.from(text);
const KEYS = ['job:1', 'job:2', 'job:3'].map(bytes);
const JOB = bytes('{"id":"1","status":"done","created_at":"2020-01-01T00:00:00Z"}');
const MESSAGE = bytes('{"headers":{"id":"task-1"},"properties":{}}');
const LOCK = { key: 'media-cleanup:lock:media', value: 'mine' };

/** What a small Redis would answer. */
function rightReply(command: string, args: readonly Argument[]): Value {
  const list = String(args[1]).startsWith('media-cleanup') ? [] : [MESSAGE];
  const asked = args.length;
  const replies: Readonly<Record<string, Value>> = {
    BGSAVE: bytes('Background saving started'),
    CLIENT: bytes('id=1 addr=127.0.0.1:1 name= age=5 idle=0 flags=b db=1 psub=0 cmd=brpop\n'),
    CONFIG: [bytes('save'), bytes('3600 1')],
    DBSIZE: 3,
    EVAL: 1,
    EXISTS: asked,
    GET: bytes('mine'),
    GETRANGE: bytes('{"id":1}'),
    HDEL: Math.max(0, asked - 1),
    HGETALL: [bytes('celery@host\u0006\u0016queue'), bytes('{"since":1,"oid":"x"}')],
    HMGET: Array.from({ length: Math.max(0, asked - 1) }, () => null),
    HSCAN: [bytes('0'), [bytes('tag'), bytes(`[${String(MESSAGE)},"","queue"]`)]],
    HSET: 1,
    INFO: bytes('run_id:abc\r\nrole:master\r\naof_enabled:0\r\nrdb_bgsave_in_progress:0\r\n'),
    LLEN: 1,
    LRANGE: list,
    LTRIM: bytes('OK'),
    MGET: Array.from({ length: asked }, () => JOB),
    PEXPIRE: 1,
    PING: bytes('PONG'),
    PTTL: 1000,
    PUBLISH: 0,
    PUBSUB: 0,
    SADD: 1,
    SCAN: [bytes('0'), [...KEYS, bytes('queue'), bytes('queue\u0006\u00163'), bytes('queue/3')]],
    SET: bytes('OK'),
    SMEMBERS: [bytes('queue\u0006\u0016\u0006\u0016queue')],
    SRANDMEMBER: [bytes('1')],
    SREM: 1,
    STRLEN: JOB.length,
    TIME: [bytes('1700000000'), bytes('1')],
    TYPE: bytes('list'),
    UNLINK: asked,
    UNWATCH: bytes('OK'),
    WAITAOF: [1, 0],
    WATCH: bytes('OK'),
    XRANGE: [[bytes('1-1'), [bytes('id'), bytes('1')]]],
    ZRANGE: [bytes('1')],
    ZREM: 1,
  };
  return replies[command] ?? new Error('ERR unknown command');
}

type Others = Readonly<Record<string, Value>>;
const NOT_PERMITTED = new Error('NOPERM no permissions to run this command');
/** Replies to other commands, so that functions take other ways. */
const WAYS: readonly Others[] = [
  {},
  // The lock is another's, and is watched where scripts are not permitted.
  { SET: null },
  { EVAL: NOT_PERMITTED },
  { EVAL: NOT_PERMITTED, GET: bytes('of another') },
  { INFO: bytes('run_id:abc\r\naof_enabled:1\r\n') },
];

type Ask = (redis: RedisConnection) => Promise<unknown>;

async function all<T>(pages: AsyncIterable<T>): Promise<number> {
  let count = 0;
  for await (const page of pages) if (page !== undefined) count += 1;
  return count;
}

const jobs = {
  prefixes: ['job:'],
  protectedWith: () => undefined,
  age: undefined,
} as const;
const aged = {
  ...jobs,
  age: {
    before: Date.now(),
    createdAt: (value: Buffer) => createdAt(value, 'UTC'),
    kept: nothingKept(),
  },
};
const family = {
  ...{
    prefix: 'job-ids',
    bytes: bytes('job-ids'),
    count: 1,
    share: 0.1,
    samples: [bytes('job-ids')],
  },
  ...{ whose: undefined, claimants: [], evidence: [], isForeign: false },
};
const EACH_TYPE = ['zset', 'list', 'set', 'hash', 'stream', 'string'];

const FUNCTIONS: Readonly<Record<string, Ask>> = {
  acquireLock: async (redis) => acquireLock(redis, LOCK),
  renewLock: async (redis) => renewLock(redis, LOCK),
  releaseLock: async (redis) => releaseLock(redis, LOCK),
  replaceOwner: async (redis) => replaceOwner(redis, LOCK, 'mine'),
  countJobs: async (redis) => countJobs(redis, jobs, SIGNAL),
  countExisting: async (redis) => countExisting(redis, KEYS),
  removeJobs: async (redis) =>
    removeJobs(
      ...([
        redis,
        jobs,
        { starts: [NAMES.results], failed: () => undefined, forbidden: () => undefined },
        FULL_PACE,
      ] as const),
      () => undefined,
      SIGNAL,
    ),
  removeOldJobs: async (redis) =>
    removeJobs(redis, aged, undefined, FULL_PACE, () => undefined, SIGNAL),
  takeCensus: async (redis) => takeCensus(redis, () => false, SIGNAL),
  typesOf: async (redis) => typesOf(redis, KEYS),
  databaseSize,
  readKeyspace,
  readServerState,
  saveToDisk: async (redis) =>
    saveToDisk(redis, { identity: undefined, milliseconds: 0, signal: SIGNAL }),
  findQueueKeys: async (redis) => findQueueKeys(redis, scopeOf(['queue']), NAMES, SIGNAL),
  countQueued: async (redis) => countQueued(redis, KEYS),
  scanQueued: async (redis) => all(scanQueued(redis, KEYS, SIGNAL)),
  purgeQueues: async (redis) =>
    purgeQueues(redis, KEYS.slice(0, 1), FULL_PACE, async () => Promise.resolve(), SIGNAL),
  scanInFlight: async (redis) => all(scanInFlight(redis, scopeOf(['queue']), NAMES, SIGNAL)),
  removeInFlight: async (redis) => removeInFlight(redis, KEYS, NAMES, () => undefined),
  noteHolds: async (redis) => noteHolds(redis, NAMES, [{ worker: 'w', queue: 'q' }], 'oid'),
  readHolds: async (redis) => readHolds(redis, NAMES),
  forgetHolds: async (redis) => forgetHolds(redis, NAMES, [{ worker: 'w', queue: 'q' }]),
  countListeners: async (redis) => countListeners(redis, [CHANNEL]),
  findChannels: async (redis) => findChannels(redis, NAMES, 1, Promise.resolve(undefined)),
  findControlExchanges: async (redis) => findControlExchanges(redis, NAMES, SIGNAL),
  showsUnseenWorker: async (redis) => showsUnseenWorker(redis, NAMES),
  readClients: async (redis) => readClients(redis, 1),
  openMailbox: async (redis) => (await openMailbox(redis, NAMES, [CHANNEL])).close(),
  removeLeftovers: async (redis) => removeLeftovers(redis, NAMES),
  declaredQueues: async (redis) => declaredQueues(redis, NAMES, SIGNAL),
  declaredWorkers: async (redis) => declaredWorkers(redis, [NAMES]),
  readJobs: async (redis) =>
    readJobs(
      redis,
      new Map([
        ['string', KEYS],
        ['hash', KEYS],
      ]),
    ),
  findRelatedKeys: async (redis) =>
    findRelatedKeys(
      redis,
      { name: 'media', keyPrefixes: ['job:'] } as never,
      [{ ...family, types: EACH_TYPE } as never],
      new Set(['1', '2']),
    ),
};
/** Waits in real time for workers. */
const lookAtAll: Ask = async (redis) => {
  const { mailbox } = await lookAtWorkers(redis, NAMES, 1, SIGNAL);
  await mailbox?.close();
};
/**
 * Sent by a cluster, by doctor, after the question, for keys of certain names, and instead of others
 * alone: see replies.test.ts.
 */
const ELSEWHERE = ['CLUSTER', 'DEL', 'EXEC', 'LPOP', 'OBJECT', 'PING', 'PTTL', 'ZSCORE'];

interface Caller {
  readonly name: string;
  readonly ask: Ask;
  /** Replies to other commands that lead to the command. */
  readonly others: Others;
}

/** By command: the functions that send it. */
const callers = new Map<string, Caller[]>();

beforeAll(async () => {
  for (const [name, ask] of Object.entries(FUNCTIONS)) {
    for (const others of WAYS) {
      const { redis, sent } = fakeConnection((command, args) => answerOr(others, command, args));
      await ask(redis).catch(() => undefined);
      for (const command of sent) {
        const known = callers.get(command) ?? [];
        if (known.some((caller) => caller.ask === ask)) continue;
        callers.set(command, [...known, { name, ask, others }]);
      }
    }
  }
});

function answerOr(others: Others, name: string, args: readonly Argument[]): Value {
  return Object.hasOwn(others, name) ? (others[name] ?? null) : rightReply(name, args);
}

async function expectEnd(
  ask: Ask,
  { redis, isEndless }: FakeConnection,
  what: () => string,
): Promise<void> {
  try {
    await ask(redis);
  } catch (error) {
    if (!(error instanceof RedisError)) throw error;
  }
  if (isEndless()) expect.fail(`${what()} goes on for ever`);
}

describe('odd replies', () => {
  test('every command has a function here', () => {
    const missing = COMMANDS.filter((command) => !callers.has(command));
    expect(missing.filter((command) => !ELSEWHERE.includes(command))).toEqual([]);
  });

  test.each(COMMANDS.filter((command) => !ELSEWHERE.includes(command)))(
    '%s',
    async (command) => {
      const roll = dice(SEED);
      const own = callers.get(command) ?? [];
      let given = 0;
      for (let round = 0; given < REPLIES && own.length > 0; round += 1) {
        const { name, ask, others } = own[round % own.length] as Caller;
        const log: Value[] = [];
        const fake = fakeConnection((sent, args) => {
          if (sent !== command) return answerOr(others, sent, args);
          const odd = roll() < 0.4 ? oddReply(roll) : nearlyRight(rightReply(sent, args), roll);
          log.push(odd);
          return odd;
        });
        const what = (): string => `${name} after ${command} ${JSON.stringify(log).slice(0, 300)}`;
        await expectEnd(ask, fake, what);
        given += Math.max(1, log.length);
      }
    },
    60_000,
  );

  test('workers are looked at', async () => {
    const roll = dice(SEED);
    const runs = ['CLIENT', 'PUBLISH', 'HGETALL', 'SADD', 'LRANGE', 'SMEMBERS', 'TIME'].flatMap(
      (command) =>
        Array.from({ length: 20 }, async () => {
          const fake = fakeConnection((name, args) => {
            if (name === command) return nearlyRight(rightReply(name, args), roll);
            return name === 'PUBLISH' ? 1 : rightReply(name, args);
          });
          await expectEnd(lookAtAll, fake, () => `looking at workers with ${command}`);
        }),
    );
    await Promise.all(runs);
  }, 60_000);
});
