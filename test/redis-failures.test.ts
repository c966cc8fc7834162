/**
 * A Redis that cannot be used costs its service's jobs and at most 5 seconds: one clear line with a
 * remedy, exit 1, the files go, the password is nowhere.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeFiles, wipeJson, writeConfig, type JsonResult } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { freePort, startRedis, type RedisOptions, type TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startTool } from './support/tool.ts';
import { fileList } from './support/witness.ts';

const SECRET = 's3cret-passw0rd';
const CONFIG_HINT = 'correct `redis` of this service in the config';

interface Expected {
  readonly reason: string;
  readonly code: string;
  readonly hint: string;
}

async function redisIn(folder: string, options: RedisOptions = {}): Promise<TestRedis> {
  const redis = await startRedis(folder, options);
  onTestFinished(async () => redis.stop());
  return redis;
}

/** A TCP server that treats every connection the same way; its port. */
async function serve(connected: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    connected(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

/** Wipes one service with this `redis` and 5 files; the password must be nowhere. */
async function wipeWith(
  folder: string,
  redis: unknown,
  more: object = {},
  ...flags: readonly string[]
): Promise<JsonResult> {
  makeFiles(join(folder, 'uploads'), 5);
  const config = writeConfig(folder, {
    service: { redis, keyPrefix: 'job:', root: '..', directories: ['uploads'], ...more },
  });
  const result = await wipeJson(config, { folder }, ...flags);
  expect(result.stdout + result.stderr).not.toContain(SECRET);
  return result;
}

/** The error is there once, as a line and as data, and the files are gone. */
function expectOnly(result: JsonResult, item: string, expected: Expected): void {
  const { report } = result;
  expect(report.errors).toEqual([`${item}: ${expected.reason}`]);
  const [target = '', ...rest] = item.split('/');
  expect(report.services['service']?.failures).toEqual([
    { target, item: rest.join('/'), ...expected },
  ]);
  expect(result.stderr).toContain(`- ERROR - ${item}: ${expected.reason}\n`);
  expect(result.code).toBe(1);
  expect(report).toMatchObject({
    status: 'completed_with_errors',
    files_deleted: 5,
    verified: false,
  });
}

const NO_ANSWER: Expected = {
  reason: 'No answer within 4 s',
  code: 'ETIMEDOUT',
  hint: 'look whether Redis hangs (redis-cli ping) and whether the network reaches it',
};

describe('nothing that speaks Redis', () => {
  test('connection refused', async () => {
    const folder = testFolder();
    const port = await freePort();
    const result = await wipeWith(folder, `redis://:${SECRET}@127.0.0.1:${port}/1`);
    expectOnly(result, `Redis/127.0.0.1:${port}/1`, {
      reason: 'Connection refused',
      code: 'ECONNREFUSED',
      hint: `start Redis, or ${CONFIG_HINT}`,
    });
  });

  test('accepts and never answers', async () => {
    const folder = testFolder();
    const port = await serve(() => undefined);
    const result = await wipeWith(folder, `redis://:${SECRET}@127.0.0.1:${port}/1`);
    expectOnly(result, `Redis/127.0.0.1:${port}/1`, NO_ANSWER);
    expect(result.durationMs).toBeLessThan(10_000);
  });

  test('answers garbage', async () => {
    const folder = testFolder();
    const port = await serve((socket) =>
      socket.on('data', () => socket.write('HTTP/1.1 400 Bad\r\n\r\n')),
    );
    const result = await wipeWith(folder, `redis://:${SECRET}@127.0.0.1:${port}/1`);
    expectOnly(result, `Redis/127.0.0.1:${port}/1`, {
      reason: 'What listens there does not speak the Redis protocol',
      code: 'EPROTO',
      hint: CONFIG_HINT,
    });
  });

  test('closes at once', async () => {
    const folder = testFolder();
    const port = await serve((socket) => socket.destroy());
    const result = await wipeWith(folder, `redis://:${SECRET}@127.0.0.1:${port}/1`);
    expectOnly(result, `Redis/127.0.0.1:${port}/1`, {
      reason: 'Connection lost',
      code: 'ECONNRESET',
      hint: 'look at the Redis log and run again; if it speaks TLS only, use rediss://',
    });
  });

  test('no such socket', async () => {
    const folder = testFolder();
    const result = await wipeWith(folder, `unix://${folder}/none.sock?db=1`);
    expectOnly(result, `Redis/${folder}/none.sock/1`, {
      reason: 'No such socket',
      code: 'ENOENT',
      hint: `start Redis, or ${CONFIG_HINT}`,
    });
  });

  test('no such host', async () => {
    const folder = testFolder();
    const result = await wipeWith(folder, `redis://:${SECRET}@redis.invalid:6379/1`);
    expectOnly(result, 'Redis/redis.invalid:6379/1', {
      reason: 'Host not found',
      code: 'ENOTFOUND',
      hint: CONFIG_HINT,
    });
  });
});

describe.skipIf(!requireOrSkip('redis'))('a Redis that does not answer', () => {
  test('three services on a stopped one take the time of one', async () => {
    const folder = testFolder();
    const redis = await redisIn(folder);
    redis.pause();
    const names = ['one', 'two', 'three'];
    for (const name of names) makeFiles(join(folder, name), 3);
    const config = writeConfig(
      folder,
      Object.fromEntries(
        names.map((name, index) => [
          name,
          {
            redis: redis.url(index + 1),
            keyPrefix: 'job:',
            celery: { queues: [`${name}_queue`] },
            directories: [join(folder, name)],
          },
        ]),
      ),
    );
    const { report, code, durationMs } = await wipeJson(config, { folder });
    expect(durationMs).toBeLessThan(10_000);
    expect(code).toBe(1);
    expect(report.files_deleted).toBe(9);
    expect(report.errors).toEqual(
      [1, 2, 3].map((db) => `Redis/127.0.0.1:${redis.port}/${db}: ${NO_ANSWER.reason}`),
    );
  });

  test.each([
    ['SIGKILL', 'Connection refused, and no better for 12 s'],
    ['SIGSTOP', 'No answer within 4 s, and no better for 12 s'],
  ] as const)('%s in the middle: what went is counted, the files go', async (signal, reason) => {
    const folder = testFolder();
    const redis = await redisIn(folder);
    const lua = `for i = 1, ARGV[1] do redis.call('SET', 'job:' .. i, i) end`;
    redis.cli('-n', '1', 'EVAL', lua, '0', '300000');
    makeFiles(join(folder, 'uploads'), 5);
    const config = writeConfig(folder, {
      service: { redis: redis.url(1), keyPrefix: 'job:', directories: [join(folder, 'uploads')] },
    });
    const run = startTool(['all', '--yes', '--json', '--verbose', '--config', config], {
      folder,
      cwd: join(folder, 'cwd'),
    });
    while (!run.stderr().includes('jobs: job:')) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    process.kill(redis.pid, signal);
    const result = await run.result;
    const report = JSON.parse(result.stdout) as JsonResult['report'];
    expect(result.code).toBe(1);
    expect(report.files_deleted).toBe(5);
    expect(report.jobs_removed).toBeGreaterThan(0);
    expect(report.jobs_removed).toBeLessThan(300_000);
    expect(report.errors).toEqual([`Redis/127.0.0.1:${redis.port}/1 (jobs): ${reason}`]);
    expect(report.verified).toBe(false);
    expect(result.durationMs).toBeLessThan(45_000);
    if (signal === 'SIGSTOP') {
      redis.resume();
      const left = Number(redis.cli('-n', '1', 'DBSIZE'));
      // The batch under way when it stopped is carried out later, uncounted: never the reverse.
      expect(left).toBeLessThanOrEqual(300_000 - report.jobs_removed);
    }
  });
});

describe.skipIf(!requireOrSkip('redis'))('a Redis that refuses', () => {
  test.each<[name: string, user: string, options: RedisOptions, db: number, expected: Expected]>([
    [
      'a wrong password',
      `:${SECRET}@`,
      { password: 'another' },
      1,
      { reason: 'Wrong user name or password', code: 'WRONGPASS', hint: CONFIG_HINT },
    ],
    [
      'a wrong user',
      `nobody:${SECRET}@`,
      { password: 'another' },
      1,
      { reason: 'Wrong user name or password', code: 'WRONGPASS', hint: CONFIG_HINT },
    ],
    [
      'no password',
      '',
      { password: 'another' },
      1,
      {
        reason: 'A password is required',
        code: 'NOAUTH',
        hint: 'put it into the URL: redis://:${REDIS_PASSWORD}@host:port/db',
      },
    ],
    [
      'a database that it has not got',
      '',
      {},
      99,
      {
        reason: 'No such database',
        code: 'DBINDEX',
        hint: 'correct the number at the end of the URL; Redis has as many as its `databases` setting says',
      },
    ],
    [
      'a user who may not SELECT',
      `limited:${SECRET}@`,
      { acl: [`user limited on >${SECRET} ~* +@all -select`] },
      1,
      {
        reason: "Not permitted: this user has no permissions to run the 'select' command",
        code: 'NOPERM',
        hint: 'ACL SETUSER limited +select',
      },
    ],
  ])('%s, database 0 untouched', async (_, user, options, db, expected) => {
    const folder = testFolder();
    const redis = await redisIn(folder, options);
    for (const database of ['0', '1']) redis.cli('-n', database, 'SET', 'job:1', 'x');
    const before = [redis.dump(0), redis.dump(1)];
    const result = await wipeWith(folder, `redis://${user}127.0.0.1:${redis.port}/${db}`);
    expectOnly(result, `Redis/127.0.0.1:${redis.port}/${db}`, expected);
    expect([redis.dump(0), redis.dump(1)]).toEqual(before);
  });

  test.each(['scan', 'unlink'])('a user who may not %s', async (command) => {
    // Instead of UNLINK it would be used.
    const folder = testFolder();
    const acl = [`user limited on >${SECRET} ~* +@all -${command} -del`];
    const redis = await redisIn(folder, { acl });
    redis.cli('-n', '1', 'SET', 'job:1', 'x');
    const before = redis.dump(1);
    const result = await wipeWith(folder, `redis://limited:${SECRET}@127.0.0.1:${redis.port}/1`);
    expectOnly(result, `Redis/127.0.0.1:${redis.port}/1 (jobs)`, {
      reason: `Not permitted: this user has no permissions to run the '${command}' command`,
      code: 'NOPERM',
      hint: `ACL SETUSER limited +${command} ~job:*`,
    });
    expect(redis.dump(1)).toBe(before);
  });

  test('a user who may not remove results: the jobs go, and count', async () => {
    const folder = testFolder();
    const acl = [`user limited on >${SECRET} ~job:* +@all`];
    const redis = await redisIn(folder, { acl });
    redis.cli('-n', '1', 'MSET', 'job:1', 'x', 'celery-task-meta-1', '{}');
    const result = await wipeWith(folder, `redis://limited:${SECRET}@127.0.0.1:${redis.port}/1`);
    expect(result.code).toBe(1);
    expect(result.report.jobs_removed).toBe(1);
    expect(result.report.errors).toEqual([
      expect.stringMatching(
        /\(results\): 1 key of celery-task-meta-\* may be .*Not permitted/,
      ) as string,
    ]);
    expect(redis.cli('-n', '1', '--scan')).toBe('celery-task-meta-1');
  });

  test('a broker that is down is no matter for jobs alone', async () => {
    const folder = testFolder();
    const redis = await redisIn(folder);
    redis.cli('-n', '1', 'SET', 'job:1', 'x');
    const broker = `redis://127.0.0.1:${await freePort()}/0`;
    const celery = { queues: ['queue'], broker };
    const only = await wipeWith(folder, redis.url(1), { celery }, '--only', 'jobs');
    expect(only.report).toMatchObject({ status: 'completed', jobs_removed: 1, errors: [] });
  });

  test('a read-only replica', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'primary'));
    const primary = await redisIn(join(folder, 'primary'));
    primary.cli('-n', '1', 'SET', 'job:1', 'x');
    const replica = await redisIn(folder, { config: [`replicaof 127.0.0.1 ${primary.port}`] });
    while (!replica.cli('INFO', 'replication').includes('master_link_status:up')) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const result = await wipeWith(folder, replica.url(1));
    expectOnly(result, `Redis/127.0.0.1:${replica.port}/1`, {
      reason: `This Redis is a replica of 127.0.0.1:${primary.port}, and not where the jobs are`,
      code: 'READONLY',
      hint: `name its primary 127.0.0.1:${primary.port} in the config`,
    });
    expect(primary.cli('-n', '1', 'DBSIZE')).toBe('1');
    const strict = await wipeWith(folder, replica.url(1), {}, '--strict');
    expect(strict.code).toBe(3);
    expect(strict.stderr).toContain(`This Redis is a replica of 127.0.0.1:${primary.port}`);
    expect(fileList(join(folder, 'uploads'))).toHaveLength(5);
  });

  test('maxclients is reached', async () => {
    const folder = testFolder();
    const redis = await redisIn(folder, { maxclients: 1 });
    const holder = connect(redis.port, '127.0.0.1');
    onTestFinished(() => {
      holder.destroy();
    });
    await new Promise((resolve) => {
      holder.once('data', resolve);
      holder.write('PING\r\n');
    });
    const result = await wipeWith(folder, redis.url(1));
    expectOnly(result, `Redis/127.0.0.1:${redis.port}/1`, {
      reason: 'Redis has reached its maximum number of clients',
      code: 'MAXCLIENTS',
      hint: 'close clients or raise `maxclients`, and run again',
    });
  });

  test('the broker is down but the jobs are there', async () => {
    const folder = testFolder();
    const redis = await redisIn(folder);
    redis.cli('-n', '1', 'SET', 'job:1', 'x');
    const port = await freePort();
    const result = await wipeWith(folder, redis.url(1), {
      celery: { queues: ['service_queue'], broker: `redis://:${SECRET}@127.0.0.1:${port}/4` },
    });
    expectOnly(result, `Celery/127.0.0.1:${port}/4`, {
      reason: 'Connection refused',
      code: 'ECONNREFUSED',
      hint: 'start Redis, or correct `celery.broker` of this service in the config',
    });
    expect(result.report.jobs_removed).toBe(1);
  });
});

