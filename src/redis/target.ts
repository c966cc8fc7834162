/** Where a service's Redis is. Pure: parsing and naming, no connection. */

export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

export interface Credentials {
  readonly username: string | undefined;
  readonly password: string;
}

export interface TlsOptions {
  /** PEM file paths, absolute. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

interface Common {
  readonly credentials: Credentials | undefined;
  /** Undefined: no TLS. */
  readonly tls: TlsOptions | undefined;
}

export type RedisTarget =
  | (Common & { readonly kind: 'server'; readonly address: Address; readonly db: number })
  | (Common & { readonly kind: 'cluster'; readonly nodes: readonly Address[] })
  | (Common & {
      readonly kind: 'sentinel';
      readonly sentinels: readonly Address[];
      readonly name: string;
      readonly db: number;
      /** Credentials of the sentinels themselves, from their URLs. */
      readonly sentinelCredentials: Credentials | undefined;
    });

export interface ParsedRedisUrl {
  readonly address: Address;
  readonly db: number;
  readonly credentials: Credentials | undefined;
  readonly tls: boolean;
}

/**
 * `redis://[user:password@]host[:port][/db]`, `rediss://…`, `unix://[user:password@]/path[?db=n]`;
 * `?db=n` and redis-py's `?virtual_host=n` name the database too.
 * @throws Error with one phrase that never contains the URL, since that may hold a password.
 */
export function parseRedisUrl(text: string): ParsedRedisUrl {
  const scheme = /^(redis|rediss|unix):\/\//.exec(text)?.[1];
  if (scheme === undefined) throw new Error('must begin with redis://, rediss:// or unix://');
  let url: URL;
  try {
    // WHATWG allows no credentials beside an empty host, so a socket gets a host to carry them.
    url = new URL(text.replace(/^unix:\/\/([^/]*@)?\//, 'unix://$1socket/'));
  } catch {
    throw new Error(
      'is not a valid URL: look at the port (at most 65535), and percent-encode special characters in the password',
    );
  }
  if (url.hash !== '') throw new Error('has a "#": write it as %23 in the password');
  const credentials = parseCredentials(url);
  const queryDb = parseQuery(url.searchParams);
  if (scheme === 'unix') {
    const path = decode(url.pathname);
    if (url.host !== 'socket' || path === '/')
      throw new Error('needs an absolute path: unix:///run/redis.sock');
    return { address: { path }, db: queryDb ?? 0, credentials, tls: false };
  }
  const host = decode(url.hostname).replace(/^\[(.*)\]$/, '$1');
  if (host === '') throw new Error('names no host');
  const pathDb = url.pathname.replace(/^\//, '');
  if (pathDb !== '' && queryDb !== undefined)
    throw new Error('names the database twice, in the path and as ?db=');
  const db = pathDb === '' ? (queryDb ?? 0) : parseDb(pathDb);
  const port = url.port === '' ? 6379 : Number(url.port);
  if (port === 0) throw new Error('has the port 0');
  return { address: { host, port }, db, credentials, tls: scheme === 'rediss' };
}

function parseCredentials(url: URL): Credentials | undefined {
  if (url.password === '' && url.username === '') return undefined;
  if (url.password === '')
    throw new Error('has a user name without a password (a password alone is ":password@")');
  return {
    username: url.username === '' ? undefined : decode(url.username),
    password: decode(url.password),
  };
}

function parseQuery(query: URLSearchParams): number | undefined {
  let db: number | undefined;
  for (const [name, value] of query) {
    if (name !== 'db' && name !== 'virtual_host')
      throw new Error('has an unknown parameter (known: db; a "?" in the password is written %3F)');
    if (db !== undefined) throw new Error('names the database twice');
    db = parseDb(value);
  }
  return db;
}

function parseDb(text: string): number {
  if (!/^\d{1,9}$/.test(text))
    throw new Error('names a database that is no number: it must end in /0, /1, …');
  return Number(text);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('has a "%" that is no percent-encoding: write it as %25');
  }
}

export function addressLabel(address: Address): string {
  if ('path' in address) return address.path;
  return address.host.includes(':')
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}

/** `host:port/db` for people, never with a password. */
export function targetLabel(target: RedisTarget): string {
  switch (target.kind) {
    case 'server':
      return `${addressLabel(target.address)}/${target.db}`;
    case 'cluster':
      return `cluster ${target.nodes.map(addressLabel).join(',')}`;
    case 'sentinel':
      return `${target.name}@${target.sentinels.map(addressLabel).join(',')}/${target.db}`;
  }
}

/** The same without the database: the server or servers. */
export function serverLabel(target: RedisTarget): string {
  return target.kind === 'cluster'
    ? targetLabel(target)
    : targetLabel(target).replace(/\/\d+$/, '');
}

/**
 * Two targets with the same identity are the same database for certain; others may still be: names of
 * a name server, sockets and proxies are only known by connecting.
 */
export function targetIdentity(target: RedisTarget): string {
  const known = identities.get(target);
  if (known !== undefined) return known;
  const identity =
    target.kind === 'cluster' ? serverOf(target) : `${serverOf(target)}/${target.db}`;
  identities.set(target, identity);
  return identity;
}

/** The cross-check of a config asks for each pair of services. */
const identities = new WeakMap<RedisTarget, string>();

function serverOf(target: RedisTarget): string {
  switch (target.kind) {
    case 'server':
      return `server ${addressIdentity(target.address)}`;
    case 'cluster':
      return `cluster ${target.nodes.map(addressIdentity).toSorted().join(',')}`;
    case 'sentinel':
      return `sentinel ${target.name} ${target.sentinels.map(addressIdentity).toSorted().join(',')}`;
  }
}

function addressIdentity(address: Address): string {
  if ('path' in address) return address.path;
  const host = plainHost(address.host);
  return `${LOOPBACK.test(host) ? 'loopback' : host}:${address.port}`;
}

/** With 0.0.0.0 and ::, which lead to this host as well, and IPv4 within IPv6. */
const LOOPBACK =
  /^(?:(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1?\]|\[::ffff:(?:7f[0-9a-f]{2}:[0-9a-f]{1,4}|0:0)\])$/;

/** `127.1` and `0x7f000001` as 127.0.0.1, `::0:1` as [::1], `h.` as h: as a resolver reads them. */
function plainHost(host: string): string {
  const written = host.replace(/\.$/, '').toLowerCase();
  const url = `http://${written.includes(':') ? `[${written}]` : written}`;
  return URL.canParse(url) ? new URL(url).hostname : written;
}
