/**
 * Redis behind TLS as companies have it: an authority of their own, and clients that must show a
 * certificate. What is wrong with it is one clear error with a remedy, and the files go.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createAuthority, type Authority, type KeyPair } from './support/certificates.ts';
import {
  makeFiles,
  wipeJson,
  writeConfig,
  type JsonResult,
  type ReportedService,
} from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { startRedis, type TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { fileList } from './support/witness.ts';

/** A stack trace, or OpenSSL's own words. */
const RAW = /^\s+at |error:[0-9A-F]{8}|routines:/m;

interface Secured {
  readonly folder: string;
  readonly authority: Authority;
  readonly client: KeyPair;
  readonly redis: TestRedis;
  /** By the name that the server's certificate is for. */
  readonly url: string;
}

interface Tls extends Partial<KeyPair> {
  readonly ca?: string;
  readonly servername?: string;
}

/** A server with 3 jobs, a result and 2 messages that takes certified clients only. */
async function secured(server: Parameters<Authority['issue']>[1] = {}): Promise<Secured> {
  const folder = testFolder();
  const authority = createAuthority(folder, 'company');
  const client = authority.issue('client');
  const redis = await startRedis(folder, {
    tls: { ca: authority.cert, client, ...authority.issue('server', server) },
  });
  onTestFinished(async () => await redis.stop());
  const cli = (...args: readonly string[]): string => redis.cli('-n', '1', ...args);
  cli('MSET', 'job:1', 'x', 'job:2', 'x', 'job:3', 'x', 'celery-task-meta-2', 'x');
  cli('RPUSH', 'service_queue', 'one message', 'another');
  return { folder, authority, client, redis, url: `rediss://localhost:${redis.port}/1` };
}

/** Wipes a service with jobs, a queue and 5 files. */
async function wipeWith(
  folder: string,
  redis: { readonly url: string; readonly tls?: Tls } | string,
): Promise<JsonResult & { readonly service: ReportedService | undefined }> {
  makeFiles(join(folder, 'uploads'), 5);
  const config = writeConfig(folder, {
    service: {
      redis,
      keyPrefix: 'job:',
      celery: { queues: ['service_queue'] },
      root: '..',
      directories: ['uploads'],
    },
  });
  const result = await wipeJson(config, { folder });
  return { ...result, service: result.report.services['service'] };
}

/** One error, for people and without a stack trace; nothing left of the files, all of the keys. */
function expectRefused(
  { code, report, service, stderr }: Awaited<ReturnType<typeof wipeWith>>,
  { folder, redis }: Pick<Secured, 'folder' | 'redis'>,
  reason: RegExp,
  remedy: RegExp,
): void {
  expect(report.errors).toEqual([expect.stringMatching(reason)]);
  expect(service?.failures).toEqual([
    expect.objectContaining({ target: 'Redis', hint: expect.stringMatching(remedy) as string }),
  ]);
  expect(report).toMatchObject({ status: 'completed_with_errors', verified: false });
  expect(stderr).not.toMatch(RAW);
  expect(code).toBe(1);
  expect(fileList(join(folder, 'uploads'))).toEqual([]);
  expect(redis.cli('-n', '1', 'DBSIZE')).toBe('5');
}

