import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { CannotStart } from '../errors.ts';
import { targetIdentity } from '../redis/target.ts';
import type { RedisTarget } from '../redis/target.ts';
import { loadConfig } from './load.ts';
import type { ServiceConfig } from './types.ts';

const shipped = fileURLToPath(new URL('../../cleanup.config.json', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'media-cleanup-load-'));
afterAll(() => rmSync(directory, { recursive: true }));
const file = join(directory, 'cleanup.config.json');

function load(
  source: unknown,
  env: Readonly<Record<string, string | undefined>> = {},
): readonly ServiceConfig[] {
  writeFileSync(file, typeof source === 'string' ? source : JSON.stringify(source));
  return loadConfig({ file, env }).services;
}

function messageOf(name: string): string {
  try {
    loadConfig({ file: name, env: {} });
  } catch (error) {
    if (error instanceof CannotStart) return `${error.exitCode} ${error.message}`;
    throw error;
  }
  return 'loads';
}

const server = (host: string, db: number) => ({
  kind: 'server',
  address: { host, port: 6379 },
  db,
  credentials: undefined,
  tls: undefined,
});
const plain = (path: string) => ({
  path,
  mustBeMounted: false,
  marker: undefined,
  keep: [],
  optional: false,
});

test('the shipped file with an empty environment', () => {
  const service = (
    name: string,
    db: number,
    keyPrefix: string,
    queue: string,
    directories: readonly string[],
    models: readonly string[] = [],
  ) => ({
    name,
    redis: server('127.0.0.1', db),
    keyPrefixes: [keyPrefix],
    jobKeys: 'named',
    indexKeys: [],
    foreignKeyPrefixes: [],
    timeZone: undefined,
    celery: {
      queues: [queue],
      broker: server('127.0.0.1', db),
      results: 'own',
      globalKeyPrefix: '',
    },
    root: join(dirname(shipped), 'services', name),
    rootConfigured: true,
    directories: directories.map(plain),
    models: models.map(plain),
  });
  expect(loadConfig({ file: shipped, env: {} })).toEqual({
    file: shipped,
    services: [
      service(
        'audio-transcriber',
        3,
        'transcription_job:',
        'audio_transcriber_queue',
        ['uploads', 'transcriptions', 'temp'],
        ['models'],
      ),
      service('audio-normalization', 2, 'normalization_job:', 'audio_normalization_queue', [
        'uploads',
        'processed',
        'temp',
      ]),
      service('video-downloader', 1, 'video_job:', 'video_downloader_queue', [
        'cache',
        'downloads',
        'temp',
      ]),
    ],
  });
});

test('the environment decides only where the file says so', () => {
  const env = {
    REDIS_URL: 'redis://production/0',
    VIDEO_DOWNLOADER_REDIS_URL: 'redis://elsewhere/7',
    AUDIO_TRANSCRIBER_REDIS_URL: '',
  };
  const { services } = loadConfig({ file: shipped, env });
  expect(services.map((service) => service.redis)).toEqual([
    server('127.0.0.1', 3),
    server('127.0.0.1', 2),
    server('elsewhere', 7),
  ]);
});

test('defaults of a service with files only', () => {
  expect(load({ services: { files: { directories: ['d', '/abs/*/cache'] } } })).toEqual([
    {
      name: 'files',
      redis: undefined,
      keyPrefixes: [],
      jobKeys: 'none',
      indexKeys: [],
      foreignKeyPrefixes: [],
      timeZone: undefined,
      celery: undefined,
      root: directory,
      rootConfigured: false,
      directories: [plain('d'), plain('/abs/*/cache')],
      models: [],
    },
  ]);
});

test('a directory with conditions', () => {
  const entry = { path: 'm', mustBeMounted: true, marker: '.media-cleanup', keep: ['*.keep'] };
  expect(load({ services: { a: { models: [entry] } } })[0]?.models).toEqual([
    { ...entry, optional: false },
  ]);
  const optional = { ...entry, optional: true };
  expect(load({ services: { a: { models: [optional] } } })[0]?.models).toEqual([optional]);
});

test('whether the file says which keys are jobs', () => {
  const jobKeysOf = (service: object) => load({ services: { a: service } })[0]?.jobKeys;
  const redis = 'redis://h';
  expect(jobKeysOf({ redis, keyPrefix: 'job:' })).toBe('named');
  expect(jobKeysOf({ redis, keyPrefix: [] })).toBe('none');
  expect(jobKeysOf({ redis, directories: ['d'] })).toBe('not said');
  expect(jobKeysOf({ redis, celery: { queues: ['q'] } })).toBe('not said');
  expect(jobKeysOf({ celery: { broker: redis, queues: ['q'] } })).toBe('none');
});

