import { expect, test } from 'vitest';
import type { RedisConnection } from '../redis/connect.ts';
import { parseClientList, readClients } from './clients.ts';

const LIST = `id=3 addr=127.0.0.1:54810 name= idle=1 flags=b db=1 psub=0 cmd=brpop user=default
id=4 addr=127.0.0.1:54811 name= idle=1 flags=N db=1 psub=0 cmd=brpop user=default
id=5 addr=127.0.0.1:54812 name= idle=1 flags=b db=2 psub=0 cmd=brpop user=default
id=6 addr=127.0.0.1:54813 name=a=b idle=1 flags=P db=1 psub=1 cmd=psubscribe user=default
`;

test('clients by the names that Redis gives the fields', () => {
  const clients = parseClientList(LIST);
  expect(clients).toHaveLength(4);
  expect(clients[3]).toMatchObject({ id: '6', name: 'a=b', db: '1', cmd: 'psubscribe' });
});

test('waiting, listening, and names', async () => {
  const connection = {
    send: async () => Promise.resolve(Buffer.from(LIST)),
  } as unknown as RedisConnection;
  const names = new Set(['a=b']);
  expect(await readClients(connection, 1)).toEqual({
    waiting: 1,
    consumers: 2,
    subscribers: '6',
    names,
  });
  expect(await readClients(connection, 3)).toEqual({
    waiting: 0,
    consumers: 0,
    subscribers: '',
    names,
  });
});