describe.skipIf(!requireOrSkip('redis'))(
  'TLS with an own authority and client certificates',
  () => {
    test('all is wiped', async () => {
      const { folder, authority, client, redis, url } = await secured();
      redis.cli('-n', '1', 'SET', 'neighbour', 'stays');
      const { code, report, service } = await wipeWith(folder, {
        url,
        tls: { ca: authority.cert, ...client },
      });
      expect(report).toMatchObject({ status: 'completed', jobs_removed: 3, errors: [] });
      expect(service).toMatchObject({ verified: true, remaining: { jobs: 0, tasks: 0, files: 0 } });
      expect(code).toBe(0);
      expect(redis.cli('-n', '1', '--scan')).toBe('neighbour');
      expect(fileList(join(folder, 'uploads'))).toEqual([]);
    });

    test('an intermediate authority, whose certificate the server sends along', async () => {
      const folder = testFolder();
      const authority = createAuthority(folder, 'company');
      const client = authority.issue('client');
      const server = chained(authority, join(folder, 'certificates'));
      const redis = await startRedis(folder, { tls: { ca: authority.cert, client, ...server } });
      onTestFinished(async () => await redis.stop());
      redis.cli('-n', '1', 'SET', 'job:1', 'x');
      const url = `rediss://localhost:${redis.port}/1`;
      const { report } = await wipeWith(folder, { url, tls: { ca: authority.cert, ...client } });
      expect(report).toMatchObject({ status: 'completed', jobs_removed: 1, errors: [] });
    });

    test('no client certificate', async () => {
      const stack = await secured();
      const { folder, authority, url } = stack;
      const result = await wipeWith(folder, { url, tls: { ca: authority.cert } });
      expectRefused(result, stack, /client certificate/i, /cert.*key/);
    });

    test('a client certificate of another authority', async () => {
      const stack = await secured();
      const { folder, authority, url } = stack;
      const stranger = createAuthority(folder, 'stranger').issue('client');
      const result = await wipeWith(folder, { url, tls: { ca: authority.cert, ...stranger } });
      expectRefused(result, stack, /client certificate|\bcert/i, /cert/);
    });

    test('a client certificate that has expired', async () => {
      const stack = await secured();
      const { folder, authority, url } = stack;
      const old = authority.issue('old', { expired: true });
      const result = await wipeWith(folder, { url, tls: { ca: authority.cert, ...old } });
      expectRefused(result, stack, /client certificate.*expired/i, /cert/);
    });

    test.each(['no authority', 'another authority'])('%s to check the server by', async (which) => {
      const stack = await secured();
      const { folder, client, url } = stack;
      const other = createAuthority(folder, 'stranger').cert;
      const tls = which === 'no authority' ? client : { ...client, ca: other };
      const result = await wipeWith(folder, { url, tls });
      expectRefused(result, stack, /certificate.*not signed by a known authority/i, /"ca"/);
    });

    test('a certificate for another host name, until `servername` is set', async () => {
      const stack = await secured({ names: ['DNS:redis.internal'] });
      const { folder, authority, client, url } = stack;
      const tls = { ca: authority.cert, ...client };
      expectRefused(
        await wipeWith(folder, { url, tls }),
        stack,
        /certificate is for another host name/i,
        /servername/,
      );
      const mended = await wipeWith(folder, { url, tls: { ...tls, servername: 'redis.internal' } });
      expect(mended.report).toMatchObject({ status: 'completed', jobs_removed: 3, errors: [] });
    });

    test('a server whose certificate has expired', async () => {
      const stack = await secured({ expired: true });
      const { folder, authority, client, url } = stack;
      const result = await wipeWith(folder, { url, tls: { ca: authority.cert, ...client } });
      expectRefused(result, stack, /server.*certificate has expired/i, /renew/);
    });

    test('redis:// to the port that speaks TLS', async () => {
      const stack = await secured();
      const result = await wipeWith(stack.folder, stack.url.replace('rediss:', 'redis:'));
      expectRefused(result, stack, /Connection lost|TLS/, /rediss:\/\//);
    });

    test('rediss:// to a port that does not speak TLS', async () => {
      const folder = testFolder();
      const authority = createAuthority(folder, 'company');
      const redis = await startRedis(folder);
      onTestFinished(async () => await redis.stop());
      for (const at of [1, 2, 3, 4, 5]) redis.cli('-n', '1', 'SET', `job:${at}`, 'x');
      const result = await wipeWith(folder, {
        url: `rediss://localhost:${redis.port}/1`,
        tls: { ca: authority.cert, ...authority.issue('client') },
      });
      expectRefused(result, { folder, redis }, /No answer|TLS|Connection lost/, /redis:\/\//);
      expect(result.durationMs).toBeLessThan(10_000);
    });

    test.each([
      ['the key of another certificate', 'key'],
      ['a certificate that is none', 'cert'],
      ['an authority that is none', 'ca'],
    ] as const)('%s', async (_, file) => {
      const { folder, authority, client, redis, url } = await secured();
      const wrong = join(folder, 'wrong.pem');
      writeFileSync(wrong, 'top secret, and no PEM\n');
      const tls = {
        ca: authority.cert,
        ...client,
        [file]: file === 'key' ? authority.issue('other').key : wrong,
      };
      const { code, report, service, stdout, stderr } = await wipeWith(folder, { url, tls });
      // A config error or a failed connection: both name the key of the config.
      const said =
        code === 2
          ? report.error?.problems.map(({ path, message }) => `${path} ${message}`)
          : [...report.errors, ...(service?.failures ?? []).map(({ hint }) => hint)];
      expect(said?.join('\n')).toMatch(new RegExp(`\\b${file}\\b`));
      expect([1, 2]).toContain(code);
      expect(stdout + stderr).not.toMatch(RAW);
      expect(stdout + stderr).not.toContain('top secret');
      expect(redis.cli('-n', '1', 'DBSIZE')).toBe('5');
    });
  },
);

/** A server's certificate signed by an authority in between, the latter's beside it in the file. */
function chained(root: Authority, directory: string): KeyPair {
  const script = `
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -subj /CN=between -keyout between.key -out between.csr
    printf 'basicConstraints=critical,CA:TRUE' > authority
    openssl x509 -req -in between.csr -CA "$1" -CAkey "$2" -CAcreateserial -days 2 -extfile authority -out between.crt
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -subj /CN=server -keyout chained.key -out chained.csr
    printf 'subjectAltName=DNS:localhost' > names
    openssl x509 -req -in chained.csr -CA between.crt -CAkey between.key -CAcreateserial -days 2 -extfile names -out server.crt
    cat server.crt between.crt > chained.crt
  `;
  execFileSync('bash', ['-euc', script, 'chained', root.cert, root.key], {
    cwd: directory,
    stdio: 'pipe',
  });
  return { cert: join(directory, 'chained.crt'), key: join(directory, 'chained.key') };
}
