/** A bad network in front of a server: a TCP proxy that delays, trickles, drips, cuts and refuses. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProxyOptions {
  /** On the way of every byte, in each direction: half a round trip. */
  readonly delayMs?: number;
  /** Towards the client at most so many bytes at once, and a pause after them. */
  readonly trickle?: { readonly bytes: number; readonly everyMs: number };
}

export interface Cut {
  /**
   * `server`: in the middle of a reply. `client`: in the middle of a command, which is not carried
   * out. `unanswered`: what the client sent is carried out, and the next reply is lost.
   */
  readonly kind: CutKind;
  /** When so many have come, over all connections since `cutAt`: from the client for `unanswered`. */
  readonly bytes: number;
  /** So long the port is closed afterwards; Infinity: for good. */
  readonly refuseMs: number;
}

export type CutKind = 'server' | 'client' | 'unanswered';

/** Replies that come byte by byte, or not at all, while the connection stays. */
export interface Drip {
  /** The name of the command whose reply is the first, or: when the server has sent so many bytes. */
  readonly from: string | number;
  /** Between two bytes; Infinity: none comes. */
  readonly everyMs: number;
  /** Whether other connections, later ones too, drip from then on. */
  readonly everywhere: boolean;
}

type Side = 'server' | 'client';

/** Bytes that came from each side. */
export interface Traffic {
  readonly server: number;
  readonly client: number;
}

