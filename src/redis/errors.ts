import { errorCode, errorMessage } from '../errors.ts';

/** A Redis that cannot be used (further): data for a report, without arguments and passwords. */
export class RedisError extends Error {
  override readonly name = 'RedisError';
  /** `ECONNREFUSED`, `WRONGPASS`, `NOPERM` … */
  readonly code: string;
  /** What to do about it; may be empty. */
  readonly hint: string;
  /** An outage that lasted: trying further is of no use. */
  readonly isGivenUp: boolean;
  /** What was asked, where that is the point: a command that the user may not send. */
  readonly command: string | undefined;

  constructor(
    code: string,
    reason: string,
    hint: string,
    more: { readonly isGivenUp?: boolean; readonly command?: string | undefined } = {},
  ) {
    super(reason);
    this.code = code;
    this.hint = hint;
    this.isGivenUp = more.isGivenUp ?? false;
    this.command = more.command;
  }
}

const LOST = new Set(['ETIMEDOUT', 'ECONNRESET', 'ECONNREFUSED', 'EPROTO']);

/** Whether nothing more can be sent on the connection; otherwise Redis answers, and says no. */
export function isConnectionLost(error: RedisError): boolean {
  return error.isGivenUp || LOST.has(error.code);
}

/** What passes when a server starts again, or the network does. */
const PASSING = new Set([
  'ETIMEDOUT',
  'ECONNRESET',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'ENOENT',
  'LOADING',
  'MAXCLIENTS',
  'BUSY',
]);
/** What passes when another server becomes primary, or slots have moved. */
const PASSING_WITH_OTHERS = new Set([
  'READONLY',
  'MASTERDOWN',
  'ESENTINEL',
  'ECLUSTER',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'MOVED',
  'ASK',
]);

/** Whether it may be over in a moment. */
export function isOutage(error: RedisError, kind: 'server' | 'sentinel' | 'cluster'): boolean {
  if (error.isGivenUp) return false;
  return PASSING.has(error.code) || (kind !== 'server' && PASSING_WITH_OTHERS.has(error.code));
}

/** @param milliseconds for how long it was tried. */
export function givenUp({ code, message, hint }: RedisError, milliseconds: number): RedisError {
  const reason = `${message}, and no better for ${Math.round(milliseconds / 1000)} s`;
  return new RedisError(code, reason, hint, { isGivenUp: true });
}

const CONFIG_HINT = 'correct `redis` of this service in the config';

