/**
 * A Redis database that the environment of a container names. Passwords are kept apart: what leaves
 * this file as text is made of addresses and databases alone.
 */
import { parseRedisUrl, parseSentinelUrls, isSentinelUrl } from '../config/redis-url.ts';
import { addressLabel, targetIdentity, targetLabel } from '../redis/target.ts';
import type { Address, Credentials, RedisTarget } from '../redis/target.ts';

/** What must be in an environment variable, because it holds a password. */
export interface Secret {
  /** The password alone, or the whole URL. */
  readonly is: 'password' | 'url';
  readonly variable: string;
  /** It stands for itself in the container and must be percent-encoded in a URL. */
  readonly encode: boolean;
  /** For comparing two of one name; never shown. */
  readonly value: string;
}

export interface RedisFound {
  /** The entry of the environment that names it. */
  readonly entry: string;
  /** One; several: sentinels. */
  readonly addresses: readonly [Address, ...Address[]];
  /** Of the primary that the sentinels watch; undefined: the address is the server's own. */
  readonly master: string | undefined;
  readonly db: number;
  /** `unchecked`: TLS without a look at the certificate, as the stack has it (ssl_cert_reqs=none). */
  readonly tls: 'none' | 'checked' | 'unchecked';
  /** As in a URL. */
  readonly username: string;
  readonly secret: Secret | undefined;
}

/** A URL of the environment, as it is written. */
export type ReadAddress = Pick<RedisFound, 'addresses' | 'db' | 'tls'> & {
  readonly isSentinel: boolean;
  readonly credentials: Credentials | undefined;
};

/** @throws Error as `parseRedisUrl` does. */
export function readAddress(text: string): ReadAddress {
  if (!isSentinelUrl(text)) {
    const { address, db, tls, credentials } = parseRedisUrl(text);
    const how = tls === undefined ? 'none' : tls.verify === false ? 'unchecked' : 'checked';
    return { addresses: [address], db, tls: how, isSentinel: false, credentials };
  }
  const [first, ...others] = parseSentinelUrls(text);
  if (first === undefined) throw new Error('names no sentinel');
  const addresses = [first.address, ...others.map(({ address }) => address)] as const;
  const { db = 0, credentials } = first;
  return { addresses: [...addresses], db, tls: 'none', isSentinel: true, credentials };
}

/** For people: `127.0.0.1:6379/3`, `/run/redis.sock/3`, `mymaster@127.0.0.1:26379/3`. */
export function labelOf(found: RedisFound): string {
  return targetLabel(targetOf(found, undefined));
}

/** Equal for what is one database, seen from one network. */
export function databaseOf(found: RedisFound): string {
  return targetIdentity(targetOf(found, undefined));
}

/** @param credentials `user:password@`, as text of a URL or with a variable in it; or nothing. */
export function urlText({ addresses, master, db, tls }: RedisFound, credentials: string): string {
  const [first, ...others] = addresses;
  if ('path' in first) return `unix://${credentials}${first.path}${db === 0 ? '' : `?db=${db}`}`;
  if (master !== undefined) {
    const more = others.map((address) => `;sentinel://${addressLabel(address)}`).join('');
    return `sentinel://${credentials}${addressLabel(first)}/${db}${more}`;
  }
  const scheme = tls === 'none' ? 'redis' : 'rediss';
  const option = tls === 'unchecked' ? '?ssl_cert_reqs=none' : '';
  return `${scheme}://${credentials}${addressLabel(first)}/${db}${option}`;
}

/** Whether a URL leads to the same place: the same servers and database, and TLS as here. */
export function leadsTo(found: RedisFound, read: ReadAddress): boolean {
  const { addresses, db, tls, isSentinel } = read;
  const other = { ...found, addresses, db, master: isSentinel ? (found.master ?? '') : undefined };
  return tls === found.tls && databaseOf(other) === databaseOf(found);
}

export function targetOf(
  { addresses, master, db, tls }: RedisFound,
  credentials: Credentials | undefined,
): RedisTarget {
  const options =
    tls === 'none' ? undefined : tls === 'unchecked' ? { verify: false } : ({} as const);
  return master === undefined
    ? { kind: 'server', address: addresses[0], db, credentials, tls: options }
    : {
        ...{ kind: 'sentinel', sentinels: addresses, name: master, db },
        ...{ credentials, sentinelCredentials: credentials, tls: options },
      };
}
