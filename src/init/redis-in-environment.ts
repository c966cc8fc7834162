/**
 * The Redis databases that a container's environment names. Passwords are taken apart from the
 * rest here.
 */
import { errorMessage } from '../errors.ts';
import { isRedisUrl, isSentinelUrl } from '../config/redis-url.ts';
import type { Interpolated } from '../config/interpolate.ts';
import { labelOf, databaseOf, readAddress } from './redis-found.ts';
import type { ReadAddress, RedisFound, Secret } from './redis-found.ts';

export type Variables = ReadonlyMap<string, Interpolated>;

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
/** Names of variables in which a socket is that of a Redis, and not Docker's. */
const OF_REDIS = /REDIS|VALKEY|CELERY|BROKER|BACKEND/;
const TLS_FILES = /[?&]ssl_(?:ca_certs|certfile|keyfile)=/;
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
    if (isBroker && scheme !== undefined && !namesRedis(entry, value.text)) {
      foreignBroker = true;
      notes.push(`${entry} is not Redis but ${scheme}: its queue is not wiped`);
      continue;
    }
    const found = readUrl(entry, value, masterIn(variables));
    if (found === undefined) continue;
    if (TLS_FILES.test(value.text) && typeof found !== 'string') {
      notes.push(
        `${entry} names files for TLS, in the container: write \`tls\` by hand with their paths here`,
      );
    }
    if (typeof found !== 'string' && found.master !== undefined)
      notes.push(...ofSentinels(variables));
    if (typeof found === 'string') {
      notes.push(`${entry}: ${found}`);
      // It is Redis, and which one is not known: its queues are not in the database of the jobs.
      foreignBroker ||= isBroker && isSentinelUrl(value.text.trim());
    } else if (isBroker) broker ??= found;
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

function rankOf(entry: string): number {
  if (entry === 'REDIS_URL') return 0;
  if (/^REDIS_(?:URI|DSN|CONNECTION(?:_STRING|_URL)?)$/.test(entry)) return 1;
  return entry.includes('JOB') ? 3 : 4;
}

/** Undefined: no Redis URL. A text: one that cannot be read, and why. */
function readUrl(
  entry: string,
  value: Interpolated,
  master: string | undefined,
): RedisFound | string | undefined {
  const text = value.text.trim();
  const whole = onlyVariable(value);
  if (!namesRedis(entry, text)) {
    const isUrl = /(?:^|_)(?:REDIS|BROKER)_(?:URL|URI|DSN)$/.test(entry);
    if (whole === undefined || !isUrl || text !== '') return undefined;
    return `its value comes from the variable ${whole}, which is not set here: write \`redis\` by hand, or run init where it is set`;
  }
  const { place, credentials, start, query } = takeApart(text);
  try {
    const read = readAddress(place);
    if (read.isSentinel && master === undefined) return withoutMaster(place);
    const colon = credentials.indexOf(':');
    const found = {
      ...{ entry, db: read.db, tls: read.tls, master: read.isSentinel ? master : undefined },
      addresses: read.addresses.map(ofThisMachine) as unknown as RedisFound['addresses'],
      username: colon === -1 ? '' : credentials.slice(0, colon),
    };
    const hasSecretInQuery = /(?:^|&)(?:password|username)=/.test(query);
    // Compose's own `${REDIS_PASSWORD}` may be empty only because nothing set it here.
    const isEmpty = credentials === '' || credentials === ':';
    if (isEmpty && value.missing.length === 0 && !hasSecretInQuery) {
      return { ...found, username: '', secret: undefined };
    }
    const from = value.text.indexOf(text) + start + colon + 1;
    const password =
      colon === -1 ? undefined : variableAt(value, from, from + credentials.length - colon - 1);
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

function namesRedis(entry: string, text: string): boolean {
  return isRedisUrl(text.trim()) || (text.trim().startsWith('unix://') && OF_REDIS.test(entry));
}

/** Options of a URL that say where it leads; the others change how its client waits. */
const LEADS = /^(?:db|virtual_host|ssl_cert_reqs)=/;

/** The URL without user and password, which may hold any character, and those as they are written. */
function takeApart(text: string): {
  readonly place: string;
  readonly credentials: string;
  /** Where the credentials begin in the text. */
  readonly start: number;
  readonly query: string;
} {
  const start = text.indexOf('://') + 3;
  // Of sentinels the first URL counts.
  const [first = '', ...more] = isSentinelUrl(text) ? text.split(/;(?=\s*sentinel:)/) : [text];
  const at = first.lastIndexOf('@');
  const credentials = at === -1 ? '' : first.slice(start, at);
  const rest = at === -1 ? first.slice(start) : first.slice(at + 1);
  const [place = '', query = ''] = rest.split('?', 2);
  const options = query.split('&').filter((option) => LEADS.test(option));
  const others = more.map((one) => `;${one.trim().replace(/:\/\/.*@/, '://')}`);
  const end = options.length === 0 ? '' : `?${options.join('&')}`;
  return {
    ...{ credentials, start, query },
    place: text.slice(0, start) + place + end + others.join(''),
  };
}

function ofThisMachine(address: ReadAddress['addresses'][number]): typeof address {
  return 'host' in address && address.host === HOST_DOCKER
    ? { ...address, host: '127.0.0.1' }
    : address;
}

function withoutMaster(place: string): string {
  return `it names sentinels, and no variable names the master that they watch: write by hand { "sentinels": "${place}", "name": … }, with the \`master_name\` of the broker's transport options`;
}

function ofSentinels(variables: Variables): readonly string[] {
  return [...variables.keys()]
    .filter((name) => /SENTINEL\w*PASS/.test(name))
    .map(
      (name) =>
        `${name} is a password of the sentinels: add "sentinelPassword": "\${${name}}" beside "sentinels"`,
    );
}

/** The name of the master, of a variable of its own or of Celery's transport options as JSON. */
function masterIn(variables: Variables): string | undefined {
  for (const [name, { text }] of variables) {
    if (/SENTINEL_(?:MASTER|SERVICE)(?:_NAME|_SET)?$|SENTINEL_NAME$|MASTER_NAME$/.test(name)) {
      if (/^[\w.-]+$/.test(text.trim())) return text.trim();
    }
    const inOptions = /["']master_name["']\s*:\s*["']([\w.-]+)["']/.exec(text)?.[1];
    if (inOptions !== undefined) return inOptions;
  }
  return undefined;
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
  const hasTls = /^(?:1|true|yes|on)$/i.test(
    named('SSL', 'TLS', 'USE_SSL', 'USE_TLS')?.[1].text ?? '',
  );
  const username =
    secret === undefined ? '' : encodeURIComponent(named('USERNAME', 'USER')?.[1].text ?? '');
  return {
    ...{ entry, master: undefined, db, username, secret },
    addresses: [ofThisMachine({ host, port })],
    tls: hasTls ? 'checked' : 'none',
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