const KNOWN: readonly (readonly [pattern: RegExp, code: string, reason: string, hint: string])[] = [
  [/Failed to refresh slots cache/i, 'ECLUSTER', 'No node of the cluster answers', CONFIG_HINT],
  [
    /Too many Cluster redirections|Cluster is (ended|disconnect)|Cluster isn't ready/i,
    'ECLUSTER',
    'The cluster does not agree on who has a key, or a primary of it is down',
    'look at redis-cli --cluster check',
  ],
  [/ECONNREFUSED/, 'ECONNREFUSED', 'Connection refused', `start Redis, or ${CONFIG_HINT}`],
  [/ENOTFOUND|EAI_AGAIN/, 'ENOTFOUND', 'Host not found', CONFIG_HINT],
  [
    /EHOSTUNREACH|ENETUNREACH/,
    'EHOSTUNREACH',
    'Host unreachable',
    `look at the network, or ${CONFIG_HINT}`,
  ],
  [/ECONNRESET|EPIPE/, 'ECONNRESET', 'Connection lost', 'look at the Redis log and run again'],
  [
    /ETIMEDOUT|Socket timeout/,
    'ETIMEDOUT',
    'No answer',
    'look whether Redis hangs (redis-cli ping), and run again',
  ],
  [/ENOENT/, 'ENOENT', 'No such socket', `start Redis, or ${CONFIG_HINT}`],
  [
    /EACCES/,
    'EACCES',
    'Permission denied on the socket',
    'run as a user of the socket’s group, or with sudo',
  ],
  [
    /WRONGPASS|invalid password|invalid username-password/i,
    'WRONGPASS',
    'Wrong user name or password',
    CONFIG_HINT,
  ],
  [
    /NOAUTH|Authentication required/i,
    'NOAUTH',
    'A password is required',
    'put it into the URL: redis://:${REDIS_PASSWORD}@host:port/db',
  ],
  [
    /DB index is out of range|invalid DB index/i,
    'DBINDEX',
    'No such database',
    'correct the number at the end of the URL; Redis has as many as its `databases` setting says',
  ],
  [
    /SELECT is not allowed in cluster mode/i,
    'CLUSTER',
    'This is a cluster node, which has database 0 only',
    'configure "redis": { "cluster": [url, …] }',
  ],
  [
    /max number of clients/i,
    'MAXCLIENTS',
    'Redis has reached its maximum number of clients',
    'close clients or raise `maxclients`, and run again',
  ],
  [/LOADING/, 'LOADING', 'Redis is still loading its data', 'run again in a moment'],
  [/READONLY/, 'READONLY', 'This Redis is a read-only replica', 'name its primary in the config'],
  [
    /OOM command not allowed/,
    'OOM',
    'Redis is full (maxmemory) and stores nothing more',
    'raise `maxmemory`, or remove what is not needed',
  ],
  [
    /NOREPLICAS/,
    'NOREPLICAS',
    'Redis refuses writes because too few replicas are connected',
    'start the replicas, or see `min-replicas-to-write`',
  ],
  [
    /MISCONF/,
    'MISCONF',
    'Redis refuses writes because it cannot save to disk',
    'make room on the disk of Redis, or see `stop-writes-on-bgsave-error`',
  ],
  [
    /MASTERDOWN/,
    'MASTERDOWN',
    'This replica has lost its primary',
    'name the primary in the config',
  ],
  [/CLUSTERDOWN/, 'CLUSTERDOWN', 'The cluster is down', 'look at redis-cli --cluster check'],
  [/^BUSY /, 'BUSY', 'Redis is busy running a script', 'run again when it has ended'],
  [
    /Connection is closed|Stream isn't writeable|Socket closed/,
    'ECONNRESET',
    'Connection lost',
    'look at the Redis log and run again',
  ],
  [
    /Protocol error|Unknown RESP type/i,
    'EPROTO',
    'What listens there does not speak the Redis protocol',
    CONFIG_HINT,
  ],
  [
    /WRONG_VERSION_NUMBER|wrong version number|packet length too long/i,
    'ETLS',
    'What listens there does not speak TLS',
    'use redis:// instead of rediss://',
  ],
  [
    /alert certificate required/i,
    'ETLS',
    'The server wants a client certificate',
    'name one in the config: "tls": { "cert": file, "key": file }',
  ],
  [
    /alert certificate expired/i,
    'ETLS',
    'The client certificate has expired',
    'renew what "tls"."cert" of the config names',
  ],
  [
    /alert (unknown ca|bad certificate|unsupported certificate|certificate (revoked|unknown)|access denied)/i,
    'ETLS',
    'The server does not accept the client certificate',
    'name one in "tls"."cert" that an authority of the server has signed',
  ],
  [
    /self.signed|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|unable to (verify|get)/i,
    'ETLS',
    'The server’s certificate is not signed by a known authority',
    'name its authority: "redis": { "url": …, "tls": { "ca": file } }',
  ],
  [
    /ALTNAME|does not match certificate/i,
    'ETLS',
    'The server’s certificate is for another host name',
    'set "tls": { "servername": … } in the config',
  ],
  [
    /certificate has expired|CERT_HAS_EXPIRED/i,
    'ETLS',
    'The server’s certificate has expired',
    'renew it',
  ],
  [
    /SSL routines|SSL alert/,
    'ETLS',
    'The TLS connection failed',
    'look at the Redis log, and at the TLS versions and ciphers that it allows',
  ],
];

/**
 * Any error of a connection or a reply as one with a code, a phrase and a remedy. The original is
 * dropped on purpose: ioredis keeps the arguments of a failed command in it, AUTH's included.
 */
export function toRedisError(
  error: unknown,
  secrets: readonly string[],
  command?: string,
): RedisError {
  if (error instanceof RedisError) return error;
  const text = `${errorCode(error) ?? ''} ${errorMessage(error)}`.trim();
  // Of a transaction it is the reason why it was not run.
  const permission = /^(?:EXECABORT .*: )?NOPERM (.*)/.exec(errorMessage(error))?.[1];
  if (permission !== undefined) {
    return new RedisError(
      'NOPERM',
      `Not permitted: ${redact(permission, secrets)}`,
      'give the user the permission with ACL SETUSER',
      { command: /the '([^']+)' command/.exec(permission)?.[1] ?? command },
    );
  }
  const unknown = UNKNOWN_COMMAND.exec(errorMessage(error));
  if (unknown !== null && command !== undefined) {
    return new RedisError(
      'ENOCOMMAND',
      `This server has no command ${command.toUpperCase()}`,
      'look for rename-command in its redis.conf, or use a server that has the command',
      { command },
    );
  }
  for (const [pattern, code, reason, hint] of KNOWN) {
    if (pattern.test(text)) return new RedisError(code, reason, hint);
  }
  const code = errorCode(error) ?? /^([A-Z][A-Z0-9_]+) /.exec(text)?.[1] ?? 'ERR';
  return new RedisError(code, redact(errorMessage(error), secrets), '');
}

