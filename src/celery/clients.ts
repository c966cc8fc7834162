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
   * message as in flight just then. `done`: BRPOP has returned; it is not known that a task came of
   * it.
   */
  readonly state: 'waiting' | 'at work' | 'done';
  /** It looks like `celery inspect`, which takes replies and no tasks. */
  readonly asks: boolean;
}

/** `CLIENT LIST`. @throws RedisError, NOPERM without the permission. */
export async function readClients(broker: RedisConnection, db: number): Promise<Clients> {
  const all = parseClientList(String(await broker.send('CLIENT', 'LIST')));
  const here = all.filter((client) => client['db'] === String(db));
  const popping = poppingClients(here);
  return {
    waiting: popping.filter(({ state }) => state === 'waiting').length,
    popping,
    subscribers: here.filter(listensToPatterns).map(({ id }) => id ?? ''),
    names: new Set(all.map(({ name }) => name ?? '').filter((name) => name !== '')),
  };
}

type Client = Readonly<Record<string, string>>;

/**
 * A --pool=solo worker that runs a task is not blocked in BRPOP, and its process sends nothing: its
 * line in CLIENT LIST equals that of a client that asked a list long ago. The other connections of
 * the same process tell the two apart. kombu writes a popped message to `unacked` in a transaction
 * at once (kombu/transport/redis.py `QoS.append`): one connection has sent EXEC just then. `celery
 * inspect`, which an API's health check may call, pops replies and deletes the reply list in a
 * transaction as well, but its process has published the question and has no listener to patterns,
 * as a worker has for gossip. A worker without gossip that publishes heartbeats looks like `celery
 * inspect`, until it is silent for longer than a health check ever is.
 */
function poppingClients(here: readonly Client[]): readonly PoppingClient[] {
  const popping = here.filter(({ cmd }) => cmd === 'brpop');
  const others = here.filter(({ cmd }) => cmd !== 'brpop');
  const owners = new Map(others.map((other) => [other, ownerOf(other, popping)]));
  return popping.map((client) => {
    const own = others.filter((other) => owners.get(other) === client);
    const idle = Number(client['idle']);
    const hasMessage = own.some((other) => other['cmd'] === 'exec' && hasFollowed(client, other));
    // What others publish to a listening connection counts as its own doing.
    const isSilent = own
      .filter((other) => !listensToPatterns(other))
      .every((other) => Number(other['idle']) + IDLE_DIFFERENCE_S >= idle);
    const asks = own.some(({ cmd }) => cmd === 'publish') && !own.some(listensToPatterns);
    const isAtWork = hasMessage && isSilent && (!asks || idle >= LONGER_THAN_CHECKS_S);
    const isWaiting = client['flags']?.includes('b') === true;
    const state = isWaiting ? 'waiting' : isAtWork ? 'at work' : 'done';
    // A worker's heartbeats go on while BRPOP has returned; a question comes before it.
    const publishes = own.some(
      (other) => other['cmd'] === 'publish' && Number(other['idle']) + IDLE_DIFFERENCE_S < idle,
    );
    return { id: client['id'] ?? '', idle, state, asks: asks && !publishes };
  });
}

/** Redis counts whole seconds; a worker opens its connections one after the other. */
const IDLE_DIFFERENCE_S = 1;
const AGE_DIFFERENCE_S = 5;
const LONGER_THAN_CHECKS_S = 120;

/**
 * The BRPOP client of the process that opened this connection. CLIENT LIST does not say which
 * connections are of one process; ids count connections in the order in which they were opened.
 * BRPOP is sent on the first connection of a channel (`Channel.client`), so the owner is the nearest
 * client before. A worker's listener to patterns belongs to another channel and may be opened before
 * BRPOP's connection: where no client is before the listener, the owner is the nearest behind.
 * Limit: a listener of a worker that starts within seconds after another client counts as that
 * client's.
 */
function ownerOf(other: Client, popping: readonly Client[]): Client | undefined {
  const distance = (client: Client): number => Number(other['id']) - Number(client['id']);
  const near = popping
    .filter((client) => hostOf(client) === hostOf(other))
    .filter((client) => isNear(client, other, 'age', AGE_DIFFERENCE_S))
    .toSorted((one, two) => Math.abs(distance(one)) - Math.abs(distance(two)));
  const before = near.find((client) => distance(client) > 0);
  return before ?? (listensToPatterns(other) ? near[0] : undefined);
}

/** Whether its transaction came with the reply to BRPOP, and nothing since. */
function hasFollowed(client: Client, other: Client): boolean {
  return (
    Number(other['idle']) <= Number(client['idle']) &&
    isNear(client, other, 'idle', IDLE_DIFFERENCE_S)
  );
}

function listensToPatterns({ psub }: Client): boolean {
  return psub !== undefined && psub !== '0';
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
