import type { RedisConnection } from '../redis/connect.ts';

export interface Clients {
  /** How many of this database wait in BRPOP now; some may be another app's. */
  readonly waiting: number;
  /** Those of this database whose last command was BRPOP, waiting in it or not: see consumers.ts. */
  readonly popping: readonly PoppingClient[];
  /** Ids of those of this database that listen to patterns, as workers do. */
  readonly subscribers: readonly string[];
  /** Of all. */
  readonly names: ReadonlySet<string>;
}

export interface PoppingClient {
  readonly id: string;
  /** Seconds since its last command or the reply to that. */
  readonly idle: number;
  /**
   * `waiting`: blocked in BRPOP. `at work`: BRPOP has returned, and the same process has noted a
   * message as in flight just then. `done`: BRPOP has returned; nothing says that a task came of it.
   */
  readonly state: 'waiting' | 'at work' | 'done';
}

/** `CLIENT LIST`. @throws RedisError, NOPERM without the permission. */
export async function readClients(broker: RedisConnection, db: number): Promise<Clients> {
  const all = parseClientList(String(await broker.send('CLIENT', 'LIST')));
  const here = all.filter((client) => client['db'] === String(db));
  const popping = poppingClients(here);
  return {
    waiting: popping.filter(({ state }) => state === 'waiting').length,
    popping,
    subscribers: here
      .filter(({ psub }) => psub !== undefined && psub !== '0')
      .map(({ id }) => id ?? ''),
    names: new Set(all.map(({ name }) => name ?? '').filter((name) => name !== '')),
  };
}

type Client = Readonly<Record<string, string>>;

/**
 * A kombu worker that has popped a message writes it to `unacked` in a transaction at once
 * (kombu/transport/redis.py `QoS.append`), on a connection that it opened together with the one of
 * its BRPOP. A --pool=solo worker then says nothing more until its task has ended, so that both stay
 * idle for the same time. A client that asks a list now and then has no such companion.
 */
function poppingClients(here: readonly Client[]): readonly PoppingClient[] {
  const popping = here.filter(({ cmd }) => cmd === 'brpop');
  const atWork = new Set(
    here
      .filter(({ cmd }) => cmd === 'exec')
      .map((other) => {
        const owner = ownerOf(other, popping);
        return owner !== undefined && isNear(owner, other, 'idle', IDLE_DIFFERENCE_S)
          ? owner
          : undefined;
      }),
  );
  return popping.map((client) => {
    const isWaiting = client['flags']?.includes('b') === true;
    const state = isWaiting ? 'waiting' : atWork.has(client) ? 'at work' : 'done';
    return { id: client['id'] ?? '', idle: Number(client['idle']), state };
  });
}

/** Redis counts whole seconds; a worker opens its connections one after the other. */
const IDLE_DIFFERENCE_S = 1;
const AGE_DIFFERENCE_S = 5;

/** The client whose process opened this connection too: the nearest, by the ids that Redis counts. */
function ownerOf(other: Client, popping: readonly Client[]): Client | undefined {
  const distance = (client: Client): number => Math.abs(Number(client['id']) - Number(other['id']));
  const [nearest] = popping
    .filter((client) => hostOf(client) === hostOf(other))
    .filter((client) => isNear(client, other, 'age', AGE_DIFFERENCE_S))
    .toSorted((one, two) => distance(one) - distance(two));
  return nearest;
}

function isNear(one: Client, other: Client, field: string, most: number): boolean {
  return Math.abs(Number(one[field]) - Number(other[field])) <= most;
}

function hostOf({ addr = '' }: Client): string {
  return addr.slice(0, addr.lastIndexOf(':'));
}

/** One record a client, by the names that Redis gives the fields. */
export function parseClientList(text: string): readonly Client[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) =>
      Object.fromEntries(
        line.split(' ').map((field) => {
          const at = field.indexOf('=');
          return [field.slice(0, at), field.slice(at + 1)];
        }),
      ),
    );
}
