/** Where a service's Redis is. Pure: types and names, no connection. */

export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

export interface Credentials {
  readonly username: string | undefined;
  readonly password: string;
}

export interface TlsOptions {
  /** False: the certificate of the server is not checked. Default: true. */
  readonly verify?: boolean;
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
      /** Credentials of the sentinels themselves, which may need none. */
      readonly sentinelCredentials: Credentials | undefined;
    });

/** What no message may repeat. */
export function secretsOf(target: RedisTarget): readonly string[] {
  return [
    target.credentials?.password,
    'sentinelCredentials' in target ? target.sentinelCredentials?.password : undefined,
  ].filter((secret) => secret !== undefined);
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
