/**
 * The Redis databases that a container's environment names. Passwords are taken apart from the
 * rest here: what leaves this file as text is made of host, port and database alone.
 */
import { errorMessage } from '../errors.ts';
import { parseRedisUrl } from '../config/redis-url.ts';
import type { Interpolated } from '../config/interpolate.ts';

export type Variables = ReadonlyMap<string, Interpolated>;

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
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly tls: boolean;
  /** As in a URL. */
  readonly username: string;
  readonly secret: Secret | undefined;
}

export interface RedisUse {
  /** Where the jobs most likely are; undefined: only Celery's own databases are named. */
  readonly jobs: RedisFound | undefined;
  readonly broker: RedisFound | undefined;
  readonly results: RedisFound | undefined;
  /** There is a broker that is not Redis. */
  readonly foreignBroker: boolean;
  readonly notes: readonly string[];
}

const BROKER = /^(?:.*_)?BROKER(?:_(?:URL|URI))?$/;
const RESULTS = /^(?:.*_)?(?:RESULT_)?BACKEND(?:_(?:URL|URI))?$/;
const OTHER_USE = /CACHE|SESSION|LIMIT|SOCKET|CHANNEL|LOCK/;
const HOST = /^(?:(.*)_)?REDIS_HOST(?:NAME)?$/;
const HOST_DOCKER = 'host.docker.internal';

/** `brokerOption`: the URL of a worker's `-b`. */
export function redisInEnvironment(
  variables: Variables,
  brokerOption: string | undefined,
): RedisUse {
  const notes: string[] = [];
  const jobs: { readonly rank: number; readonly found: RedisFound }[] = [];
  let broker: RedisFound | undefined;
  let results: RedisFound | undefined;
  let foreignBroker = false;
  const all: [string, Interpolated][] = [...variables];
  if (brokerOption !== undefined) {
    const pieces = [{ text: brokerOption, variable: undefined }];
    all.push(['CELERY_BROKER_URL', { text: brokerOption, pieces, missing: [] }]);
  }
  for (const [entry, value] of all) {
    const isBroker = BROKER.test(entry);
    const scheme = /^([a-z][a-z+]*):\/\//.exec(value.text)?.[1];
    if (isBroker && scheme !== undefined && !/^(?:redis|rediss|unix)$/.test(scheme)) {
      foreignBroker = true;
      notes.push(
        scheme === 'sentinel'
          ? `${entry} goes through Redis Sentinel: write it by hand as { "sentinels": [ … ], "name": … }`
          : `${entry} is not Redis but ${scheme}: its queue is not wiped`,
      );
      continue;
    }
    const found = readUrl(entry, value);
    if (found === undefined) continue;
    if (typeof found === 'string') notes.push(`${entry}: ${found}`);
    else if (isBroker) broker ??= found;
    else if (RESULTS.test(entry)) results ??= found;
    else if (OTHER_USE.test(entry)) {
      notes.push(
        `${entry} names Redis ${labelOf(found)}: init does not use it as the database of the jobs`,
      );
    } else jobs.push({ rank: rankOf(entry), found });
  }
  for (const entry of variables.keys()) {
    const prefix = HOST.exec(entry);
    if (prefix === null || OTHER_USE.test(entry)) continue;
    const found = readParts(entry, prefix[1], variables);
    if (typeof found === 'string') notes.push(`${entry}: ${found}`);
    else if (found !== undefined) {
      if (/CELERY|BROKER/.test(entry)) broker ??= found;
      else jobs.push({ rank: entry.startsWith('REDIS_') ? 2 : 4, found });
    }
  }
  const [best, ...others] = jobs.toSorted((a, b) => a.rank - b.rank).map(({ found }) => found);
  for (const other of others) {
    if (best === undefined || databaseOf(other) === databaseOf(best)) continue;
    notes.push(
      `${other.entry} names ${labelOf(other)}, ${best.entry} names ${labelOf(best)}: "redis" is that of ${best.entry}`,
    );
  }
  return { jobs: best, broker, results, foreignBroker, notes };
}

