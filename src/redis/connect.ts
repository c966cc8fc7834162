import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { errorMessage } from '../errors.ts';
import { RedisError, toRedisError } from './errors.ts';
import { targetLabel } from './target.ts';
import type { Address, Credentials, RedisTarget, TlsOptions } from './target.ts';

export type Argument = string | Buffer | number;
/** A reply as Redis sent it: bulk strings as Buffers, errors thrown. */
export type Reply = Buffer | number | null | readonly Reply[];

/** One connection to one database. Every method throws only {@link RedisError}. */
export interface RedisConnection {
  /** `host:port/db` for people, without password. */
  readonly label: string;
  /** What the operator should know about the connection itself. */
  readonly warnings: readonly string[];
  send(command: string, ...args: readonly Argument[]): Promise<Reply>;
  /** One sender for every primary: a SCAN asks one server only. */
  readonly primaries: () => readonly ((
    command: string,
    ...args: readonly Argument[]
  ) => Promise<Reply>)[];
  /** All in one MULTI/EXEC; in a cluster one after the other. */
  transaction(commands: readonly (readonly [string, ...Argument[]])[]): Promise<readonly Reply[]>;
  /** UNLINK; the number of keys that Redis says it removed. */
  unlink(keys: readonly Buffer[]): Promise<number>;
  /** EXISTS; the number of these keys that are there. */
  exists(keys: readonly Buffer[]): Promise<number>;
  close(): void;
}

/** What all connections of this process are called in CLIENT LIST. */
export const CLIENT_NAME = `media-cleanup-${randomBytes(4).toString('hex')}`;

/** Within this an unreachable Redis is given up, so that it costs a run less than 5 s. */
const CONNECT_MS = 4_000;
const COMMAND_MS = 4_000;

/**
 * Connects, authenticates and selects the database, each step checked by its reply: ioredis goes on
 * in database 0 when its own SELECT fails, and prints to the console when AUTH is not needed.
 * @throws RedisError within 5 s, or the signal's reason.
 */
