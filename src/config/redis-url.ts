/**
 * The address of a Redis server as redis-py, kombu, Celery and valkey-py write it (kombu
 * `utils/url.py` and `transport/redis.py`, Celery `backends/redis.py`, redis-py `connection.py`). Pure:
 * no error holds the text, since any part of it may be a password in the wrong place.
 */
import { posix } from 'node:path';
import type { Address, Credentials, TlsOptions } from '../redis/target.ts';

export interface ParsedRedisUrl {
  readonly address: Address;
  readonly db: number;
  readonly credentials: Credentials | undefined;
  /** Undefined: no TLS. File names as they are written; `verify` only where the URL says so. */
  readonly tls: TlsOptions | undefined;
}

/** One URL of a list of sentinels. */
export interface ParsedSentinelUrl extends Omit<ParsedRedisUrl, 'db'> {
  /** Undefined: the URL names none. */
  readonly db: number | undefined;
  /** Celery's `sentinel://`: its database and its credentials are those of the server. */
  readonly isCelery: boolean;
}

const SENTINEL_PORT = 26_379;
const REDIS_PORT = 6379;

type Kind = 'tcp' | 'tls' | 'unix' | 'celery socket' | 'sentinel';

const KINDS: Readonly<Record<string, Kind>> = {
  redis: 'tcp',
  valkey: 'tcp',
  rediss: 'tls',
  valkeys: 'tls',
  unix: 'unix',
  'redis+socket': 'celery socket',
  sentinel: 'sentinel',
};

export const URL_SCHEMES = 'redis://, rediss://, valkey://, valkeys://, unix:// or redis+socket://';

const SEVERAL =
  'names several servers: write one URL, { "cluster": [url, …] }, or { "sentinels": url or [url, …], "name": master }';

/** Whether a text is the URL of a Redis by its scheme alone; `unix://` may be anything's. */
export function isRedisUrl(text: string): boolean {
  const kind = kindOf(text);
  return kind !== undefined && kind !== 'unix';
}

/** Whether it is a URL of Celery's for sentinels, or a list of them with `;` between. */
export function isSentinelUrl(text: string): boolean {
  return kindOf(text) === 'sentinel';
}

/**
 * `redis://[user:password@]host[:port][/db]`, `rediss://…`, `valkey://…`, `valkeys://…`,
 * `unix://[user:password@]/path[?db=n]`, Celery's `redis+socket:///path[?virtual_host=n]`, each with
 * the options that the clients know: those that change the server, the database or TLS are followed.
 * @throws Error with one phrase that never contains the URL, since that may hold a password.
 */
