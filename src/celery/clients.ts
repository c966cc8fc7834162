import type { RedisConnection } from '../redis/connect.ts';

export interface Clients {
  /**
   * How many of this database are blocked in BRPOP, as kombu's consumers are while they are idle
   * (kombu/transport/redis.py `_brpop_start`); some may be another app's.
   */
  readonly waiting: number;
  /** The same, and those that were when they sent their last command: at work on what they got. */
  readonly consumers: number;
  /** Ids of those of this database that listen to patterns, as workers do: one text, to compare. */
  readonly subscribers: string;
  /** Of all. */
  readonly names: ReadonlySet<string>;
}

/** `CLIENT LIST`. @throws RedisError, NOPERM without the permission. */
export async function readClients(broker: RedisConnection, db: number): Promise<Clients> {
  const all = parseClientList(String(await broker.send('CLIENT', 'LIST')));
  const here = all.filter((client) => client['db'] === String(db));
  return {
    consumers: here.filter(({ cmd }) => cmd === 'brpop').length,
    waiting: here.filter(({ cmd, flags }) => cmd === 'brpop' && flags?.includes('b')).length,
    subscribers: here
      .filter(({ psub }) => psub !== undefined && psub !== '0')
      .map(({ id }) => id)
      .join(' '),
    names: new Set(all.map(({ name }) => name ?? '').filter((name) => name !== '')),
  };
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