describe.skipIf(!requireOrSkip('redis'))('works, and says what is odd', () => {
  test('a password where none is needed is a warning', async () => {
    const folder = testFolder();
    const redis = await redisIn(folder);
    redis.cli('-n', '1', 'SET', 'job:1', 'x');
    const result = await wipeWith(folder, `redis://:${SECRET}@127.0.0.1:${redis.port}/1`);
    expect(result.report).toMatchObject({ status: 'completed', jobs_removed: 1, errors: [] });
    expect(result.report.warnings).toEqual([
      `127.0.0.1:${redis.port}/1 needs no password although the config has one: is it the right server?`,
    ]);
    expect(result.code).toBe(0);
  });

  test('a Unix socket, with a password', async () => {
    const folder = testFolder();
    const redis = await redisIn(folder, { socket: true, password: SECRET });
    redis.cli('-n', '1', 'SET', 'job:1', 'x');
    const result = await wipeWith(folder, redis.url(1));
    expect(result.report).toMatchObject({ status: 'completed', jobs_removed: 1, errors: [] });
  });
});

describe.skipIf(!requireOrSkip('redis'))('TLS', () => {
  interface Secured {
    readonly folder: string;
    readonly redis: TestRedis;
    readonly tlsPort: number;
    readonly ca: string;
  }

  async function secured(): Promise<Secured> {
    const folder = testFolder();
    const directory = join(folder, 'tls');
    mkdirSync(directory);
    const script = `
      openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.crt
      openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout redis.key -out redis.csr
      printf 'subjectAltName=DNS:localhost' > extensions
      openssl x509 -req -in redis.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out redis.crt
    `;
    execFileSync('bash', ['-euc', script], { cwd: directory, stdio: 'pipe' });
    const tlsPort = await freePort();
    const redis = await redisIn(folder, {
      config: [
        `tls-port ${tlsPort}`,
        `tls-cert-file ${directory}/redis.crt`,
        `tls-key-file ${directory}/redis.key`,
        `tls-ca-cert-file ${directory}/ca.crt`,
        'tls-auth-clients no',
      ],
    });
    redis.cli('-n', '1', 'SET', 'job:1', 'x');
    return { folder, redis, tlsPort, ca: join(directory, 'ca.crt') };
  }

  test('with a private CA it works, and without it says which key to set', async () => {
    const { folder, tlsPort, ca } = await secured();
    const url = `rediss://:${SECRET}@localhost:${tlsPort}/1`;
    expectOnly(await wipeWith(folder, url), `Redis/localhost:${tlsPort}/1`, {
      reason: 'The server’s certificate is not signed by a known authority',
      code: 'ETLS',
      hint: 'name its authority: "redis": { "url": …, "tls": { "ca": file } }',
    });
    const other = `rediss://:${SECRET}@127.0.0.1:${tlsPort}/1`;
    expectOnly(
      await wipeWith(folder, { url: other, tls: { ca } }),
      `Redis/127.0.0.1:${tlsPort}/1`,
      {
        reason: 'The server’s certificate is for another host name',
        code: 'ETLS',
        hint: 'set "tls": { "servername": … } in the config',
      },
    );
    const named = await wipeWith(folder, { url: other, tls: { ca, servername: 'localhost' } });
    expect(named.report).toMatchObject({ jobs_removed: 1, errors: [] });
    expect((await wipeWith(folder, { url, tls: { ca } })).report.errors).toEqual([]);
  });

  test('rediss:// to a plain port, redis:// to a TLS port', async () => {
    const { folder, redis, tlsPort } = await secured();
    const plain = await wipeWith(folder, `rediss://:${SECRET}@localhost:${redis.port}/1`);
    expect(plain).toMatchObject({ code: 1, report: { files_deleted: 5 } });
    // Redis takes a TLS hello for the beginning of a long line, and answers only if it ends.
    expect(plain.report.errors).toEqual([
      expect.stringMatching(
        /^Redis\/localhost:\d+\/1: (No answer within 4 s|What listens there does not speak TLS|Connection lost)$/,
      ),
    ]);
    const tls = await wipeWith(folder, `redis://:${SECRET}@localhost:${tlsPort}/1`);
    expectOnly(tls, `Redis/localhost:${tlsPort}/1`, {
      reason: 'Connection lost',
      code: 'ECONNRESET',
      hint: 'look at the Redis log and run again; if it speaks TLS only, use rediss://',
    });
    expect(redis.cli('-n', '1', 'DBSIZE')).toBe('1');
  });
});
