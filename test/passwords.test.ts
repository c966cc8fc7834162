/**
 * Whatever goes wrong, and however much is asked to be told: no password is printed, logged or
 * stored, not even a part of it, in no encoding.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createAuthority } from './support/certificates.ts';
import { makeFiles } from './support/config-file.ts';
import type { Result } from './support/confine.ts';
import { testFolder } from './support/folder.ts';
import { freePort, startRedis, type RedisOptions, type TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { FIRST, SECOND, tracesIn, tracesInFiles } from './support/secret.ts';
import { runTool, toolEnvironment } from './support/tool.ts';

const PLAIN = FIRST + SECOND;
const SPECIAL = `${FIRST}:/?#[]@!$&'()*+,;=%^{}|\\"<>~ ü€ ${SECOND}`;
const ENCODED = encodeURIComponent(SPECIAL);
/** The URL of nobody, in whose place a config error stands. */
const NOWHERE = `redis://:${PLAIN}@127.0.0.1:1/0`;

/** What makes Node or a library talk; not `stream`, by which Node shows every byte that comes. */
const TALKATIVE = {
  DEBUG: '*,ioredis:*',
  NODE_DEBUG: 'net,tls',
  NODE_OPTIONS: '--trace-warnings --stack-trace-limit=50',
};

const WIPE = ['all', '--yes', '--verbose'];
/** Besides the wipe of everything: each failure is met by one of them in turn. */
const OTHERS: readonly (readonly string[])[] = [
  ['stats', 'all', '--json'],
  ['all', '--yes', '--json', '--strict'],
  ['doctor'],
  ['all', '--dry-run'],
  ['stats', 'all'],
  ['doctor', '--json'],
  ['all', '--yes', '--quiet', '--only', 'queue', '--max-jobs', '1'],
  ['all', '--dry-run', '--json'],
  ['all', '--yes', '--wait-idle', '1s', '--verify-for', '1s'],
];
let turn = 0;

interface Run {
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the tool in this folder, with a config; no word of the password comes out of it. */
async function run(args: readonly string[], { folder, env = {} }: Run): Promise<Result> {
  const result = await runTool(args, {
    folder,
    cwd: join(folder, 'config'),
    env: { ...toolEnvironment(folder), ...TALKATIVE, ...env },
    timeout: 20_000,
  });
  const traces = [
    ...tracesIn(result.stdout).map((trace) => `stdout of ${args.join(' ')}: ${trace}`),
    ...tracesIn(result.stderr).map((trace) => `stderr of ${args.join(' ')}: ${trace}`),
    ...tracesInFiles(folder, (path) => path.startsWith(join(folder, 'config'))),
  ];
  const said = `${args.join(' ')}\n${result.stdout}\n${result.stderr}`;
  expect(traces, traces.length === 0 ? '' : said).toEqual([]);
  return result;
}

/** The next of the others. */
function other(): readonly string[] {
  return OTHERS[turn++ % OTHERS.length] ?? WIPE;
}

/** Runs with this config in a folder of its own. */
async function runWith(
  text: string,
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
): Promise<Result> {
  const folder = testFolder();
  makeFiles(join(folder, 'uploads'), 1);
  const file = join(folder, 'config/cleanup.config.json');
  mkdirSync(dirname(file));
  writeFileSync(file, text);
  return await run(args, { folder, ...(env === undefined ? {} : { env }) });
}

/** Wipes with this config, and does one other thing beside it. @returns the wipe's result. */
async function wipeWith(text: string): Promise<Result> {
  // Whichever of the two is first at the Redis has its lock.
  const patient = [...WIPE, '--lock-wait', '20s'];
  const [wiped] = await Promise.all([runWith(text, patient), runWith(text, other())]);
  return wiped;
}

/** A service with jobs, a queue and a directory that uses this `redis`. */
function withRedis(redis: unknown, more: object = {}): string {
  const service = {
    redis,
    keyPrefix: 'job:',
    celery: { queues: ['service_queue'] },
    root: '..',
    directories: ['uploads'],
    ...more,
  };
  return JSON.stringify({ services: { service } }, undefined, 2);
}

describe('the search for traces', () => {
  test.each([
    ['in plain', PLAIN],
    ['in small letters, as a host name is', `redis://${PLAIN.toLowerCase()}/`],
    ['a part', `…${SECOND}@127.0.0.1`],
    ['percent-encoded', ENCODED],
    ['in base64', Buffer.from(PLAIN).toString('base64')],
    ['in base64 behind a user', Buffer.from(`user:${PLAIN}`).toString('base64')],
    ['in base64 behind a longer user', Buffer.from(`user1:${SPECIAL}`).toString('base64url')],
    ['in hexadecimal', Buffer.from(`AUTH ${PLAIN}\r\n`).toString('hex')],
    ['in the bytes of a Buffer', `<Buffer ${[...Buffer.from(PLAIN)].map(toHex).join(' ')}>`],
  ])('finds it %s', (_, text) => {
    expect(tracesIn(`before ${text} after`)).not.toEqual([]);
    const folder = testFolder();
    mkdirSync(join(folder, 'state/runs'), { recursive: true });
    writeFileSync(join(folder, 'state/runs/log'), `before ${text} after`);
    expect(tracesInFiles(folder, () => false)).not.toEqual([]);
  });

  test('finds what a command prints and what it stores', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'config'));
    const script = join(folder, 'talkative.mjs');
    const tried = async (what: string): Promise<readonly string[]> => {
      writeFileSync(script, `const word = ${JSON.stringify(SPECIAL)};\n${what}`);
      const options = { folder, cwd: folder, tool: script, env: toolEnvironment(folder) };
      const { stdout, stderr } = await runTool([], options);
      return [...tracesIn(stdout + stderr), ...tracesInFiles(folder, (path) => path === script)];
    };
    expect(await tried('')).toEqual([]);
    expect(await tried('console.log(word)')).not.toEqual([]);
    expect(await tried('console.error(encodeURIComponent(word))')).not.toEqual([]);
    expect(await tried('console.log(btoa(encodeURIComponent(word)))')).not.toEqual([]);
    expect(await tried('(await import("node:fs")).writeFileSync("new file", word)')).not.toEqual(
      [],
    );
  });
});

