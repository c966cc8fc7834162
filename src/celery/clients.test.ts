import { expect, test } from 'vitest';
import type { RedisConnection } from '../redis/connect.ts';
import { countWaiting, parseClientList } from './clients.ts';

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

test('only those that are blocked in this database are waiting', async () => {
  const connection = {
    send: async () => Promise.resolve(Buffer.from(LIST)),
  } as unknown as RedisConnection;
  expect(await countWaiting(connection, 1)).toBe(1);
  expect(await countWaiting(connection, 3)).toBe(0);
});
