import { describe, expect, test } from 'vitest';
import { isSentinelUrl, parseRedisUrl, parseSentinelUrls } from './redis-url.ts';
import type { Credentials, TlsOptions } from '../redis/target.ts';

const none = { credentials: undefined, tls: undefined };
const tcp = (host: string, db = 0, more: object = {}) => ({
  ...{ address: { host, port: 6379 }, db, ...none },
  ...more,
});
const socket = (path: string, db = 0, credentials?: Credentials) => ({
  ...{ address: { path }, db, ...none },
  credentials,
});
const secured = (tls: TlsOptions) => tcp('h', 1, { tls });

describe('a Redis URL', () => {
  test.each([
    ['redis://h', tcp('h')],
    ['redis://h/', tcp('h')],
    // Celery's documentation writes the virtual host, "/", as AMQP does.
    ['redis://h//', tcp('h')],
    ['redis://h:6379//3', tcp('h', 3)],
    ['redis://h/03', tcp('h', 3)],
    ['redis://h/3/', tcp('h', 3)],
    ['redis://h?db=5', tcp('h', 5)],
    ['redis://h/?db=5', tcp('h', 5)],
    ['redis://h/5?db=5', tcp('h', 5)],
    ['redis://h?virtual_host=/3', tcp('h', 3)],
    ['REDIS://h/2', tcp('h', 2)],
    ['valkey://h/2', tcp('h', 2)],
    ['valkeys://h/1', secured({})],
    [
      'redis://:p%40ss@h:6380/3',
      {
        address: { host: 'h', port: 6380 },
        db: 3,
        credentials: { username: undefined, password: 'p@ss' },
        tls: undefined,
      },
    ],
    [
      'rediss://user:secret@[::1]:7000/15',
      {
        address: { host: '::1', port: 7000 },
        db: 15,
        credentials: { username: 'user', password: 'secret' },
        tls: {},
      },
    ],
    ['rediss://h/1?ssl_cert_reqs=none', secured({ verify: false })],
    ['rediss://h/1?ssl_cert_reqs=CERT_NONE', secured({ verify: false })],
    ['rediss://h/1?ssl_cert_reqs=required', secured({ verify: true })],
    ['rediss://h/1?ssl_cert_reqs=CERT_OPTIONAL&ssl_check_hostname=true', secured({ verify: true })],
    [
      'rediss://h/1?ssl_ca_certs=%2Fvar%2Fca%20s.pem&ssl_certfile=/c.pem&ssl_keyfile=k.pem',
      secured({ ca: '/var/ca s.pem', cert: '/c.pem', key: 'k.pem' }),
    ],
    ['redis://h/1?socket_timeout=5&health_check_interval=30&protocol=3', tcp('h', 1)],
    ['unix:///run/redis.sock', socket('/run/redis.sock')],
    ['unix:///run/redis.sock?db=2', socket('/run/redis.sock', 2)],
    ['unix:///run//./my%20redis.sock', socket('/run/my redis.sock')],
    [
      'unix://u:p@/run/redis.sock?virtual_host=4',
      socket('/run/redis.sock', 4, { username: 'u', password: 'p' }),
    ],
    ['redis+socket:///run/redis.sock', socket('/run/redis.sock')],
    ['redis+socket:///run/redis.sock?virtual_host=3', socket('/run/redis.sock', 3)],
    ['redis+socket:///run/redis.sock?virtual_host=3&db=3', socket('/run/redis.sock', 3)],
    [
      'redis+socket://:p@/run/redis.sock?virtual_host=/3',
      socket('/run/redis.sock', 3, { username: undefined, password: 'p' }),
    ],
  ])('%s', (url, parsed) => {
    expect(parseRedisUrl(url)).toEqual(parsed);
  });

  test.each([
    ['http://h', /rediss:\/\/.*valkey:\/\/.*unix:\/\/.*redis\+socket:\/\//],
    ['socket:///run/redis.sock', /redis\+socket:\/\//],
    ['redis+sentinel://h', /must begin with/],
    ['sentinel://h:26379/1', /"sentinels".*"name"/],
    ['sentinel://:secret@a;sentinel://b', /"sentinels".*"name"/],
    ['redis://a/1;redis://b/1', /several servers/],
    ['redis://a,b/1', /several servers/],
    ['redis://', /no host/],
    ['redis:///3', /no host/],
    ['redis://h/x', /no number/],
    ['redis://h/1/2', /no number/],
    ['redis://h/-1', /no number/],
    ['redis://h:0/1', /port 0/],
    ['redis://h:99999/1', /port/],
    ['redis://secret@h', /password/],
    ['redis://:secret#1@h', /percent-encode/],
    ['redis://user:12#secret@h', /%23/],
    ['redis://:sec%ret@h', /%25/],
    ['redis://h/1?db=2', /two databases/],
    ['redis://h?db=1&virtual_host=2', /two databases/],
    ['redis://h?db=1&db=1', /twice/],
    ['redis://h?secret=1', /unknown parameter.*virtual_host.*ssl_cert_reqs/],
    ['redis://h?DB=3', /unknown parameter/],
    ['redis://h/1?password=secret', /redis:\/\/user:password@host/],
    ['redis://h/1?ssl_cert_reqs=none', /rediss:\/\//],
    ['rediss://h/1?ssl_cert_reqs=secret', /none, optional or required/],
    ['rediss://h/1?ssl_check_hostname=false', /servername/],
    ['rediss://h/1?ssl_min_version=771', /unknown parameter/],
    ['unix:///run/redis.sock?ssl_cert_reqs=none', /no TLS/],
    ['unix://run/redis.sock', /absolute path/],
    ['unix://socket/run/redis.sock', /absolute path/],
    ['unix:///', /absolute path/],
    // kombu 5.2 to 5.6 connect to database 0 there, Celery's result backend to 3.
    ['redis+socket:///run/redis.sock?db=3', /virtual_host=n.*unix:\/\//],
  ])('%s is refused, and the message does not repeat it', (url, said) => {
    expect(() => parseRedisUrl(url)).toThrow(said);
    try {
      parseRedisUrl(url);
    } catch (error) {
      expect(String(error)).not.toMatch(/sec(?!ond)/);
    }
  });
});

describe('URLs of sentinels', () => {
  const at = (host: string, port = 26_379) => ({ address: { host, port } });

  test('as Celery writes them', () => {
    expect(parseSentinelUrls('sentinel://:p@a:26380/3;sentinel://b ; sentinel://c')).toMatchObject([
      { ...at('a', 26_380), db: 3, isCelery: true, credentials: { password: 'p' } },
      { ...at('b'), db: undefined, isCelery: true, credentials: undefined },
      at('c'),
    ]);
    expect(isSentinelUrl('sentinel://a;sentinel://b')).toBe(true);
    expect(isSentinelUrl('redis://sentinel://b')).toBe(false);
  });

  test('as URLs of a Redis, with the port of sentinels', () => {
    expect(parseSentinelUrls('rediss://a')).toMatchObject([
      { ...at('a'), tls: {}, isCelery: false },
    ]);
  });

  test.each([
    ['sentinel://a;unix:///run/redis.sock', /not a socket/],
    ['sentinel://a;b:26379', /must begin with sentinel/],
    ['sentinel://a;', /must begin with sentinel/],
    ['sentinel://a?ssl_cert_reqs=none', /rediss:\/\/.*`tls`/],
  ])('%s is refused', (url, said) => {
    expect(() => parseSentinelUrls(url)).toThrow(said);
  });
});