export function parseRedisUrl(text: string): ParsedRedisUrl {
  const kind = kindOf(text);
  if (kind === 'sentinel') {
    throw new Error(
      'names sentinels and no master: write { "sentinels": "sentinel://…", "name": "mymaster" }, with the `master_name` of Celery’s transport options',
    );
  }
  if (kind === undefined) throw new Error(`must begin with ${URL_SCHEMES}`);
  if (/[;,]\s*[a-z+]+:\/\//i.test(text)) throw new Error(SEVERAL);
  const parsed = parseOne(text, kind, REDIS_PORT);
  return { ...parsed, db: parsed.db ?? 0 };
}

/**
 * One or, with `;` between, several URLs of sentinels: Celery's `sentinel://host[:port][/db]`, or
 * `redis://` and `rediss://` (TLS). Port 26379 where none is written.
 * @throws Error as {@link parseRedisUrl} does.
 */
export function parseSentinelUrls(text: string): readonly ParsedSentinelUrl[] {
  return text.split(';').map((one): ParsedSentinelUrl => {
    const trimmed = one.trim();
    const kind = kindOf(trimmed);
    if (kind === 'unix' || kind === 'celery socket') {
      throw new Error('must be a redis:// or rediss:// URL here, not a socket');
    }
    if (kind === undefined) {
      throw new Error('must begin with sentinel://, redis:// or rediss:// (of each sentinel)');
    }
    return { ...parseOne(trimmed, kind, SENTINEL_PORT), isCelery: kind === 'sentinel' };
  });
}

function kindOf(text: string): Kind | undefined {
  const scheme = /^([a-z][a-z+]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  return scheme !== undefined && Object.hasOwn(KINDS, scheme) ? KINDS[scheme] : undefined;
}

function parseOne(
  text: string,
  kind: Kind,
  defaultPort: number,
): Omit<ParsedSentinelUrl, 'isCelery'> {
  const isSocket = kind === 'unix' || kind === 'celery socket';
  const rest = text.slice(text.indexOf('://') + 3);
  if (isSocket && !/^(?:[^/?#]*@)?\//.test(rest)) {
    throw new Error('needs an absolute path: unix:///run/redis.sock');
  }
  let url: URL;
  try {
    // WHATWG allows no credentials beside an empty host, so a socket gets a host to carry them.
    url = new URL(`redis://${isSocket ? rest.replace('/', 'socket/') : rest}`);
  } catch {
    throw new Error(
      'is not a valid URL: look at the port (at most 65535), and percent-encode special characters in the password',
    );
  }
  if (url.hash !== '') throw new Error('has a "#": write it as %23 in the password');
  const credentials = parseCredentials(url);
  const options = parseOptions(url.searchParams);
  if (isSocket) {
    if (options.tls !== undefined) throw new Error('has TLS options, and a socket has no TLS');
    const path = posix.normalize(decode(url.pathname));
    if (path === '/') throw new Error('needs an absolute path: unix:///run/redis.sock');
    return { address: { path }, db: databaseOfSocket(options, kind), credentials, tls: undefined };
  }
  const host = decode(url.hostname).replace(/^\[(.*)\]$/, '$1');
  if (host === '') throw new Error('names no host: write it, also where it is localhost');
  if (/[\s,;]/.test(host)) throw new Error(SEVERAL);
  const written = decode(url.pathname).replace('/', '');
  const named = [...(written === '' ? [] : [parseDb(written)]), ...databasesOf(options)];
  const port = url.port === '' ? defaultPort : Number(url.port);
  if (port === 0) throw new Error('has the port 0');
  if (options.tls !== undefined && kind !== 'tls') {
    throw new Error(
      kind === 'sentinel'
        ? 'has TLS options (ssl_…): begin the URLs of the sentinels with rediss://, and write the options as `tls`'
        : 'has TLS options (ssl_…): begin it with rediss://, or remove them',
    );
  }
  const tls = kind === 'tls' ? (options.tls ?? {}) : undefined;
  return { address: { host, port }, db: oneDatabase(named), credentials, tls };
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

interface Options {
  readonly db: number | undefined;
  readonly virtualHost: number | undefined;
  /** Undefined: no option is about TLS. */
  readonly tls: TlsOptions | undefined;
}

const TLS_OPTIONS = ['ssl_cert_reqs', 'ssl_ca_certs', 'ssl_certfile', 'ssl_keyfile'];

/** Of redis-py: they change how its client waits and decodes, and nothing that is read or removed. */
const WITHOUT_EFFECT = new Set([
  ...['socket_timeout', 'socket_connect_timeout', 'socket_keepalive', 'socket_read_size'],
  ...['retry_on_timeout', 'retry_on_error', 'max_connections', 'health_check_interval', 'timeout'],
  ...['client_name', 'encoding', 'encoding_errors', 'decode_responses', 'protocol'],
  'legacy_responses',
]);

function parseOptions(query: URLSearchParams): Options {
  const values = new Map<string, string>();
  const tls: { -readonly [Key in keyof TlsOptions]: TlsOptions[Key] } = {};
  for (const [name, value] of query) {
    if (values.has(name)) throw new Error('has a parameter twice');
    values.set(name, value);
    if (name === 'ssl_cert_reqs') tls.verify = isVerified(value);
    else if (name === 'ssl_ca_certs') tls.ca = value;
    else if (name === 'ssl_certfile') tls.cert = value;
    else if (name === 'ssl_keyfile') tls.key = value;
    else if (name === 'ssl_check_hostname') checkHostname(value);
    else if (name === 'password' || name === 'username') {
      throw new Error('has user or password as a parameter: write redis://user:password@host');
    } else if (name !== 'db' && name !== 'virtual_host' && !WITHOUT_EFFECT.has(name)) {
      const known = ['db', 'virtual_host', ...TLS_OPTIONS, 'ssl_check_hostname'].join(', ');
      throw new Error(
        `has an unknown parameter (known: ${known}, and redis-py’s timeouts; a "?" in the password is written %3F)`,
      );
    }
  }
  const database = (name: string): number | undefined => {
    const value = values.get(name);
    return value === undefined ? undefined : parseDb(value);
  };
  return {
    db: database('db'),
    virtualHost: database('virtual_host'),
    tls: [...values.keys()].some((name) => name.startsWith('ssl_')) ? tls : undefined,
  };
}

/** Python's CERT_OPTIONAL is CERT_REQUIRED for a client. */
function isVerified(value: string): boolean {
  const word = /^(?:cert_)?(none|optional|required)$/.exec(value.toLowerCase())?.[1];
  if (word === undefined) {
    throw new Error(
      'has an unknown ssl_cert_reqs: write none, optional or required (CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED)',
    );
  }
  return word !== 'none';
}

function checkHostname(value: string): void {
  if (/^(?:true|1|yes|on)$/i.test(value)) return;
  throw new Error(
    'asks not to check the host name (ssl_check_hostname): remove it, and write the name that the certificate is for as `servername` of `tls`',
  );
}

function databasesOf({ db, virtualHost }: Options): readonly number[] {
  return [db, virtualHost].filter((one) => one !== undefined);
}

function databaseOfSocket(options: Options, kind: Kind): number | undefined {
  const { db, virtualHost } = options;
  // kombu's broker takes `db` for nothing there, Celery's result backend takes it.
  if (kind === 'celery socket' && db !== undefined && db !== (virtualHost ?? 0)) {
    throw new Error(
      'names the database as ?db=, which Celery’s broker ignores in redis+socket://: write ?virtual_host=n for Celery’s database, or unix:///path?db=n',
    );
  }
  return oneDatabase(databasesOf(options));
}

function oneDatabase(named: readonly number[]): number | undefined {
  const [first, ...others] = named;
  if (others.some((one) => one !== first)) {
    throw new Error('names two databases, of the path, ?db= and ?virtual_host=: keep one');
  }
  return first;
}

/** kombu's virtual host: a number with or without a slash before it; `/` alone is database 0. */
function parseDb(text: string): number {
  const digits = /^\/?(\d{0,9})\/?$/.exec(text)?.[1];
  if (digits === undefined)
    throw new Error('names a database that is no number: it must end in /0, /1, …');
  return Number(digits);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('has a "%" that is no percent-encoding: write it as %25');
  }
}
