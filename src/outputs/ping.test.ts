import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '../../test/support/folder.ts';
import { createPing } from './ping.ts';

const RUN = '7c2f1a30-8a5b-4f0e-9d0e-0a1b2c3d4e5f';
const SECRET = 'eb095278-aaaa-bbbb-cccc-b2a6e2a1c0de';
/** Short times, so that what waits too long is seen. */
const QUICK = { runId: RUN, timeout: 300, pause: 10 };

interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly body: string;
  readonly authorization: string | undefined;
}

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

const status =
  (code: number, headers = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end('OK');

const silence: Answer = () => undefined;

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Answers with each in turn, then always with the last. */
async function startServer(...answers: readonly [Answer, ...Answer[]]) {
  const received: Received[] = [];
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      const body = Buffer.concat(chunks).toString();
      received.push({ method, url, body, authorization: headers.authorization });
      const answer = answers[received.length - 1] ?? answers.at(-1) ?? answers[0];
      answer(response, request);
    });
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { received, port, url: `http://127.0.0.1:${port}/${SECRET}` };
}

async function timed<T>(work: Promise<T>): Promise<{ readonly result: T; readonly ms: number }> {
  const start = performance.now();
  const result = await work;
  return { result, ms: performance.now() - start };
}

const paths = (received: readonly Received[]) => received.map(({ url }) => url);

describe('what is sent', () => {
  test('start and end, with the same run id, in this order', async () => {
    // The start is answered late: the end waits for it.
    const server = await startServer(
      (response) => setTimeout(() => response.end('OK'), 100),
      status(200),
    );
    const ping = createPing({ url: server.url, ...QUICK });
    ping.start();
    ping.start();
    expect(await ping.finish(1, 'the report é')).toBeUndefined();
    expect(server.received).toEqual([
      { method: 'POST', url: `/${SECRET}/start?rid=${RUN}`, body: '', authorization: undefined },
      {
        method: 'POST',
        url: `/${SECRET}/1?rid=${RUN}`,
        body: 'the report é',
        authorization: undefined,
      },
    ]);
  });

  test('an end without a start', async () => {
    const server = await startServer(status(200));
    expect(await createPing({ url: server.url, ...QUICK }).finish(75, '')).toBeUndefined();
    expect(paths(server.received)).toEqual([`/${SECRET}/75?rid=${RUN}`]);
  });

  test.each([
    ['/', `/0?rid=${RUN}`],
    ['', `/0?rid=${RUN}`],
    [`/${SECRET}/`, `/${SECRET}/0?rid=${RUN}`],
    [`/key/slug//`, `/key/slug/0?rid=${RUN}`],
    [`/key/slug?create=1`, `/key/slug/0?create=1&rid=${RUN}`],
    [`/key/slug/?a=b&rid=old#top`, `/key/slug/0?a=b&rid=${RUN}`],
    [`/a%20b`, `/a%20b/0?rid=${RUN}`],
  ])('to an address that ends in %j', async (end, expected) => {
    const server = await startServer(status(200));
    const url = `http://127.0.0.1:${server.port}${end}`;
    expect(await createPing({ url, ...QUICK }).finish(0, '')).toBeUndefined();
    expect(paths(server.received)).toEqual([expected]);
  });

  test('user and password of the address as such', async () => {
    const server = await startServer(status(200));
    const url = server.url.replace('//', '//us%40er:p%3Aw@');
    expect(await createPing({ url, ...QUICK }).finish(0, '')).toBeUndefined();
    const basic = Buffer.from('us@er:p:w').toString('base64');
    expect(server.received[0]?.authorization).toBe(`Basic ${basic}`);
  });

  test.each([
    ['x'.repeat(100_000), 100_000],
    ['x'.repeat(100_001), 100_000],
    [`${'x'.repeat(99_999)}é`, 99_999],
    [`${'x'.repeat(99_998)}é`, 100_000],
    [`${'x'.repeat(99_997)}🔥`, 99_997],
    ['é'.repeat(200_000), 100_000],
  ])('a report of at most 100,000 bytes, no character halved', async (body, bytes) => {
    const server = await startServer(status(200));
    await createPing({ url: server.url, ...QUICK }).finish(0, body);
    const [sent] = server.received;
    expect(Buffer.byteLength(sent?.body ?? '')).toBe(bytes);
    expect(body.startsWith(sent?.body ?? '-')).toBe(true);
  });
});