/** Of Redis, where `rename-command` took it away, and of hosted servers and proxies. */
const UNKNOWN_COMMAND =
  /^(?:EXECABORT .*: )?ERR (?:unknown (?:sub)?command|command is not (?:available|allowed|supported)|unsupported command)/i;

/** Of these a password's own characters are recognized, however it is quoted or encoded. */
const RUN = /[a-z0-9]{4,}/gi;

function redact(text: string, secrets: readonly string[]): string {
  // Redis repeats the arguments of a command that it does not know, AUTH's too.
  let safe = text.replace(/,? with args beginning with:.*$/s, '');
  for (const secret of secrets) if (secret !== '') safe = safe.replaceAll(secret, '***');
  // Who repeats it in another form is no server to quote.
  return secrets.some((secret) => repeats(safe, secret))
    ? 'An error that repeats the password'
    : safe;
}

/** Whether a text holds a password: quoted, percent-encoded, in other case, reversed, hex, base64. */
export function repeats(text: string, secret: string): boolean {
  const folded = text.toLowerCase();
  const decoded = folded.replace(/%([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)).toLowerCase(),
  );
  // With `:`, spaces or `\\x` between the bytes, too.
  const texts = [folded, decoded, folded.replace(/\\x|\\u00|0x|&#x/g, '')].flatMap((one) => [
    one,
    one.replace(/[^a-z0-9]/g, ''),
  ]);
  const plain = secret.toLowerCase();
  const runs = [plain, reversed(plain)].flatMap((form) => [
    ...(form.match(RUN) ?? []),
    form.replace(/[^a-z0-9]/g, ''),
  ]);
  const forms = [Buffer.from(secret), Buffer.from(reversed(secret))].flatMap((bytes) => [
    bytes.toString('hex'),
    ...base64Forms(bytes),
  ]);
  return [...runs, ...forms]
    .filter((form) => form.length >= SHORTEST)
    .some((form) => texts.some((one) => one.includes(form)));
}

/** Fewer characters are in any text. */
const SHORTEST = 4;

function reversed(text: string): string {
  return Array.from(text).toReversed().join('');
}

/** At each of the three places that bytes can begin at within base64, without what depends on others. */
function base64Forms(bytes: Buffer): readonly string[] {
  return [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64url')
      .toLowerCase();
    const first = shift === 0 ? 0 : shift + 1;
    const partial = (shift + bytes.length) % 3 === 0 ? 0 : 1;
    return text.slice(first, text.length - partial).replace(/[^a-z0-9]/g, '');
  });
}

/** The command itself is refused, whatever its keys are: renamed, or not permitted to this user. */
export function refusesCommand(error: unknown): error is RedisError {
  if (!(error instanceof RedisError)) return false;
  return (
    error.code === 'ENOCOMMAND' || (error.code === 'NOPERM' && NAMES_COMMAND.test(error.message))
  );
}

/** One of the keys of a command is not for this user; others of the same command may be. */
export function refusesKey(error: unknown): error is RedisError {
  return error instanceof RedisError && error.code === 'NOPERM' && NAMES_KEY.test(error.message);
}

/** As Redis 6 to 8 and Valkey write them (`getAclErrorMessage` in acl.c). */
const NAMES_COMMAND = /the '[^']+' command/;
const NAMES_KEY = /one of the keys|access a key/i;

/**
 * What is asked for as a courtesy: undefined when this user may not, or the server has no such command.
 * @throws what else goes wrong.
 */
export async function permitted<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (isRefused(error)) return undefined;
    throw error;
  }
}

/** As `permitted`; undefined also where the key is of another type by now. */
export async function permittedOfType<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await permitted(reply);
  } catch (error) {
    if (error instanceof RedisError && error.code === 'WRONGTYPE') return undefined;
    throw error;
  }
}

/** This user may not, or the server has no such command: asking again is of no use. */
export function isRefused(error: unknown): error is RedisError {
  return error instanceof RedisError && (error.code === 'NOPERM' || error.code === 'ENOCOMMAND');
}