function toHex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

describe('a config error', () => {
  const url = (rest: string): string => withRedis(`redis://:${PLAIN}@${rest}`);
  const open = '${';
  const cases: readonly [name: string, text: string, env?: Readonly<Record<string, string>>][] = [
    ['a port that is none', url('127.0.0.1:99999/0')],
    ['an encoded password and a port that is none', withRedis(`redis://:${ENCODED}@h:99999/0`)],
    ['another scheme', withRedis(`http://user:${PLAIN}@127.0.0.1:6379/0`)],
    ['no scheme', withRedis(`:${PLAIN}@127.0.0.1:6379/0`)],
    ['a "#" in the password', withRedis(`redis://:${FIRST}#${SECOND}@127.0.0.1:6379/0`)],
    ['a "?" in the password', withRedis(`redis://:${FIRST}?${SECOND}@127.0.0.1:6379/0`)],
    ['a "?" and a "=" in the password', withRedis(`redis://:${FIRST}?${SECOND}=1@127.0.0.1/0`)],
    ['a "/" in the password', withRedis(`redis://:${FIRST}/${SECOND}@127.0.0.1:6379/0`)],
    ['a "/" and digits in the password', withRedis(`redis://${FIRST}:12/${SECOND}@127.0.0.1/0`)],
    ['a "%" in the password', withRedis(`redis://:${FIRST}%zz${SECOND}@127.0.0.1:6379/0`)],
    ['the password for the user', withRedis(`redis://${PLAIN}@127.0.0.1:6379/0`)],
    ['a database that is no number', url('127.0.0.1:6379/zero')],
    ['two databases', url('127.0.0.1:6379/1?db=2')],
    ['the password as a parameter', withRedis(`redis://127.0.0.1/0?password=${PLAIN}`)],
    ['a socket that is relative', withRedis(`unix://:${PLAIN}@redis.sock?db=1`)],
    ['an object with another scheme', withRedis({ url: `https://:${PLAIN}@127.0.0.1` })],
    ['a list', withRedis([NOWHERE])],
    ['an unknown key beside the URL', withRedis({ url: NOWHERE, password: PLAIN })],
    ['an unknown key of the service', withRedis(NOWHERE, { redisUrl: NOWHERE, secret: PLAIN })],
    ['a key in the place of the value', withRedis({ [NOWHERE]: true })],
    ['TLS options without TLS', withRedis({ url: NOWHERE, tls: {} })],
    [
      'a certificate that is not there',
      withRedis({ url: NOWHERE.replace('redis', 'rediss'), tls: { ca: 'none.pem' } }),
    ],
    ['an error elsewhere', withRedis(NOWHERE, { keyPrefix: '', directories: [''] })],
    ['a broker that is no Redis', withRedis(NOWHERE, broker(`amqp://guest:${PLAIN}@h:5672//`))],
    ['a broker with an error', withRedis(NOWHERE, broker(`redis://:${ENCODED}@127.0.0.1:0/0`))],
    ['a cluster with a database', withRedis({ cluster: [`redis://:${PLAIN}@127.0.0.1:1/3`] })],
    ['a cluster with two passwords', withRedis({ cluster: [NOWHERE, `redis://:${ENCODED}@h:1`] })],
    ['a sentinel with an error', withRedis({ sentinels: [`redis//:${PLAIN}@h`], name: 'm' })],
    ['a comma too much', withRedis(NOWHERE).replace('"job:"', ',')],
    ['an unclosed string', withRedis(NOWHERE).replace('127.0.0.1:1/0"', '127.0.0.1:1/0')],
    ['a string without quotes', withRedis(NOWHERE).replace(`"${NOWHERE}"`, NOWHERE)],
    ['single quotes', withRedis(NOWHERE).replace(`"${NOWHERE}"`, `'${NOWHERE}'`)],
    ['the same key twice', withRedis(NOWHERE).replace('{', `{"services": "${NOWHERE}",`)],
    ['the URL in the environment', withRedis(`${open}URL}`), { URL: `redis://:${PLAIN}@h:99999` }],
    [
      'the password in the environment, unencoded',
      withRedis(`redis://:${open}PASSWORD}@127.0.0.1:6379/0`),
      { PASSWORD: SPECIAL },
    ],
    ['a default with an error', withRedis(`${open}URL:-redis://:${PLAIN}@127.0.0.1:99999/0}`)],
    ['a variable that is not set', withRedis(`redis://:${PLAIN}@${open}HOST}:6379/0`)],
    ['a variable without an end', withRedis(`redis://:${PLAIN}@${open}HOST:6379/0`)],
    ['a "${" in the password', withRedis(`redis://:${FIRST}${open}${SECOND}@127.0.0.1:6379/0`)],
    [
      'two services with the same keys',
      JSON.stringify({
        services: Object.fromEntries(
          ['one', 'two'].map((name) => [name, { redis: NOWHERE, keyPrefix: 'job:' }]),
        ),
      }),
    ],
  ];

  function broker(url: string): object {
    return { celery: { queues: ['service_queue'], broker: url } };
  }

  test.each(cases)('%s', async (_, text, env) => {
    // All commands read the config before they do anything else.
    const { code, stdout, stderr } = await runWith(text, other(), env);
    expect(code, stderr).toBe(2);
    expect(stdout + stderr).toMatch(/config/i);
  });
});

