import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { startProxy, type Proxy, type ProxyOptions } from './proxy.ts';

/** In front of a server that sends back what it gets. */
async function proxyForTest(
  options: ProxyOptions = {},
  arrived: (chunk: Buffer) => void = () => undefined,
): Promise<Proxy> {
  const echo = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', arrived);
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const proxy = await startProxy((echo.address() as AddressInfo).port, options);
  onTestFinished(async () => {
    await proxy.stop();
    echo.close();
  });
  return proxy;
}

interface Client {
  readonly socket: Socket;
  received(): string;
  /** The code of the error that ended it, or `end`. */
  readonly closed: Promise<string>;
}

function client(proxy: Proxy): Client {
  const socket = connect(proxy.port, '127.0.0.1');
  let received = '';
  let reason = 'end';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
  socket.on('error', (error: NodeJS.ErrnoException) => (reason = error.code ?? ''));
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(reason)));
  return { socket, received: () => received, closed };
}

test('passes all on, counts connections and bytes', async () => {
  const proxy = await proxyForTest();
  const both = [client(proxy), client(proxy)];
  for (const { socket } of both) socket.end('hello');
  expect(await Promise.all(both.map(({ closed }) => closed))).toEqual(['end', 'end']);
  expect(both.map(({ received }) => received())).toEqual(['hello', 'hello']);
  expect(proxy.connections()).toBe(2);
  expect(proxy.traffic()).toEqual({ server: 10, client: 10 });
});

test('delays each direction, in order', async () => {
  const proxy = await proxyForTest({ delayMs: 100 });
  const { socket, received } = client(proxy);
  const started = performance.now();
  for (const text of ['a', 'b', 'c']) {
    socket.write(text);
    await sleep(5);
  }
  await expect.poll(received, { interval: 5 }).toBe('abc');
  expect(performance.now() - started).toBeGreaterThan(200);
});

test('trickles towards the client', async () => {
  const proxy = await proxyForTest({ trickle: { bytes: 100, everyMs: 20 } });
  const { socket, received, closed } = client(proxy);
  const started = performance.now();
  socket.end('x'.repeat(1000));
  await sleep(100);
  expect(received().length).toBeGreaterThan(0);
  expect(received().length).toBeLessThan(700);
  await closed;
  expect(received()).toBe('x'.repeat(1000));
  expect(performance.now() - started).toBeGreaterThan(180);
});

test.each([
  ['server', 'abcde', 'abcdefghi'],
  // The server gets two bytes more than it had, and sends them back to nobody.
  ['client', 'abc', 'abcde'],
  ['unanswered', 'abc', 'abcdefghi'],
] as const)('cuts after so many bytes: %s', async (kind, answered, arrived) => {
  let atServer = '';
  const proxy = await proxyForTest({}, (chunk) => (atServer += chunk.toString()));
  const [one, other] = [client(proxy), client(proxy)];
  await expect.poll(() => proxy.connections()).toBe(2);
  proxy.cutAt([{ kind, bytes: 5, refuseMs: 0 }]);
  one.socket.write('abc');
  await expect.poll(one.received).toBe('abc');
  expect(proxy.pendingCuts()).toBe(1);
  one.socket.write('defghi');
  await Promise.all([one.closed, other.closed]);
  expect(one.received()).toBe(answered);
  await expect.poll(() => atServer).toBe(arrived);
  expect(await other.closed).toBe('ECONNRESET');
  expect(proxy.pendingCuts()).toBe(0);
});

test('refuses for a while after a cut, or for ever', async () => {
  const proxy = await proxyForTest();
  const first = client(proxy);
  await once(first.socket, 'connect');
  await expect.poll(() => proxy.connections()).toBe(1);
  proxy.cut(300);
  expect(await first.closed).toBe('ECONNRESET');
  expect(await client(proxy).closed).toBe('ECONNREFUSED');
  await sleep(400);
  const second = client(proxy);
  await once(second.socket, 'connect');
  await expect.poll(() => proxy.connections()).toBe(2);
  proxy.cut(Infinity);
  await sleep(400);
  expect(await client(proxy).closed).toBe('ECONNREFUSED');
});