export function labelOf({ host, port, db }: RedisFound): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}/${db}`;
}

/** Equal for what is one database, seen from one network. */
export function databaseOf({ host, port, db }: RedisFound): string {
  return `${host.toLowerCase()}:${port}/${db}`;
}

function rankOf(entry: string): number {
  if (entry === 'REDIS_URL') return 0;
  if (/^REDIS_(?:URI|DSN|CONNECTION(?:_STRING|_URL)?)$/.test(entry)) return 1;
  return entry.includes('JOB') ? 3 : 4;
}

/** Undefined: no Redis URL. A text: one that cannot be read, and why. */
function readUrl(entry: string, value: Interpolated): RedisFound | string | undefined {
  const text = value.text.trim();
  const whole = onlyVariable(value);
  const scheme = /^(redis|rediss|unix|redis\+socket):\/\//.exec(text)?.[1];
  if (scheme === undefined) {
    const isUrl = /(?:^|_)(?:REDIS|BROKER)_(?:URL|URI|DSN)$/.test(entry);
    if (whole === undefined || !isUrl || text !== '') return undefined;
    return `its value comes from the variable ${whole}, which is not set here: write \`redis\` by hand, or run init where it is set`;
  }
  if (scheme === 'unix' || scheme === 'redis+socket') {
    return 'a socket in the container: write its path on the host by hand, as unix:///…';
  }
  const afterScheme = text.indexOf('://') + 3;
  const at = text.lastIndexOf('@');
  const credentials = at === -1 ? '' : text.slice(afterScheme, at);
  const rest = at === -1 ? text.slice(afterScheme) : text.slice(at + 1);
  const [place = '', query = ''] = rest.split('?', 2);
  if (/[,;]/.test(rest)) {
    return 'it names several servers: write `redis` by hand, as { "cluster": [ … ] } or { "sentinels": [ … ] }';
  }
  const hasSecretInQuery = /(?:^|&)(?:password|username)=/.test(query);
  const db = /(?:^|&)(?:db|virtual_host)=\d+/.exec(query)?.[0]?.replace(/^&/, '');
  try {
    const parsed = parseRedisUrl(`${scheme}://${place}${db === undefined ? '' : `?${db}`}`);
    if ('path' in parsed.address) return undefined;
    const { host, port } = parsed.address;
    const colon = credentials.indexOf(':');
    const found = {
      entry,
      host: host === HOST_DOCKER ? '127.0.0.1' : host,
      port,
      db: parsed.db,
      tls: parsed.tls !== undefined,
      username: colon === -1 ? '' : credentials.slice(0, colon),
    };
    // Compose's own `${REDIS_PASSWORD}` may be empty only because nothing set it here.
    const isEmpty = credentials === '' || credentials === ':';
    if (isEmpty && value.missing.length === 0 && !hasSecretInQuery) {
      return { ...found, username: '', secret: undefined };
    }
    const start = value.text.indexOf('://') + 3 + colon + 1;
    const password =
      colon === -1 ? undefined : variableAt(value, start, start + credentials.length - colon - 1);
    const isPassword = password !== undefined && !hasSecretInQuery && !found.username.includes('$');
    if (isEmpty && !isPassword && !hasSecretInQuery) {
      return { ...found, username: '', secret: undefined };
    }
    const secret: Secret = isPassword
      ? { is: 'password', variable: password, encode: false, value: credentials.slice(colon + 1) }
      : { is: 'url', variable: whole ?? entry, encode: false, value: text };
    return { ...found, secret };
  } catch (error) {
    return `the Redis URL ${errorMessage(error)}`;
  }
}

/** REDIS_HOST, REDIS_PORT, REDIS_DB and so on. */
function readParts(
  entry: string,
  prefix: string | undefined,
  variables: Variables,
): RedisFound | string | undefined {
  const named = (...names: string[]): [string, Interpolated] | undefined => {
    for (const name of names) {
      const full = prefix === undefined ? `REDIS_${name}` : `${prefix}_REDIS_${name}`;
      const value = variables.get(full);
      if (value !== undefined) return [full, value];
    }
    return undefined;
  };
  const host = variables.get(entry)?.text.trim() ?? '';
  if (host === '') return 'it is empty here: write `redis` by hand';
  if (host.includes('://')) return undefined;
  if (!/^[\w.:-]+$/.test(host)) return 'it is no host name: write `redis` by hand';
  const number = (value: [string, Interpolated] | undefined, otherwise: number): number => {
    const text = value?.[1].text.trim() ?? '';
    return text === '' ? otherwise : Number(text);
  };
  const port = number(named('PORT'), 6379);
  const db = number(named('DB', 'DATABASE', 'DB_INDEX', 'JOB_DB'), 0);
  if (![port, db].every((value) => Number.isInteger(value) && value >= 0 && value < 65_536)) {
    return 'its port or database is no number: write `redis` by hand';
  }
  const file = named('PASSWORD_FILE', 'PASS_FILE');
  const password = named('PASSWORD', 'PASS', 'AUTH');
  const isSet =
    password !== undefined && (password[1].text !== '' || password[1].missing.length > 0);
  const secret: Secret | undefined = isSet
    ? {
        is: 'password',
        variable: onlyVariable(password[1]) ?? password[0],
        encode: true,
        value: password[1].text,
      }
    : file === undefined
      ? undefined
      : { is: 'password', variable: file[0].replace(/_FILE$/, ''), encode: true, value: '' };
  const tls = /^(?:1|true|yes|on)$/i.test(
    named('SSL', 'TLS', 'USE_SSL', 'USE_TLS')?.[1].text ?? '',
  );
  const username =
    secret === undefined ? '' : encodeURIComponent(named('USERNAME', 'USER')?.[1].text ?? '');
  return {
    entry,
    host: host === HOST_DOCKER ? '127.0.0.1' : host,
    port,
    db,
    tls,
    username,
    secret,
  };
}

/** The variable that the value is and nothing else. */
function onlyVariable({ pieces }: Interpolated): string | undefined {
  return pieces.length === 1 ? pieces[0]?.variable : undefined;
}

/** The variable whose value takes up exactly this part of the text. */
function variableAt({ pieces }: Interpolated, start: number, end: number): string | undefined {
  let at = 0;
  for (const { text, variable } of pieces) {
    if (variable !== undefined && at === start && at + text.length === end) return variable;
    at += text.length;
  }
  return undefined;
}
