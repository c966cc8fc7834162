import type { RedisConnection } from '../redis/connect.ts';

/**
 * How many clients of this database are blocked in BRPOP, as kombu's consumers are while they are
 * idle (kombu/transport/redis.py `_brpop_start`). `CLIENT LIST` does not say on which lists: some may
 * be another app's. @throws RedisError, NOPERM without the permission.
 */
export async function countWaiting(broker: RedisConnection, db: number): Promise<number> {
  const clients = parseClientList(String(await broker.send('CLIENT', 'LIST')));
  return clients.filter(
    ({ cmd, db: of, flags }) => cmd === 'brpop' && of === String(db) && flags?.includes('b'),
  ).length;
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
