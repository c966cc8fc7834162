/** What sentinels say of the primary that they watch, each asked over a connection of its own. */
import type { Redis } from 'ioredis';
import { errorMessage } from '../errors.ts';
import { authArguments, connectionOptions } from './connection-options.ts';
import { RedisError, toRedisError } from './errors.ts';
import { decodeFields, unexpectedReply } from './replies.ts';
import { watchReplies } from './reply-watch.ts';
import { addressLabel, secretsOf } from './target.ts';
import type { Address, RedisTarget } from './target.ts';

/** What one sentinel says of the primary that it watches. */
export interface SentinelView {
  /** `ip:port` */
  readonly address: string;
  readonly runId: string;
  readonly isFailingOver: boolean;
}

type SentinelTarget = Extract<RedisTarget, { readonly kind: 'sentinel' }>;

/**
 * What the sentinels say now; those that do not answer are left out. They name the new primary before
 * the old one knows that it is none any more (sentinel.c `sentinelFailoverPromoteSlave`).
 */
export async function askSentinels(target: SentinelTarget): Promise<readonly SentinelView[]> {
  const asked = askEach(target, readView);
  const views = await Promise.all(
    asked.answers.map(async (answer) => answer.catch(() => undefined)),
  );
  return views.filter((view) => view !== undefined);
}

/**
 * Where the primary is, from the sentinel that answers first.
 * @param signal aborted when nobody waits for the answer any more.
 * @throws RedisError with the reason that helps the most when none knows it: a refused password comes
 *   before a name that they do not watch, and that before a sentinel that is down.
 */
export async function findPrimary(
  target: SentinelTarget,
  signal: AbortSignal,
): Promise<{ readonly host: string; readonly port: number }> {
  const asked = askEach(target, readAddress);
  signal.addEventListener('abort', asked.close, { once: true });
  try {
    return await Promise.any(asked.answers);
  } catch (error) {
    if (!(error instanceof AggregateError)) throw error;
    throw mostTelling(error.errors as readonly RedisError[], target);
  } finally {
    signal.removeEventListener('abort', asked.close);
    asked.close();
  }
}

interface Asked<T> {
  /** One for each sentinel; rejected with a RedisError that names it. */
  readonly answers: readonly Promise<T>[];
  readonly close: () => void;
}

function askEach<T>(
  target: SentinelTarget,
  ask: (sentinel: Redis, name: string) => Promise<T>,
): Asked<T> {
  const open = new Set<Redis>();
  const close = (): void => {
    for (const sentinel of open) sentinel.disconnect();
  };
  const askOne = async (address: Address): Promise<T> => {
    const { Redis: Client } = await import('./ioredis.ts');
    const sentinel = new Client({ ...connectionOptions(target.tls), ...address });
    open.add(sentinel);
    let lost: unknown;
    // The promise only says that the connection is closed; why it is came as an event.
    sentinel.on('error', (error: unknown) => {
      lost = error;
    });
    watchReplies(sentinel);
    try {
      await sentinel.connect();
      return await authenticated(sentinel, target, async () => ask(sentinel, target.name));
    } catch (error) {
      const isClosed = lost !== undefined && /Connection is closed/.test(errorMessage(error));
      throw ofSentinel(isClosed ? lost : error, address, target);
    } finally {
      open.delete(sentinel);
      sentinel.disconnect();
    }
  };
  return { answers: target.sentinels.map(askOne), close };
}

/**
 * Sentinels often need no password where the server has one, and refuse one that they have no use for:
 * only that of a sentinel which then does not answer is told.
 */
async function authenticated<T>(
  sentinel: Redis,
  { sentinelCredentials }: SentinelTarget,
  ask: () => Promise<T>,
): Promise<T> {
  let refusal: unknown;
  if (sentinelCredentials !== undefined) {
    await sentinel.call('AUTH', ...authArguments(sentinelCredentials)).catch((error: unknown) => {
      refusal = error;
    });
  }
  try {
    return await ask();
  } catch (error) {
    throw refusal !== undefined && NO_ACCESS.test(errorMessage(error)) ? refusal : error;
  }
}

const NO_ACCESS = /^(?:NOAUTH|NOPERM|WRONGPASS|ERR operation not permitted)/;

async function readAddress(
  sentinel: Redis,
  name: string,
): Promise<{ readonly host: string; readonly port: number }> {
  const reply = await sentinel.callBuffer('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name);
  if (reply === null) throw new RedisError('ENAME', 'knows no primary of this name', NAME_HINT);
  const [host, port] = decodeFields('SENTINEL', reply).map(String);
  if (host === undefined || !/^\d{1,5}$/.test(port ?? '')) {
    throw unexpectedReply('SENTINEL', reply, 'a host and a port');
  }
  return { host, port: Number(port) };
}

async function readView(sentinel: Redis, name: string): Promise<SentinelView> {
  const flat = decodeFields('SENTINEL', await sentinel.callBuffer('SENTINEL', 'MASTER', name));
  const fields = new Map<string, string>();
  for (let index = 0; index + 1 < flat.length; index += 2) {
    fields.set(String(flat[index]), String(flat[index + 1]));
  }
  return {
    address: `${fields.get('ip') ?? ''}:${fields.get('port') ?? ''}`,
    runId: fields.get('runid') ?? '',
    isFailingOver: /failover_in_progress|o_down/.test(fields.get('flags') ?? ''),
  };
}

const NAME_HINT =
  'correct `name` in the config: redis-cli -p 26379 SENTINEL MASTERS lists the names';
const PASSWORD_HINT =
  'write the password of the sentinels as "sentinelPassword" beside "sentinels" (and "sentinelUsername" where they have users)';

function ofSentinel(error: unknown, address: Address, target: SentinelTarget): RedisError {
  const { code, message, hint } = toRedisError(error, secretsOf(target));
  const place = `The sentinel ${addressLabel(address)}`;
  if (code === 'WRONGPASS') {
    return new RedisError(code, `${place} refuses the user name or password`, PASSWORD_HINT);
  }
  if (code === 'NOAUTH') {
    return new RedisError(code, `${place} requires a password`, PASSWORD_HINT);
  }
  if (code === 'ENAME') return new RedisError('ESENTINEL', `${place} ${message}`, hint);
  return new RedisError(code, `${place}: ${message}`, hint);
}

/** Codes of what a sentinel says, and of what is wrong here; the rest is a sentinel that is down. */
const TELLING = ['WRONGPASS', 'NOAUTH', 'NOPERM', 'ESENTINEL', 'ETLS', 'EREPLY', 'EPROTO'];

function mostTelling(errors: readonly RedisError[], { tls }: SentinelTarget): RedisError {
  for (const code of TELLING) {
    const found = errors.find((error) => error.code === code);
    if (found !== undefined) return found;
  }
  const reasons = errors.map(({ message }) => message.replace(/^The sentinel /, ''));
  // One that speaks TLS only closes a connection that does not.
  const isClosed = tls === undefined && errors.some(({ code }) => code === 'ECONNRESET');
  return new RedisError(
    'ESENTINEL',
    `No sentinel answers (${reasons.join('; ')})`,
    `start the sentinels, or correct \`sentinels\` in the config${isClosed ? '; if they speak TLS only, use rediss://' : ''}`,
  );
}
