import { describe, expect, test } from 'vitest';
import type { RedisConnection } from '../redis/connect.ts';
import { RedisError } from '../redis/errors.ts';
import { countListeners, findChannels, isHeardElsewhere } from './channels.ts';

import type { Clients } from './clients.ts';
import { brokerKeys, SEPARATOR } from './keys.ts';
import type { BrokerSettings } from '../model/broker-settings.ts';

interface Scene {
  /** How many listen, by channel. */
  readonly listening?: Readonly<Record<string, number>>;
  /** Members of the tables, by key. */
  readonly tables?: Readonly<Record<string, readonly string[]>>;
  /** Channels that this user may not PUBLISH to. */
  readonly forbidden?: readonly string[];
}

function brokerOf({ listening = {}, tables = {}, forbidden = [] }: Scene): {
  readonly broker: RedisConnection;
  readonly heard: string[];
} {
  const heard: string[] = [];
  const send = async (command: string, name: Buffer): Promise<unknown> => {
    const text = name.toString();
    if (command === 'SMEMBERS') {
      return Promise.resolve((tables[text] ?? []).map((member) => Buffer.from(member)));
    }
    heard.push(text);
    if (forbidden.includes(text)) throw new RedisError('NOPERM', 'Not permitted', '');
    return Promise.resolve(listening[text] ?? 0);
  };
  const retries = {
    session: async () => Promise.resolve({}),
    recover: (error: unknown): never => {
      throw error as Error;
    },
  };
  const broker = { send, startRetries: () => retries } as unknown as RedisConnection;
  return { broker, heard };
}

/** So many consumers of the database that listen to patterns. */
function clientsOf(count: number): Clients {
  const popping = Array.from({ length: count }, (_, index) => ({
    ...{ id: String(index), idle: 0, state: 'waiting' as const, asks: false },
  }));
  return { waiting: count, popping, subscribers: popping.map(({ id }) => id), names: new Set() };
}

async function find(
  scene: Scene,
  clients = 9,
  settings: Partial<BrokerSettings> = {},
  exchanges: readonly string[] = [],
) {
  const { broker, heard } = brokerOf(scene);
  const names = brokerKeys({ globalKeyPrefix: '', ...settings });
  const channels = await findChannels(
    broker,
    names,
    3,
    Promise.resolve(clientsOf(clients)),
    exchanges,
  );
  const used = channels.all
    .filter(({ listening }) => listening > 0)
    .map(({ channel, listening, reply, names: own }) => [
      channel.toString(),
      listening,
      reply,
      own.separator,
    ]);
  return { channels, heard, used, broker };
}

const TABLE = '_kombu.binding.celery.pidbox';
const REPLIES = '_kombu.binding.reply.celery.pidbox';
const mailbox = (separator: string, name = 'w@h', control = 'celery'): string =>
  `${separator}${separator}${name}.${control}.pidbox`;

describe('how a worker can reply', () => {
  test.each([
    ['kombu’s separator', [mailbox(SEPARATOR)], [], 1, 'bound', SEPARATOR],
    ['another one', [mailbox(':')], [], 1, 'bound', ':'],
    ['two of one kind', [mailbox('::', 'a@h'), mailbox('::', 'b@h')], [], 2, 'bound', '::'],
    ['a dead one beside', [mailbox('|', 'a@h'), mailbox('|', 'b@h')], [], 1, 'bound', '|'],
    [
      'two separators',
      [mailbox(':', 'a@h'), mailbox(SEPARATOR, 'b@h')],
      [],
      1,
      'direct',
      SEPARATOR,
    ],
    ['a table that is gone', [], [], 1, 'direct', SEPARATOR],
    ['fewer mailboxes than listen', [mailbox(':')], [], 2, 'direct', SEPARATOR],
    ['a mailbox that nobody can read', [mailbox(':'), 'strange'], [], 1, 'direct', SEPARATOR],
    [
      'replies of kombu’s separator',
      [mailbox(':')],
      [`o${SEPARATOR}${SEPARATOR}o.reply`],
      1,
      'direct',
      SEPARATOR,
    ],
    ['replies of its own', [mailbox(':')], ['o::o.reply.celery.pidbox'], 1, 'bound', ':'],
  ] as const)('%s', async (_, mailboxes, replies, listening, reply, separator) => {
    const { used } = await find({
      listening: { '/3.celery.pidbox': listening },
      tables: { [TABLE]: mailboxes, [REPLIES]: replies },
    });
    expect(used).toEqual([['/3.celery.pidbox', listening, reply, separator]]);
  });
});