describe('what goes wrong', () => {
  test.each<[string, readonly [Answer, ...Answer[]], number, string | undefined]>([
    ['500 twice, then 200', [status(500), status(500), status(200)], 3, undefined],
    ['always 503', [status(503)], 3, 'it answered 503 Service Unavailable (3 tries)'],
    ['429, then 200', [status(429), status(200)], 2, undefined],
    ['408, then 204', [status(408), status(204)], 2, undefined],
    ['404', [status(404), status(200)], 1, 'it answered 404 Not Found'],
    ['400', [status(400), status(200)], 1, 'it answered 400 Bad Request'],
    ['a number of its own', [status(499)], 1, 'it answered 499'],
    [
      '302 to where all is well',
      [status(302, { location: '/login' }), status(200)],
      1,
      'it answered 302 Found, use the address that it redirects to',
    ],
    ['no answer', [silence], 3, 'no answer within 0.3 s (3 tries)'],
    ['no answer once', [silence, status(200)], 2, undefined],
    [
      'it closes before the answer',
      [(_, request) => request.socket.destroy()],
      3,
      'Connection reset by peer (3 tries)',
    ],
    [
      'it closes in the middle of the head',
      [(_, request) => request.socket.end('HTTP/1.1 200 OK\r\nConte')],
      3,
      'Connection reset by peer (3 tries)',
    ],
    [
      // The head says that it arrived.
      'it closes in the middle of the body',
      [
        (response, { socket }) =>
          response.writeHead(200, { 'content-length': 99 }).write('O', () => socket.destroy()),
      ],
      1,
      undefined,
    ],
    ['the body never ends', [(response) => response.writeHead(200).write('O')], 1, undefined],
    [
      'no HTTP',
      [(_, { socket }) => socket.end('SSH-2.0\r\n')],
      3,
      'HPE_INVALID_CONSTANT (3 tries)',
    ],
  ])('%s', async (_, answers, tries, reason) => {
    const server = await startServer(...answers);
    const { result, ms } = await timed(createPing({ url: server.url, ...QUICK }).finish(0, 'r'));
    const expected = `The ping to 127.0.0.1:${server.port} failed: ${reason}`;
    expect(result).toBe(reason === undefined ? undefined : expected);
    expect(paths(server.received)).toEqual(Array(tries).fill(`/${SECRET}/0?rid=${RUN}`));
    expect(ms).toBeLessThan(2_500);
  });

  test('nobody listens', async () => {
    const server = createTcpServer();
    const port = await listen(server);
    server.close();
    const url = `http://127.0.0.1:${port}/${SECRET}`;
    expect(await createPing({ url, ...QUICK }).finish(0, '')).toBe(
      `The ping to 127.0.0.1:${port} failed: Connection refused (3 tries)`,
    );
  });

  test('a certificate that nobody signed', async () => {
    const folder = testFolder();
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-subj',
        '/CN=localhost',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'pipe' },
    );
    const server = createHttpsServer({ key: readFileSync(key), cert: readFileSync(cert) });
    const port = await listen(server);
    onTestFinished(() => void server.close());
    const url = `https://127.0.0.1:${port}/${SECRET}`;
    expect(await createPing({ url, ...QUICK, attempts: 1 }).finish(0, '')).toBe(
      `The ping to 127.0.0.1:${port} failed: DEPTH_ZERO_SELF_SIGNED_CERT`,
    );
  });

  test('a name that nobody knows', async () => {
    const url = `http://no-such-host.invalid/${SECRET}`;
    const warning = await createPing({ url, ...QUICK, timeout: 5_000, attempts: 1 }).finish(0, '');
    expect(warning).toMatch(
      /^The ping to no-such-host\.invalid failed: (Name or service not known|Temporary failure in name resolution)$/,
    );
  });

  test.each(['', 'hc-ping.com/x', 'ftp://h/x', `http://[/${SECRET}`, `file:///${SECRET}`])(
    '%j is no address: a warning, and nothing thrown',
    async (url) => {
      const ping = createPing({ url, ...QUICK });
      ping.start();
      expect(await ping.finish(0, '')).toBe(
        'The ping was not sent: its address is no http or https URL',
      );
    },
  );

  test.each(['u%zz:secret@', 'secret:secret@'])('no secret is told: %s', async (user) => {
    const server = await startServer(status(404));
    const url = `http://${user}127.0.0.1:${server.port}/secret/secret?secret=secret#secret`;
    const warning = await createPing({ url, ...QUICK }).finish(0, 'secret');
    expect(warning).toMatch(/^The ping to 127\.0\.0\.1:\d+ failed: /);
    expect(warning).not.toContain('secret');
  });
});

