import { describe, expect, test } from 'vitest';
import { interpolate } from '../config/interpolate.ts';
import { labelOf, urlText } from './redis-found.ts';
import { redisInEnvironment } from './redis-in-environment.ts';
import type { RedisUse } from './redis-in-environment.ts';

const PASSWORD = 'pass;word@1';

function read(
  entries: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): RedisUse {
  const lookup = (name: string): string | undefined => env[name];
  const values = Object.entries(entries).map(([name, text]) => [name, interpolate(text, lookup)]);
  return redisInEnvironment(
    new Map(values as [string, ReturnType<typeof interpolate>][]),
    undefined,
  );
}

describe('a broker as Celery has it', () => {
  test.each([
    ['redis://cache:6379//', 'cache:6379/0', 'redis://cache:6379/0'],
    ['redis://cache//2?socket_timeout=5', 'cache:6379/2', 'redis://cache:6379/2'],
    ['valkey://cache/2', 'cache:6379/2', 'redis://cache:6379/2'],
    [
      'rediss://cache/2?ssl_cert_reqs=CERT_NONE',
      'cache:6379/2',
      'rediss://cache:6379/2?ssl_cert_reqs=none',
    ],
    ['rediss://cache/2?ssl_cert_reqs=required', 'cache:6379/2', 'rediss://cache:6379/2'],
    [
      'redis+socket:///run/redis.sock?virtual_host=3',
      '/run/redis.sock/3',
      'unix:///run/redis.sock?db=3',
    ],
    ['unix:///run/redis.sock', '/run/redis.sock/0', 'unix:///run/redis.sock'],
    ['redis://host.docker.internal/1', '127.0.0.1:6379/1', 'redis://127.0.0.1:6379/1'],
  ])('%s', (url, label, text) => {
    const { broker, foreignBroker, notes } = read({ CELERY_BROKER_URL: url });
    expect(broker && [labelOf(broker), urlText(broker, '')]).toEqual([label, text]);
    expect(broker?.secret).toBeUndefined();
    expect([foreignBroker, notes]).toEqual([false, []]);
  });

  test.each([
    ['a variable of its own', { REDIS_SENTINEL_MASTER: 'mymaster' }],
    ['the transport options', { CELERY_BROKER_TRANSPORT_OPTIONS: '{"master_name": "mymaster"}' }],
  ])('sentinels, with the name of the master in %s', (_, more) => {
    const url = `sentinel://:\${PW}@a:26380/3;sentinel://:\${PW}@b`;
    const { broker, notes } = read({ CELERY_BROKER_URL: url, ...more }, { PW: PASSWORD });
    expect(broker).toMatchObject({
      master: 'mymaster',
      secret: { is: 'password', variable: 'PW', value: PASSWORD },
    });
    expect(broker && labelOf(broker)).toBe('mymaster@a:26380,b:26379/3');
    expect(broker && urlText(broker, ':${PW}@')).toBe(
      'sentinel://:${PW}@a:26380/3;sentinel://b:26379',
    );
    expect(notes).toEqual([]);
  });

  test('sentinels without a master are told with what to write, and without the password', () => {
    const url = `sentinel://:secret@a/3;sentinel://:secret@b`;
    const { broker, jobs, foreignBroker, notes } = read({
      ...{ CELERY_BROKER_URL: url, REDIS_URL: 'redis://cache/1' },
    });
    expect([broker, foreignBroker]).toEqual([undefined, true]);
    expect(jobs && labelOf(jobs)).toBe('cache:6379/1');
    expect(notes.join()).toContain('{ "sentinels": "sentinel://a/3;sentinel://b", "name": … }');
    expect(notes.join()).not.toContain('secret');
  });

  test('a password of the sentinels, and files of TLS, are told', () => {
    const { notes } = read({
      CELERY_BROKER_URL: 'sentinel://a/3',
      SENTINEL_MASTER_NAME: 'm',
      SENTINEL_PASSWORD: 'secret',
      REDIS_URL: 'rediss://cache/1?ssl_ca_certs=/certs/ca.pem',
    });
    expect(notes.join(' ')).toMatch(/"sentinelPassword": "\$\{SENTINEL_PASSWORD\}".*`tls` by hand/);
    expect(notes.join()).not.toContain('secret');
  });

  test('what is no Redis, or not to be read', () => {
    expect(read({ DOCKER_HOST: 'unix:///var/run/docker.sock' })).toMatchObject({
      ...{ jobs: undefined, broker: undefined, notes: [] },
    });
    expect(read({ CELERY_BROKER_URL: 'amqp://h' })).toMatchObject({ foreignBroker: true });
    const { broker, notes } = read({ CELERY_BROKER_URL: 'redis+socket:///r.sock?db=3' });
    expect(broker).toBeUndefined();
    expect(notes.join()).toContain('virtual_host');
  });
});
