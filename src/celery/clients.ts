import type { RedisConnection } from '../redis/connect.ts';

/**
 * A client that waits for a message. `CLIENT LIST` does not say on which lists: it may be another
 * app's consumer in the same database.
 */
export interface WaitingClient {
  readonly id: string;
  /** `10.0.0.5:41234` */
  readonly address: string;
}

/**
 * Clients of this database that are blocked in BRPOP, as kombu's consumers are while they are idle
 * (kombu/transport/redis.py `_brpop_start`). @throws RedisError, NOPERM without the permission.
 */
export async function waitingClients(
  broker: RedisConnection,
  db: number,
): Promise<readonly WaitingClient[]> {
  const list = await broker.send('CLIENT', 'LIST');
  return parseClientList(String(list))
    .filter(
      (client) =>
        client['cmd'] === 'brpop' && client['db'] === String(db) && client['flags']?.includes('b'),
    )
    .map((client) => ({ id: client['id'] ?? '', address: client['addr'] ?? '' }));
}

/** One record a client, by the names that Redis gives the fields. */
export function parseClientList(text: string): readonly Readonly<Record<string, string>>[] {
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

/**
 * Ends the waits of these clients as their own timeout of a second would: a consumer that was told
 * to leave a queue goes on asking for it until then. @throws RedisError (Redis 5 or later).
 */
export async function endWaits(
  broker: RedisConnection,
  clients: readonly WaitingClient[],
): Promise<void> {
  await Promise.all(clients.map(async ({ id }) => broker.send('CLIENT', 'UNBLOCK', id, 'TIMEOUT')));
}
