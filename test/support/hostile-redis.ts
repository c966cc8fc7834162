/** A Redis that answers some commands with what no Redis answers: a proxy before a real server. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface HostileRedis {
  url(db?: number): string;
  /** Names of the commands that came, in capitals. */
  readonly seen: ReadonlySet<string>;
  /** How many replies were replaced. */
  replaced(): number;
  stop(): Promise<void>;
}

/** @returns the bytes that the client gets instead of the reply; undefined: the reply itself. */
export type Replace = (command: readonly string[], reply: Buffer) => Buffer | undefined;

/** @param serverPort of the real server on 127.0.0.1. */
export async function startHostileRedis(
  serverPort: number,
  replace: Replace,
): Promise<HostileRedis> {
  const seen = new Set<string>();
  const sockets = new Set<Socket>();
  let replaced = 0;
  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1');
    const asked: (readonly string[])[] = [];
    const commands = frames((frame) => {
      const command = wordsOf(frame);
      seen.add(command[0]?.toUpperCase() ?? '');
      asked.push(command);
      upstream.write(frame);
    });
    const replies = frames((frame) => {
      const odd = replace(asked.shift() ?? [], frame);
      if (odd !== undefined) replaced += 1;
      if (!client.destroyed) client.write(odd ?? frame);
    });
    client.on('data', commands);
    upstream.on('data', replies);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.setNoDelay(true);
      one.on('error', () => undefined);
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  const port = await listen(server);
  return {
    url: (db = 0) => `redis://127.0.0.1:${port}/${db}`,
    seen,
    replaced: () => replaced,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return address.port;
}

/** Takes chunks, gives whole values of the Redis protocol. */
function frames(take: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = endOf(rest, 0); end !== undefined; end = endOf(rest, 0)) {
      take(Buffer.from(rest.subarray(0, end)));
      rest = rest.subarray(end);
    }
  };
}

/** Where the value ends that begins there; undefined: not here yet. */
function endOf(bytes: Buffer, start: number): number | undefined {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd < 0) return undefined;
  const length = Number(bytes.toString('latin1', start + 1, lineEnd));
  let end: number | undefined = lineEnd + 2;
  if (bytes[start] === 0x24 && length >= 0) end += length + 2;
  if (bytes[start] === 0x2a) {
    for (let at = 0; at < length && end !== undefined; at += 1) end = endOf(bytes, end);
  }
  return end === undefined || end > bytes.length ? undefined : end;
}

/** The words of a command: an array of strings. */
function wordsOf(frame: Buffer): string[] {
  const words: string[] = [];
  for (let at = frame.indexOf('\r\n') + 2; at < frame.length;) {
    const lineEnd = frame.indexOf('\r\n', at);
    const length = Number(frame.toString('latin1', at + 1, lineEnd));
    words.push(frame.toString('latin1', lineEnd + 2, lineEnd + 2 + length));
    at = lineEnd + 2 + length + 2;
  }
  return words;
}