describe('time', () => {
  test('start returns at once, and a start that hangs delays the end by one timeout', async () => {
    const server = await startServer(silence, status(200));
    const ping = createPing({ url: server.url, ...QUICK, attempts: 100 });
    const begin = performance.now();
    ping.start();
    expect(performance.now() - begin).toBeLessThan(50);
    const { result, ms } = await timed(ping.finish(0, ''));
    expect(result).toBeUndefined();
    expect(ms).toBeLessThan(1_500);
    expect(paths(server.received).at(-1)).toBe(`/${SECRET}/0?rid=${RUN}`);
  });

  test('a start that fails again and again gives way to the end', async () => {
    const server = await startServer((response, { url }) =>
      response.writeHead(url?.includes('/start') === true ? 500 : 200).end(),
    );
    const patient = { attempts: 1_000, pause: 10_000 };
    const ping = createPing({ url: server.url, ...QUICK, ...patient });
    ping.start();
    const { result, ms } = await timed(ping.finish(0, ''));
    expect(result).toBeUndefined();
    expect(ms).toBeLessThan(1_500);
    expect(paths(server.received)).toContain(`/${SECRET}/0?rid=${RUN}`);
  });

  test.each(['start', 'finish', 'pause'] as const)('hurry ends the wait in %s', async (where) => {
    const server = await startServer(where === 'pause' ? status(500) : silence);
    const hurry = new AbortController();
    const patient = { runId: RUN, timeout: 20_000, pause: 20_000, hurry: hurry.signal };
    const ping = createPing({ url: server.url, ...patient });
    if (where === 'start') ping.start();
    setTimeout(() => hurry.abort(), 150);
    const { result, ms } = await timed(ping.finish(143, ''));
    expect(result).toMatch(/^The ping to 127\.0\.0\.1:\d+ failed: /);
    expect(ms).toBeLessThan(1_000);
    expect(server.received).toHaveLength(1);
  });

  test('hurry from the first: nothing is sent', async () => {
    const server = await startServer(status(200));
    const ping = createPing({ url: server.url, ...QUICK, hurry: AbortSignal.abort() });
    ping.start();
    expect(await ping.finish(0, '')).toMatch(/: given up before it was tried$/);
    expect(server.received).toEqual([]);
  });

  /** Fills the queue of a listener that accepts nobody: the next connection is never answered. */
  const DEAF = `
import socket, sys
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(0)
clients = []
for _ in range(4):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(listener.getsockname())
    clients.append(client)
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
`;

  test.each(['keeps the connection', 'hangs', 'is deaf'])(
    'the process ends right after, when the server %s',
    async (kind) => {
      const folder = testFolder();
      let url = '';
      if (kind === 'is deaf') {
        const deaf = spawn('python3', ['-c', DEAF], { stdio: ['pipe', 'pipe', 'inherit'] });
        onTestFinished(() => void deaf.kill());
        const [line] = (await once(deaf.stdout, 'data')) as [Buffer];
        url = `http://127.0.0.1:${line.toString().trim()}/x`;
      } else {
        url = (await startServer(kind === 'hangs' ? silence : status(200))).url;
      }
      const module = new URL('ping.ts', import.meta.url).href;
      const script = join(folder, 'script.mts');
      writeFileSync(
        script,
        `import { createPing } from ${JSON.stringify(module)};
         const ping = createPing({ url: process.argv[2], runId: 'x', attempts: 1, timeout: 300 });
         ping.start();
         const result = await ping.finish(0, 'report');
         const end = performance.now();
         process.on('exit', () => console.log(JSON.stringify([result ?? null, performance.now() - end])));`,
      );
      const tsx = fileURLToPath(new URL('../../node_modules/.bin/tsx', import.meta.url));
      const child = spawn(tsx, [script, url], { stdio: ['ignore', 'pipe', 'inherit'] });
      const output: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
      await once(child, 'close');
      const [warning, ms] = JSON.parse(Buffer.concat(output).toString()) as [string | null, number];
      if (kind === 'keeps the connection') expect(warning).toBeNull();
      else expect(warning).toMatch(/no answer within 0\.3 s$/);
      expect(ms).toBeLessThan(1_000);
    },
    20_000,
  );
});