test('index keys are names or patterns', () => {
  const indexKeysOf = (indexKeys: unknown) =>
    load({ services: { a: { redis: 'redis://h', keyPrefix: 'a:job:', indexKeys } } })[0]?.indexKeys;
  expect(indexKeysOf('a:jobs:list')).toEqual(['a:jobs:list']);
  expect(indexKeysOf(['a:jobs:*', 'a:by-[ab]'])).toEqual(['a:jobs:*', 'a:by-[ab]']);
});

test('a byte order mark is no mistake', () => {
  expect(load('\uFEFF{ "services": { "a": { "directories": ["d"] } } }')).toHaveLength(1);
});

test('variables are expanded in every value, and only there', () => {
  const env = { NAME: 'x', EMPTY: '' };
  const directories = ['${NAME}/${EMPTY:-y:-$z}', '$NAME $$', '${NOWHERE:-}q'];
  const [service] = load({ services: { a: { root: '/r/${NAME}', directories } } }, env);
  expect(service?.root).toBe('/r/x');
  expect(service?.directories.map(({ path }) => path)).toEqual(['x/y:-$z', '$NAME $$', 'q']);
});

test('what a variable holds is not expanded again, and inherited properties are no variables', () => {
  const [service] = load({ services: { a: { directories: ['${A}'] } } }, { A: '${B}', B: 'no' });
  expect(service?.directories[0]?.path).toBe('${B}');
  expect(() => load({ services: { a: { directories: ['${constructor}'] } } })).toThrow(CannotStart);
});

test('a prefix that another of the same service covers is left out, so that no job counts twice', () => {
  const [service] = load({
    services: { a: { redis: 'redis://h', keyPrefix: ['job:audio:', 'job:', 'x:'] } },
  });
  expect(service?.keyPrefixes).toEqual(['job:', 'x:']);
});

test("other programs' prefixes, one or several", () => {
  const foreignOf = (foreignKeyPrefixes: unknown) =>
    load({ services: { a: { redis: 'redis://h', keyPrefix: 'job:', foreignKeyPrefixes } } })[0]
      ?.foreignKeyPrefixes;
  expect(foreignOf('cache:')).toEqual(['cache:']);
  expect(foreignOf(['cache:', 'jobs', 'session:'])).toEqual(['cache:', 'jobs', 'session:']);
});

