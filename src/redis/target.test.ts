import { expect, test } from 'vitest';
import { targetIdentity, targetLabel } from './target.ts';
import type { Credentials, RedisTarget } from './target.ts';

const server = (host: string, port = 6379, db = 0, credentials?: Credentials): RedisTarget => ({
  kind: 'server',
  address: { host, port },
  db,
  credentials,
  tls: undefined,
});

test('labels name host, port and database, never a password', () => {
  const secret = { username: 'u', password: 'secret' };
  expect(targetLabel(server('h', 6380, 3, secret))).toBe('h:6380/3');
  expect(targetLabel(server('::1'))).toBe('[::1]:6379/0');
  expect(
    targetLabel({
      kind: 'sentinel',
      sentinels: [{ host: 'a', port: 26379 }],
      name: 'main',
      db: 1,
      sentinelCredentials: secret,
      credentials: secret,
      tls: undefined,
    }),
  ).toBe('main@a:26379/1');
});

test.each([
  'localhost',
  'localhost.',
  'LOCALHOST',
  'redis.localhost',
  '127.1',
  '127.0.1',
  '127.0.0.2',
  '2130706433',
  '0x7f000001',
  '0177.0.0.1',
  '0.0.0.0',
  '0',
  '::1',
  '::',
  '0:0:0:0:0:0:0:1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
])('%s is this host', (host) => {
  expect(targetIdentity(server(host))).toBe(targetIdentity(server('127.0.0.1')));
});

test.each([
  ['redis.example', 'REDIS.example.'],
  ['10.0.0.1', '10.1'],
  ['fe80::1', 'FE80:0::1'],
])('%s and %s are one host', (one, other) => {
  expect(targetIdentity(server(one))).toBe(targetIdentity(server(other)));
});

test.each(['10.0.0.1', '128.0.0.1', 'localhost.example', 'notlocalhost', '::2', '::ffff:10.0.0.1'])(
  '%s is another host',
  (host) => {
    expect(targetIdentity(server(host))).not.toBe(targetIdentity(server('127.0.0.1')));
  },
);

test('loopback by any name is one server; databases and ports differ', () => {
  expect(targetIdentity(server('localhost'))).toBe(targetIdentity(server('127.0.0.1')));
  expect(targetIdentity(server('LOCALHOST'))).toBe(targetIdentity(server('::1')));
  expect(targetIdentity(server('h', 6379, 1))).not.toBe(targetIdentity(server('h', 6379, 2)));
  expect(targetIdentity(server('h', 1))).not.toBe(targetIdentity(server('h', 2)));
});