/** A server that answers every command the same way; its port. */
async function serve(answer: (command: string, socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data) => answer(data.toString(), socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function redisWith(options: RedisOptions): Promise<TestRedis> {
  const redis = await startRedis(testFolder(), options);
  onTestFinished(async () => await redis.stop());
  redis.cli('-n', '1', 'SET', 'job:1', 'x');
  return redis;
}

function urlOf(port: number, password = PLAIN, user = ''): string {
  return `redis://${user}:${password}@127.0.0.1:${port}/1`;
}

const answering =
  (line: string): (() => Promise<unknown>) =>
  async () =>
    urlOf(await serve((_, socket) => socket.write(`-${line}\r\n`)), ENCODED);

/** An error that tells what was sent, as a line; `quoted` as Redis quotes it in its own texts. */
const echoing =
  (start: string, change: (text: string) => string = (text) => text): (() => Promise<unknown>) =>
  async () => {
    const port = await serve((command, socket) => {
      const words = command.split('\r\n').filter((word) => !/^[*$]\d+$/.test(word));
      socket.write(`-${start}${words.map(change).join(' ')}\r\n`);
    });
    return urlOf(port, ENCODED, 'someone');
  };

/** `sdscatrepr` of Redis, for the characters of SPECIAL. */
function quoted(word: string): string {
  const bytes = [...Buffer.from(word)].map((byte) => {
    if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
    return byte < 0x20 || byte > 0x7e ? `\\x${toHex(byte)}` : String.fromCharCode(byte);
  });
  return `"${bytes.join('')}"`;
}

describe('a server that is none', () => {
  test.each<readonly [name: string, redis: () => Promise<unknown>, said: RegExp]>([
    ['refuses', async () => urlOf(await freePort()), /refused/i],
    [
      'refuses, with an "@" in the password',
      async () => urlOf(await freePort(), `${FIRST}@${SECOND}`),
      /refused/i,
    ],
    [
      'refuses, with everything in the password',
      async () => urlOf(await freePort(), ENCODED),
      /refused/i,
    ],
    ['is not found', async () => `redis://:${ENCODED}@redis.invalid/1`, /not found/i],
    ['never answers', async () => urlOf(await serve(() => undefined)), /No answer/i],
    ['closes', async () => urlOf(await serve((_, socket) => socket.destroy())), /lost/i],
    [
      'talks garbage',
      async () => urlOf(await serve((_, socket) => socket.write('HTTP/1.1 400\r\n'))),
      /protocol/i,
    ],
    [
      'sends all back',
      async () => urlOf(await serve((data, socket) => socket.write(data)), ENCODED, 'someone'),
      /ERROR/,
    ],
    [
      'sends all back as text',
      async () =>
        urlOf(await serve((data, socket) => socket.write(`+${data}`)), ENCODED, 'someone'),
      /ERROR/,
    ],
    [
      'sends all back as no protocol',
      async () =>
        urlOf(
          await serve((data, socket) => socket.write(`?${data.replaceAll('\r\n', ' ')}\r\n`)),
          ENCODED,
          'someone',
        ),
      /ERROR/,
    ],
    ['repeats AUTH in its error', echoing('ERR unknown: '), /ERROR/],
    ['repeats AUTH in quotes', echoing('ERR unknown: ', quoted), /ERROR/],
    ['repeats AUTH in JSON', echoing('ERR unknown: ', JSON.stringify), /ERROR/],
    ['repeats AUTH percent-encoded', echoing('ERR unknown: ', encodeURIComponent), /ERROR/],
    [
      'repeats AUTH in another case',
      echoing('ERR unknown: ', (text) => text.toUpperCase()),
      /ERROR/,
    ],
    ['repeats AUTH in WRONGPASS', echoing('WRONGPASS '), /ERROR/],
    ['repeats AUTH in NOPERM', echoing('NOPERM '), /ERROR/],
    ['repeats AUTH in an error code', echoing(''), /ERROR/],
    ['has no place', answering('ERR max number of clients reached'), /maximum/i],
    ['is loading', answering('LOADING Redis is loading the dataset in memory'), /loading/i],
    ['is busy', answering('BUSY Redis is busy running a script'), /busy/i],
    ['has lost its primary', answering('MASTERDOWN Link with MASTER is down'), /primary/i],
    [
      'no sentinel',
      async () => ({ sentinels: [urlOf(await freePort()).replace('/1', '')], name: 'main' }),
      /sentinel/i,
    ],
    [
      'a sentinel that refuses the password',
      async () => ({
        sentinels: [
          urlOf(
            await serve((_, socket) => socket.write('-WRONGPASS invalid\r\n')),
            ENCODED,
          ).replace('/1', ''),
        ],
        name: 'main',
      }),
      /ERROR/,
    ],
    [
      'a sentinel that repeats the password',
      async () => ({
        sentinels: [String(await echoing('ERR ')()).replace('/1', '')],
        name: 'main',
      }),
      /ERROR/,
    ],
    [
      'no node of the cluster',
      async () => ({ cluster: [urlOf(await freePort()).replace('/1', '')] }),
      /cluster|refused/i,
    ],
    [
      'a cluster that repeats the password',
      async () => ({ cluster: [String(await echoing('ERR ')()).replace('/1', '')] }),
      /ERROR/,
    ],
    ['no socket', async () => `unix://:${ENCODED}@${testFolder()}/none.sock?db=1`, /socket/i],
  ])('%s', async (_, redis, said) => {
    const { code, stderr } = await wipeWith(withRedis(await redis()));
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(said);
  });
});

describe.skipIf(!requireOrSkip('redis'))('a Redis', () => {
  const locked = { password: 'another-one' };
  const renamed =
    (commands: string | readonly string[], options: RedisOptions = {}): (() => Promise<unknown>) =>
    async () => {
      const config = [commands].flat().map((command) => `rename-command ${command} ""`);
      const redis = await redisWith({ ...options, config });
      return urlOf(redis.port);
    };
  const limited =
    (...permissions: readonly string[]): (() => Promise<unknown>) =>
    async () => {
      const redis = await redisWith({
        acl: [`user someone on >${PLAIN} ${permissions.join(' ')}`],
      });
      return urlOf(redis.port, PLAIN, 'someone');
    };

  test.each<readonly [name: string, redis: () => Promise<unknown>, said: RegExp]>([
    ['with another password', async () => urlOf((await redisWith(locked)).port), /password/i],
    [
      'with another password, encoded',
      async () => urlOf((await redisWith(locked)).port, ENCODED),
      /password/i,
    ],
    [
      'without that user',
      async () => urlOf((await redisWith(locked)).port, PLAIN, 'nobody'),
      /password/i,
    ],
    [
      'whose socket has another password',
      async () =>
        `unix://:${ENCODED}@${(await redisWith({ ...locked, socket: true })).socketPath}?db=1`,
      /password/i,
    ],
    [
      'without that database',
      async () => urlOf((await redisWith({ password: PLAIN })).port).replace('/1', '/99'),
      /database/i,
    ],
    ['that permits no SELECT', limited('~*', '+@all', '-select'), /select/i],
    ['that permits no UNLINK and DEL', limited('~*', '+@all', '-unlink', '-del'), /unlink/i],
    ['that permits no SCAN', limited('~*', '+@all', '-scan'), /scan/i],
    ['that permits other keys', limited('~other:*', '+@all'), /permi/i],
    ['without AUTH', renamed('AUTH'), /ERROR/],
    ['without SELECT', renamed('SELECT', { password: PLAIN }), /ERROR/],
    ['without SCAN', renamed('SCAN', { password: PLAIN }), /ERROR/],
    ['without UNLINK and DEL', renamed(['UNLINK', 'DEL'], { password: PLAIN }), /ERROR/],
    [
      'that is no cluster',
      async () => ({
        cluster: [urlOf((await redisWith({ password: PLAIN })).port).replace('/1', '')],
      }),
      /ERROR/,
    ],
    [
      'that is a cluster node without slots',
      async () => {
        const folder = testFolder();
        const redis = await startRedis(folder, {
          password: PLAIN,
          config: ['cluster-enabled yes'],
        });
        onTestFinished(async () => await redis.stop());
        return { cluster: [urlOf(redis.port).replace('/1', '')] };
      },
      /ERROR/,
    ],
    [
      'that speaks no TLS',
      async () => urlOf((await redisWith({ password: PLAIN })).port).replace('redis:', 'rediss:'),
      /ERROR/,
    ],
  ])('%s', async (_, redis, said) => {
    const { code, stderr } = await wipeWith(withRedis(await redis()));
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(said);
  });

  test('that speaks TLS, asked with and without, and by the wrong name', async () => {
    const folder = testFolder();
    const authority = createAuthority(folder, 'company');
    const client = authority.issue('client');
    const tls = {
      ca: authority.cert,
      client,
      anyClient: true,
      ...authority.issue('server', { names: ['DNS:elsewhere'] }),
    };
    const redis = await startRedis(folder, { tls, password: PLAIN });
    onTestFinished(async () => await redis.stop());
    const url = urlOf(redis.port).replace('redis:', 'rediss:');
    for (const wrong of [urlOf(redis.port), url, { url, tls: { ca: authority.cert } }]) {
      const { code, stderr } = await wipeWith(withRedis(wrong));
      expect(code, stderr).toBe(1);
    }
  });

  test('that is well while its broker is not', async () => {
    const redis = await redisWith({ password: PLAIN });
    const other = await redisWith(locked);
    const more = { celery: { queues: ['service_queue'], broker: urlOf(other.port, ENCODED) } };
    const { code, stderr } = await wipeWith(withRedis(urlOf(redis.port), more));
    expect(code).toBe(1);
    expect(stderr).toMatch(/Celery.*password/i);
  });

  test('that needs no password: a warning', async () => {
    const redis = await redisWith({});
    const { code, stderr } = await wipeWith(withRedis(urlOf(redis.port, ENCODED)));
    expect(code).toBe(0);
    expect(stderr).toMatch(/needs no password/);
  });

  test.each([
    ['plain', PLAIN],
    ['with everything in it', SPECIAL],
  ])('whose password is right, %s: all is told but that', async (_, password) => {
    const redis = await redisWith({});
    redis.cli('ACL', 'SETUSER', 'someone', 'on', `>${password}`, '~*', '&*', '+@all');
    const url = urlOf(redis.port, '${PASSWORD}', 'someone');
    const env = { PASSWORD: encodeURIComponent(password) };
    const { code, stdout, stderr } = await runWith(withRedis(url), WIPE, env);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/\b1 jobs?\b/);
    expect(redis.cli('-n', '1', 'DBSIZE')).toBe('0');
  });

  test('that is killed while it is asked', async () => {
    let calls = 0;
    const port = await serve((_, socket) => {
      calls += 1;
      if (calls > 3) socket.destroy();
      else socket.write('+OK\r\n');
    });
    const { code } = await wipeWith(withRedis(urlOf(port, ENCODED, 'someone')));
    expect(code).toBe(1);
  });
});