export interface Proxy {
  readonly port: number;
  url(db?: number): string;
  /** Connections that were accepted since the start. */
  connections(): number;
  /** Since the start or the last `cutAt`. */
  traffic(): Traffic;
  /** Ends all connections now: with a reset, what was under way is lost. */
  cut(refuseMs?: number): void;
  /** Cuts at these moments; what came before the moment still gets through. */
  cutAt(cuts: readonly Cut[]): void;
  /** Until `flow`. */
  drip(drip: Drip): void;
  /** Whether it has begun. */
  isDripping(): boolean;
  /** What has not come yet comes now, and all that follows as it is sent. */
  flow(): void;
  /** Of `cutAt`'s, those that have not come yet. */
  pendingCuts(): number;
  stop(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** The cut that comes instead of the server's next reply. */
  unanswered: Cut | undefined;
  drips: boolean;
}

export async function startProxy(
  serverPort: number,
  { delayMs = 0, trickle }: ProxyOptions = {},
): Promise<Proxy> {
  const pairs = new Set<Pair>();
  let connections = 0;
  let traffic = { server: 0, client: 0 };
  let pending: readonly Cut[] = [];
  let reopening: NodeJS.Timeout | undefined;
  let drip: Drip | undefined;
  let hasBegun = false;
  let ahead = 0;
  const flowing = new Set<() => void>();

  const beginsWith = (pair: Pair, from: Side, chunk: Buffer): void => {
    if (drip === undefined) return;
    if (from === 'server') ahead += chunk.length;
    const isReached =
      typeof drip.from === 'number'
        ? ahead > drip.from
        : from === 'client' && chunk.toString('latin1').toUpperCase().includes(`\n${drip.from}\r`);
    if (!isReached) return;
    hasBegun = true;
    pair.drips = true;
  };

  // Half open, so that one end's FIN does not take away what is on its way to it.
  const listener = createServer({ allowHalfOpen: true }, (client) => {
    connections += 1;
    const address = { port: serverPort, host: '127.0.0.1', allowHalfOpen: true };
    const pair: Pair = { client, server: connect(address), unanswered: undefined, drips: false };
    pairs.add(pair);
    forward(pair, 'client', delayed(pair.server, delayMs));
    const back = delayed(client, delayMs);
    const paced = trickle === undefined ? back : trickled(back, trickle);
    const pause = (): number | undefined =>
      pair.drips || (hasBegun && drip?.everywhere === true) ? drip?.everyMs : undefined;
    forward(pair, 'server', dripping(paced, pause, flowing));
  });

  /** The cut that is due with these bytes, which is no longer pending then. */
  const dueCut = (from: Side, until: number): Cut | undefined => {
    const due = pending.find(
      ({ kind, bytes }) => (kind === 'server' ? 'server' : 'client') === from && bytes <= until,
    );
    pending = pending.filter((one) => one !== due);
    return due;
  };

  const forward = (pair: Pair, from: Side, line: Line): void => {
    const source = pair[from];
    source.setNoDelay(true);
    source.on('data', (chunk: Buffer) => {
      beginsWith(pair, from, chunk);
      const before = traffic[from];
      traffic = { ...traffic, [from]: before + chunk.length };
      if (from === 'server' && pair.unanswered !== undefined) {
        cut(pair.unanswered.refuseMs);
        return;
      }
      const due = dueCut(from, before + chunk.length);
      if (due === undefined || due.kind === 'unanswered') {
        pair.unanswered ??= due;
        line.write(chunk);
        return;
      }
      line.write(chunk.subarray(0, Math.max(0, due.bytes - before)));
      line.end();
      source.destroy();
      // Its last bytes are on their way: a reset would take them back.
      pairs.delete(pair);
      cut(due.refuseMs);
    });
    source.on('end', () => line.end());
    source.on('error', () => undefined);
    source.on('close', () => {
      pairs.delete(pair);
      line.end();
    });
  };

  const cut = (refuseMs = 0): void => {
    for (const { client, server } of pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    pairs.clear();
    if (refuseMs === 0) return;
    listener.close();
    clearTimeout(reopening);
    if (refuseMs === Infinity) return;
    reopening = setTimeout(() => void listen(listener, port), refuseMs);
  };

  const port = await listen(listener, 0);
  return {
    port,
    url: (db = 0) => `redis://127.0.0.1:${port}/${db}`,
    connections: () => connections,
    traffic: () => traffic,
    cut,
    cutAt: (cuts) => {
      traffic = { server: 0, client: 0 };
      pending = cuts.toSorted((a, b) => a.bytes - b.bytes);
    },
    drip: (wanted) => {
      drip = wanted;
      hasBegun = false;
      ahead = 0;
    },
    isDripping: () => hasBegun,
    flow: () => {
      drip = undefined;
      for (const flush of flowing) flush();
    },
    pendingCuts: () => pending.length,
    stop: async () => {
      clearTimeout(reopening);
      cut(Infinity);
      if (listener.listening) await new Promise((resolve) => listener.once('close', resolve));
    },
  };
}

interface Line {
  write(chunk: Buffer): void;
  end(): void;
}

function delayed(target: Socket, ms: number): Line {
  const direct: Line = {
    write: (chunk) => {
      if (!target.destroyed) target.write(chunk);
    },
    end: () => {
      target.end();
    },
  };
  if (ms === 0) return direct;
  // Timers of the same length end in the order in which they were set.
  return {
    write: (chunk) => {
      setTimeout(() => direct.write(chunk), ms);
    },
    end: () => {
      setTimeout(() => direct.end(), ms);
    },
  };
}

function trickled(
  line: Line,
  { bytes, everyMs }: { readonly bytes: number; readonly everyMs: number },
): Line {
  let waiting: Buffer = Buffer.alloc(0);
  let pausing = false;
  let ending = false;
  const next = (): void => {
    pausing = waiting.length > 0;
    if (pausing) {
      line.write(waiting.subarray(0, bytes));
      waiting = waiting.subarray(bytes);
      setTimeout(next, everyMs);
    } else if (ending) {
      line.end();
    }
  };
  return {
    write: (chunk) => {
      waiting = Buffer.concat([waiting, chunk]);
      if (!pausing) next();
    },
    end: () => {
      ending = true;
      if (!pausing) next();
    },
  };
}

/** @param pause between two bytes now; undefined: as they come. */
function dripping(line: Line, pause: () => number | undefined, flowing: Set<() => void>): Line {
  let waiting: Buffer = Buffer.alloc(0);
  let timer: NodeJS.Timeout | undefined;
  const next = (): void => {
    timer = undefined;
    line.write(waiting.subarray(0, 1));
    waiting = waiting.subarray(1);
    go();
  };
  const go = (): void => {
    const milliseconds = pause();
    if (milliseconds === undefined) {
      if (waiting.length > 0) line.write(waiting);
      waiting = Buffer.alloc(0);
    } else if (milliseconds !== Infinity && waiting.length > 0) {
      timer ??= setTimeout(next, milliseconds);
    }
  };
  flowing.add(go);
  return {
    write: (chunk) => {
      waiting = Buffer.concat([waiting, chunk]);
      go();
    },
    end: () => {
      clearTimeout(timer);
      flowing.delete(go);
      line.end();
    },
  };
}

async function listen(server: Server, port: number): Promise<number> {
  for (;;) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', () => {
          server.off('error', reject);
          resolve();
        });
      });
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no TCP port');
      return address.port;
    } catch (error) {
      // While it was closed, a connection of somebody else may have got the port as its own.
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      await sleep(20);
    }
  }
}