test.each(['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'US/Eastern', 'Etc/GMT+5', 'europe/berlin'])(
  'time zone %s',
  (timeZone) => {
    const [service] = load(
      { services: { a: { timeZone: '${ZONE}', directories: ['d'] } } },
      {
        ZONE: timeZone,
      },
    );
    expect(service?.timeZone).toBe(timeZone);
  },
);

describe('forms of redis', () => {
  const redisOf = (redis: unknown) =>
    load({ services: { a: { redis, keyPrefix: 'job:' } } })[0]?.redis;
  const credentials = { username: 'u', password: 'p' };

  test('TLS by the scheme alone', () => {
    expect(redisOf('rediss://h/1')).toEqual({ ...server('h', 1), tls: {} });
  });

  test('TLS with files relative to the config file', () => {
    mkdirSync(join(directory, 'tls'));
    for (const name of ['ca', 'cert', 'key']) writeFileSync(join(directory, 'tls', name), '');
    const tls = { ca: 'tls/ca', cert: './tls/cert', key: 'tls/key', servername: 'redis' };
    expect(redisOf({ url: 'rediss://h', tls })).toEqual({
      ...server('h', 0),
      tls: {
        ca: join(directory, 'tls/ca'),
        cert: join(directory, 'tls/cert'),
        key: join(directory, 'tls/key'),
        servername: 'redis',
      },
    });
  });

  test('a cluster', () => {
    expect(redisOf({ cluster: ['redis://u:p@a:7000', 'redis://u:p@b'] })).toEqual({
      kind: 'cluster',
      nodes: [
        { host: 'a', port: 7000 },
        { host: 'b', port: 6379 },
      ],
      credentials,
      tls: undefined,
    });
  });

  test('sentinels: their port by default, their credentials for the server too', () => {
    const sentinels = ['rediss://u:p@a', 'rediss://u:p@b:6379'];
    expect(redisOf({ sentinels, name: 'main', db: 2 })).toEqual({
      kind: 'sentinel',
      sentinels: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 6379 },
      ],
      name: 'main',
      db: 2,
      credentials,
      sentinelCredentials: credentials,
      tls: {},
    });
  });

  test('sentinels as Celery writes them, with a password of their own', () => {
    const sentinels = 'sentinel://u:p@a:26380/2;sentinel://b';
    const own = { sentinelUsername: 'watch', sentinelPassword: 'q' };
    expect(redisOf({ sentinels, name: 'main', ...own })).toEqual({
      kind: 'sentinel',
      sentinels: [
        { host: 'a', port: 26380 },
        { host: 'b', port: 26379 },
      ],
      name: 'main',
      db: 2,
      credentials,
      sentinelCredentials: { username: 'watch', password: 'q' },
      tls: undefined,
    });
    expect(redisOf({ sentinels: sentinels.split(';'), name: 'main', ...own })).toEqual(
      redisOf({ sentinels, name: 'main', db: 2, ...own }),
    );
  });

  test('TLS options of the URL, with files relative to the config file', () => {
    for (const name of ['ca', 'cert', 'key']) writeFileSync(join(directory, name), '');
    const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) => join(directory, name));
    const files = 'ssl_ca_certs=ca&ssl_certfile=cert&ssl_keyfile=./key';
    expect(redisOf(`rediss://h/1?ssl_cert_reqs=required&${files}`)).toEqual({
      ...server('h', 1),
      tls: { ca, cert, key },
    });
    const unchecked = { ...server('h', 1), tls: { verify: false } };
    expect(redisOf('rediss://h/1?ssl_cert_reqs=CERT_NONE')).toEqual(unchecked);
    expect(redisOf({ url: 'valkeys://h/1', tls: { verify: false } })).toEqual(unchecked);
    const cluster = redisOf({ cluster: ['rediss://a', 'rediss://b'], tls: { verify: false } });
    expect(cluster).toMatchObject({ kind: 'cluster', tls: { verify: false } });
  });

  test('one database in two spellings is one database', () => {
    const spellings = [
      ['redis://h//', 'redis://H:6379/0?socket_timeout=3', 'valkey://h./'],
      ['redis+socket:///run/r.sock?virtual_host=3', 'unix:///run//r.sock?db=3'],
    ];
    for (const [first, ...others] of spellings) {
      const identity = (url: unknown): string => targetIdentity(redisOf(url) as RedisTarget);
      for (const other of others) expect(identity(other)).toBe(identity(first));
    }
  });

  test('a broker of its own needs no redis', () => {
    const celery = { queues: ['q'], broker: 'unix:///run/redis.sock?db=4' };
    const [service] = load({ services: { a: { celery } } });
    expect(service?.redis).toBeUndefined();
    expect(service?.celery?.broker).toMatchObject({ address: { path: '/run/redis.sock' }, db: 4 });
  });
});

describe('files that cannot be read', () => {
  const reason = (name: string, text: string) => `2 cannot read the config file ${name}: ${text}`;

  test('missing', () => {
    const name = join(directory, 'missing.json');
    expect(messageOf(name)).toBe(reason(name, 'it does not exist'));
  });

  test('a directory', () => {
    expect(messageOf(directory)).toBe(
      reason(directory, 'it is a directory, name the file inside it'),
    );
  });

  test('a device', () => {
    expect(messageOf('/dev/zero')).toBe(reason('/dev/zero', 'it is not a file'));
  });

  test('not UTF-8', () => {
    const name = join(directory, 'latin1.json');
    writeFileSync(name, Buffer.from('{ "services": "\xe4" }', 'latin1'));
    expect(messageOf(name)).toBe(reason(name, 'it is not UTF-8 text, save it as UTF-8'));
  });

  test('far too long', () => {
    const name = join(directory, 'long.json');
    writeFileSync(name, Buffer.alloc(2 ** 20 + 1, ' '));
    expect(messageOf(name)).toBe(reason(name, 'it is larger than 1 MiB, so it is no config'));
  });

  test('no permission', () => {
    const name = join(directory, 'secret.json');
    writeFileSync(name, '{}');
    chmodSync(name, 0);
    chmodSync(directory, 0o755);
    expect(asAnyUser(() => messageOf(name))).toBe(
      reason(name, 'permission denied, run as a user who may read it'),
    );
  });
});

test('the shipped file is the one of the contract', () => {
  const parsed = JSON.parse(readFileSync(shipped, 'utf8')) as { services: object };
  expect(Object.keys(parsed)).toEqual(['$schema', 'services']);
  expect(Object.keys(parsed.services)).toEqual([
    'audio-transcriber',
    'audio-normalization',
    'video-downloader',
  ]);
});

/** Root may read everything, so for root the work is done as nobody. */
function asAnyUser<T>(work: () => T): T {
  if (process.getuid?.() !== 0) return work();
  process.seteuid?.(65534);
  try {
    return work();
  } finally {
    process.seteuid?.(0);
  }
}