describe('where workers listen', () => {
  test.each([
    ['/3.celery.pidbox', {}, []],
    ['celery.pidbox', {}, []],
    ['/{db}.celery.pidbox', {}, []],
    ['/own3.celery.pidbox', { fanoutPrefix: '/own{db}.' }, []],
    ['/own{db}.celery.pidbox', { fanoutPrefix: '/own{db}.' }, []],
    ['/3.mine.pidbox', { controlExchange: 'mine' }, []],
    ['/3.celery.pidbox', { controlExchange: 'mine' }, []],
    ['/3.mine.pidbox', {}, ['mine']],
    ['mine.pidbox', {}, ['mine', 'celery']],
    ['a:/3.celery.pidbox', { globalKeyPrefix: 'a:' }, []],
  ] as [string, Partial<BrokerSettings>, string[]][])(
    '%s with %j',
    async (channel, settings, exchanges) => {
      const control = /[^./]*(?=\.pidbox)/.exec(channel)?.[0] ?? '';
      const front = settings.globalKeyPrefix ?? '';
      const { used } = await find(
        {
          listening: { [channel]: 1 },
          tables: { [`${front}_kombu.binding.${control}.pidbox`]: [mailbox('-', 'w@h', control)] },
        },
        9,
        settings,
        exchanges,
      );
      expect(used).toEqual([[channel, 1, 'bound', '-']]);
    },
  );

  test.each(['x{db}.', '/a.b.', '/a', 'x'])(
    'nothing is sent to a channel where it would stop the worker: %s',
    async (fanoutPrefix) => {
      const { heard } = await find({}, 9, { fanoutPrefix });
      expect(heard).toEqual(['/3.celery.pidbox', '/{db}.celery.pidbox', 'celery.pidbox']);
    },
  );

  test('nor to an exchange of which kombu reads half the name', async () => {
    const { heard } = await find({}, 9, {}, ['a/b']);
    expect(heard.filter((channel) => channel.includes('a/b'))).toEqual([]);
  });

  test('workers of other databases are not counted on a channel that all of them share', async () => {
    const listening = { '/3.celery.pidbox': 1, 'celery.pidbox': 5 };
    const tables = { [TABLE]: [mailbox(SEPARATOR, 'a@h'), mailbox(SEPARATOR, 'dead@h')] };
    const { used, channels, broker } = await find({ listening, tables }, 1);
    expect(used).toEqual([['/3.celery.pidbox', 1, 'bound', SEPARATOR]]);
    expect(await countListeners(broker, channels.all)).toBe(1);
    expect((await find({ listening, tables }, 2)).used).toHaveLength(2);
    expect((await find({ listening: { 'celery.pidbox': 5 } }, 2)).used).toEqual([]);
  });

  test('workers of other databases are noticed where they hear the channel that is used', async () => {
    const tables = { [TABLE]: [mailbox(SEPARATOR, 'celery@h')] };
    const shared = await find({ listening: { 'celery.pidbox': 2 }, tables }, 1);
    expect(isHeardElsewhere(shared.channels, 1)).toBe(true);
    const alone = await find({ listening: { 'celery.pidbox': 1 }, tables }, 1);
    expect(isHeardElsewhere(alone.channels, 1)).toBe(false);
    const beside = { '/3.celery.pidbox': 1, 'celery.pidbox': 1 };
    const own = await find({ listening: beside, tables }, 1);
    expect(isHeardElsewhere(own.channels, 1)).toBe(false);
  });

  test('on a shared channel a worker is not asked to reply directly: another database would get it', async () => {
    const tables = { [TABLE]: [mailbox(':', 'a@h'), mailbox('|', 'b@h')] };
    const { used } = await find({ listening: { 'celery.pidbox': 2 }, tables }, 2);
    expect(used).toEqual([['celery.pidbox', 2, undefined, SEPARATOR]]);
  });

  test('a channel that this user may not use is named when nobody is heard elsewhere', async () => {
    const forbidden = ['/3.celery.pidbox', 'celery.pidbox'];
    const { channels } = await find({ forbidden });
    expect(channels.trouble?.code).toBe('NOPERM');
    const heard = { forbidden, listening: { '/{db}.celery.pidbox': 1 } };
    const tables = { [TABLE]: [mailbox(SEPARATOR)] };
    expect((await find({ ...heard, tables })).channels.trouble).toBeUndefined();
  });
});