export async function connectRedis(
  target: RedisTarget,
  signal: AbortSignal,
): Promise<RedisConnection> {
  const secrets = [
    target.credentials?.password,
    'sentinelCredentials' in target ? target.sentinelCredentials?.password : undefined,
  ].filter((secret) => secret !== undefined);
  const warnings: string[] = [];
  let client: Redis | Cluster | undefined;
  let lastError: unknown;
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => undefined;
  try {
    const created = await createClient(target);
    client = created;
    // A signal that is aborted already tells no listener any more.
    signal.throwIfAborted();
    created.on('error', (error: unknown) => {
      lastError = error;
    });
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(
          new RedisError(
            'ETIMEDOUT',
            `No answer within ${CONNECT_MS / 1000} s`,
            target.tls === undefined
              ? 'look whether Redis hangs (redis-cli ping) and whether the network reaches it'
              : 'look whether Redis hangs and whether it speaks TLS: if not, use redis:// instead of rediss://',
          ),
        );
      }, CONNECT_MS);
    });
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => {
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
    await Promise.race([timeout, aborted, handshake(created, target, warnings)]);
    return connectionOf(created, targetLabel(target), warnings, secrets);
  } catch (error) {
    client?.disconnect();
    signal.throwIfAborted();
    // A bug and not a server's doing.
    if (error instanceof TypeError) throw error;
    // The promise only says that the connection is closed; why it is came as an event.
    throw toRedisError(error instanceof RedisError ? error : causeOf(error, lastError), secrets);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

const CLOSED = /Connection is closed|None of startup nodes/;

function causeOf(error: unknown, lastError: unknown): unknown {
  if (lastError === undefined || !CLOSED.test(errorMessage(error))) return error;
  // Of a cluster it is the last node that knows, unless it was closed without a word.
  const ofNode =
    lastError instanceof Error && 'lastNodeError' in lastError
      ? lastError.lastNodeError
      : undefined;
  return ofNode === undefined || CLOSED.test(errorMessage(ofNode)) ? lastError : ofNode;
}

async function createClient(target: RedisTarget): Promise<Redis | Cluster> {
  // It costs 50 ms to load, which a wipe of files, a refusal and a config error need not wait for.
  const { Cluster, Redis } = await import('./ioredis.ts');
  const common = {
    lazyConnect: true,
    protocol: 2,
    connectTimeout: CONNECT_MS,
    // The process waits for this after a failed connection; every reply is in by then.
    disconnectTimeout: 100,
    commandTimeout: COMMAND_MS,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    disableClientInfo: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    ...(target.tls === undefined ? {} : { tls: tlsOptions(target.tls) }),
  } satisfies RedisOptions;
  switch (target.kind) {
    case 'server':
      return new Redis({ ...common, ...target.address });
    case 'sentinel':
      return new Redis({
        ...common,
        name: target.name,
        sentinels: target.sentinels.map(hostAndPort),
        sentinelRetryStrategy: () => null,
        ...(target.sentinelCredentials === undefined
          ? {}
          : {
              sentinelPassword: target.sentinelCredentials.password,
              ...(target.sentinelCredentials.username === undefined
                ? {}
                : { sentinelUsername: target.sentinelCredentials.username }),
            }),
        enableTLSForSentinelMode: target.tls !== undefined,
        ...(target.tls === undefined ? {} : { sentinelTLS: tlsOptions(target.tls) }),
      });
    case 'cluster':
      return new Cluster(target.nodes.map(hostAndPort), {
        lazyConnect: true,
        clusterRetryStrategy: () => null,
        enableOfflineQueue: true,
        slotsRefreshTimeout: CONNECT_MS,
        redisOptions: {
          ...common,
          ...ioredisCredentials(target.credentials),
        },
      });
  }
}

function hostAndPort(address: Address): { host: string; port: number } {
  if ('path' in address)
    throw new RedisError(
      'ECONFIG',
      'A Unix socket cannot be a node of a cluster or a sentinel',
      'name host and port',
    );
  return address;
}

function ioredisCredentials(
  credentials: Credentials | undefined,
): Pick<RedisOptions, 'username' | 'password'> {
  if (credentials === undefined) return {};
  return {
    password: credentials.password,
    ...(credentials.username === undefined ? {} : { username: credentials.username }),
  };
}

function tlsOptions(tls: TlsOptions): ConnectionOptions {
  const read = (file: string): Buffer => {
    try {
      return readFileSync(file);
    } catch {
      throw new RedisError(
        'ETLS',
        `The TLS file ${file} cannot be read`,
        'correct "tls" in the config or its permissions',
      );
    }
  };
  return {
    ...(tls.ca === undefined ? {} : { ca: read(tls.ca) }),
    ...(tls.cert === undefined ? {} : { cert: read(tls.cert) }),
    ...(tls.key === undefined ? {} : { key: read(tls.key) }),
    ...(tls.servername === undefined ? {} : { servername: tls.servername }),
  };
}

async function handshake(
  client: Redis | Cluster,
  target: RedisTarget,
  warnings: string[],
): Promise<void> {
  await client.connect();
  if (target.kind === 'cluster') return;
  if (target.credentials !== undefined) {
    const { username, password } = target.credentials;
    try {
      await client.call('AUTH', ...(username === undefined ? [password] : [username, password]));
    } catch (error) {
      if (!/without any password configured|no password is set/i.test(String(error))) throw error;
      warnings.push(
        `${targetLabel(target)} needs no password although the config has one: is it the right server?`,
      );
    }
  }
  await client.call('SELECT', target.db);
  // So that operators find us in CLIENT LIST; nobody waits for it, and a user without the
  // permission works as well.
  client.call('CLIENT', 'SETNAME', CLIENT_NAME).catch(() => undefined);
}

function connectionOf(
  client: Redis | Cluster,
  label: string,
  warnings: readonly string[],
  secrets: readonly string[],
): RedisConnection {
  const senderOf =
    (node: Redis | Cluster) =>
    async (command: string, ...args: readonly Argument[]): Promise<Reply> => {
      try {
        return (await node.callBuffer(command, ...args)) as Reply;
      } catch (error) {
        throw toRedisError(error, secrets);
      }
    };
  const send = senderOf(client);
  const cluster = client.isCluster ? (client as Cluster) : undefined;
  const overKeys = async (command: string, keys: readonly Buffer[]): Promise<number> => {
    if (keys.length === 0) return 0;
    if (cluster === undefined) return Number(await send(command, ...keys));
    // A command over several keys must stay in one slot.
    const counts = await Promise.all(keys.map(async (key) => Number(await send(command, key))));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  return {
    label,
    warnings,
    send,
    primaries: () => (cluster === undefined ? [send] : cluster.nodes('master').map(senderOf)),
    async transaction(commands) {
      if (cluster !== undefined) {
        const replies: Reply[] = [];
        for (const [command, ...args] of commands) replies.push(await send(command, ...args));
        return replies;
      }
      // One connection keeps the order, so nothing of ours comes between MULTI and EXEC.
      const sent = [send('MULTI'), ...commands.map(([command, ...args]) => send(command, ...args))];
      const execution = send('EXEC');
      // Looked at below; until then a lost connection is no unhandled rejection.
      execution.catch(() => undefined);
      const queued = await Promise.allSettled(sent);
      const replies = await execution.catch((error: unknown) => {
        const refused = queued.find((reply) => reply.status === 'rejected');
        throw refused === undefined ? error : refused.reason;
      });
      if (!Array.isArray(replies))
        throw new RedisError('EXECABORT', 'The transaction was not run', 'run again');
      const failed = (replies as readonly unknown[]).find((reply) => reply instanceof Error);
      if (failed !== undefined) throw toRedisError(failed, secrets);
      return replies as readonly Reply[];
    },
    unlink: (keys) => overKeys('UNLINK', keys),
    exists: (keys) => overKeys('EXISTS', keys),
    close() {
      client.disconnect();
    },
  };
}
