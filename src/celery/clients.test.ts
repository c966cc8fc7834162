import { expect, test } from 'vitest';
import type { RedisConnection } from '../redis/connect.ts';
import { parseClientList, readClients } from './clients.ts';

const LIST = `id=3 addr=127.0.0.1:54810 name= age=9 idle=1 flags=b db=1 psub=0 cmd=brpop user=default
id=4 addr=127.0.0.1:54811 name= age=9 idle=3 flags=N db=1 psub=0 cmd=brpop user=default
id=5 addr=127.0.0.1:54812 name= age=9 idle=1 flags=b db=2 psub=0 cmd=brpop user=default
id=6 addr=127.0.0.1:54813 name=a=b age=9 idle=1 flags=P db=1 psub=1 cmd=psubscribe user=default
`;

function connectionWith(list: string): RedisConnection {
  return { send: async () => Promise.resolve(Buffer.from(list)) } as unknown as RedisConnection;
}

async function statesOf(list: string): Promise<readonly string[]> {
  return (await readClients(connectionWith(list), 1)).popping.map(({ state }) => state);
}

test('clients by the names that Redis gives the fields', () => {
  const clients = parseClientList(LIST);
  expect(clients).toHaveLength(4);
  expect(clients[3]).toMatchObject({ id: '6', name: 'a=b', db: '1', cmd: 'psubscribe' });
});

test('waiting, listening, and names', async () => {
  const names = new Set(['a=b']);
  expect(await readClients(connectionWith(LIST), 1)).toEqual({
    waiting: 1,
    popping: [
      { id: '3', idle: 1, state: 'waiting', asks: false },
      { id: '4', idle: 3, state: 'done', asks: false },
    ],
    subscribers: ['6'],
    names,
  });
  expect(await readClients(connectionWith(LIST), 3)).toEqual({
    ...{ waiting: 0, popping: [], subscribers: [] },
    names,
  });
});

test('a client is at work whose process has noted a message just then', async () => {
  const client = 'id=4 addr=10.0.0.1:1 age=9 idle=3 flags=N db=1 psub=0 cmd=brpop\n';
  const exec = 'id=5 addr=10.0.0.1:2 age=9 idle=2 flags=N db=1 psub=0 cmd=exec\n';
  expect(await statesOf(client + exec)).toEqual(['at work']);
  for (const [find, other] of [
    ['10.0.0.1', '10.0.0.2'],
    ['age=9', 'age=90'],
    ['idle=2', 'idle=5'],
    ['db=1', 'db=2'],
    ['cmd=exec', 'cmd=get'],
  ] as const) {
    expect(await statesOf(client + exec.replace(find, other)), other).toEqual(['done']);
  }
});

test.each([
  { other: 'has published a question', idle: 3, psub: 0, is: 'done' },
  { other: 'listens to gossip as well', idle: 3, psub: 1, is: 'at work' },
  { other: 'listens to gossip, and goes on publishing', idle: 9, psub: 1, since: 4, is: 'done' },
  { other: 'has been silent for longer than a health check', idle: 130, psub: 0, is: 'at work' },
])('a client whose process $other is $is', async ({ idle, psub, since = idle + 1, is }) => {
  const list = `id=4 addr=10.0.0.1:1 age=200 idle=${idle} flags=N db=1 psub=0 cmd=brpop
id=5 addr=10.0.0.1:2 age=200 idle=${idle} flags=N db=1 psub=0 cmd=exec
id=7 addr=10.0.0.1:3 age=199 idle=${since} flags=N db=1 psub=0 cmd=publish
id=9 addr=10.0.0.1:4 age=199 idle=${idle + 1} flags=P db=1 psub=${psub} cmd=psubscribe
`;
  expect(await statesOf(list)).toEqual([is]);
});

test('what another worker does and publishes does not end the silence of one at work', async () => {
  const list = `id=4 addr=10.0.0.1:1 age=20 idle=9 flags=N db=1 psub=0 cmd=brpop
id=5 addr=10.0.0.1:2 age=20 idle=9 flags=N db=1 psub=0 cmd=exec
id=6 addr=10.0.0.1:3 age=20 idle=0 flags=P db=1 psub=1 cmd=psubscribe
id=15 addr=10.0.0.1:4 age=18 idle=0 flags=b db=1 psub=0 cmd=brpop
id=16 addr=10.0.0.1:5 age=18 idle=0 flags=N db=1 psub=0 cmd=publish
`;
  expect(await statesOf(list)).toEqual(['at work', 'waiting']);
});

test('the connection of one worker is no evidence for another client', async () => {
  const worker = 'id=14 addr=10.0.0.1:1 age=9 idle=0 flags=b db=1 psub=0 cmd=brpop\n';
  const exec = 'id=15 addr=10.0.0.1:2 age=9 idle=3 flags=N db=1 psub=0 cmd=exec\n';
  const check = 'id=19 addr=10.0.0.1:3 age=8 idle=3 flags=N db=1 psub=0 cmd=brpop\n';
  expect(await statesOf(check + worker + exec)).toEqual(['done', 'waiting']);
});

test.each([
  { where: 'before', id: 4 },
  { where: 'behind', id: 12 },
])('a busy worker whose listener was opened $where its BRPOP is at work', async ({ id }) => {
  const client = (at: number, age: number, cmd: string, psub = 0, flags = 'N'): string =>
    `id=${at} addr=10.0.0.1:1 age=${age} idle=1 flags=${flags} db=1 psub=${psub} cmd=${cmd}\n`;
  const worker = [client(7, 3, 'brpop'), client(8, 3, 'exec'), client(9, 3, 'publish')];
  const other = [client(25, 2, 'brpop', 0, 'b'), client(29, 2, 'psubscribe', 1, 'P')];
  const listener = client(id, 3, 'psubscribe', 1, 'P');
  expect(await statesOf([...worker, listener, ...other].join(''))).toEqual(['at work', 'waiting']);
});

test("a worker's listener does not make a worker of the next client, nearer by its id", async () => {
  const client = (at: number, cmd: string, psub = 0, flags = 'N'): string =>
    `id=${at} addr=10.0.0.1:1 age=3 idle=1 flags=${flags} db=1 psub=${psub} cmd=${cmd}\n`;
  const worker = [client(4, 'brpop', 0, 'b'), client(9, 'psubscribe', 1, 'P'), client(10, 'sadd')];
  const check = [client(12, 'brpop'), client(13, 'exec'), client(15, 'publish')];
  expect(await statesOf([...worker, ...check].join(''))).toEqual(['waiting', 'done']);
});

test.each([
  ['a question before it is celery inspect', 'idle=4', true],
  ['heartbeats that go on are a worker’s', 'idle=1', false],
])('beside a client that has taken a message, %s', async (_, idle, asks) => {
  const client = 'id=4 addr=10.0.0.1:1 age=9 idle=4 flags=N db=1 psub=0 cmd=brpop\n';
  const other = `id=5 addr=10.0.0.1:2 age=9 ${idle} flags=N db=1 psub=0 cmd=publish\n`;
  const { popping } = await readClients(connectionWith(client + other), 1);
  expect(popping.map((one) => one.asks)).toEqual([asks]);
});
