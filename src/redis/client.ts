import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { Cluster, Command as IoredisCommand, Redis, RedisOptions } from 'ioredis';
import { errorMessage } from '../errors.ts';
import { repeats, RedisError, toRedisError } from './errors.ts';
import { infoFields } from './info.ts';
import { addressLabel, targetLabel } from './target.ts';
import { watchReplies } from './reply-watch.ts';
import { pendingReplies, untilStopped } from './stop-waiting.ts';
import type { PendingReplies } from './stop-waiting.ts';
import type { Address, Credentials, RedisTarget, TlsOptions } from './target.ts';
import { createWire } from './wire.ts';
import type { RawWire, RefusedCommands, Wire } from './wire.ts';

/** What all connections of this process are called in CLIENT LIST. */
export const CLIENT_NAME = `media-cleanup-${randomBytes(4).toString('hex')}`;

/** Within this an unreachable Redis is given up, so that it costs a run less than 5 s. */
const CONNECT_MS = 4_000;

export type Client = Redis | Cluster;

/** A client that has said who it is and is in its database. */
export interface Opened {
  /** To close and to look at; commands go over `wire`. */
  readonly client: Client;
  readonly wire: Wire;
  /** To one node of a cluster. */
  readonly wireTo: (node: Client) => Wire;
  /** Milliseconds that the oldest reply is waited for; 0: none. */
  readonly oldest: () => number;
  readonly warnings: readonly string[];
  /** `host:port` of its primary, when this is a replica. */
  readonly replicaOf: string | undefined;
}

/**
 * Connects once, authenticates and selects the database, each step checked by its reply: ioredis goes
 * on in database 0 when its own SELECT fails, and prints to the console when AUTH is not needed.
 * @param refused commands that are known to be refused; grows.
 * @throws RedisError within 5 s, or the signal's reason.
 */
export async function openClient(
  target: RedisTarget,
  signal: AbortSignal,
  refused?: RefusedCommands,
): Promise<Opened> {
  const secrets = secretsOf(target);
  const warnings: string[] = [];
  let client: Client | undefined;
  let lastError: unknown;
  let timer: NodeJS.Timeout | undefined;
  // The promise only says that the connection is closed; why it is came as an event.
  const toError = (error: unknown, command?: string): RedisError => {
    // A bug and not a server's doing.
    if (error instanceof TypeError) throw error;
    const cause = error instanceof RedisError ? error : causeOf(error, lastError);
    return toRedisError(cause, secrets, command);
  };
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
    const connecting = Promise.race([timeout, handshake(created, target, warnings)]);
    const replicaOf = await untilStopped(connecting, signal);
    const { Command } = await import('./ioredis.ts');
    const replies = pendingReplies(signal, (cause) => {
      lastError = cause;
      created.disconnect();
    });
    created.once('end', replies.close);
    const wireTo = (node: Client): Wire =>
      createWire(rawWire(node, Command, replies), toError, refused);
    const { oldest } = replies;
    return { client: created, wire: wireTo(created), wireTo, oldest, warnings, replicaOf };
  } catch (error) {
    client?.disconnect();
    signal.throwIfAborted();
    throw withTlsHint(toError(error), target);
  } finally {
    clearTimeout(timer);
  }
}

function rawWire(client: Client, Command: typeof IoredisCommand, replies: PendingReplies): RawWire {
  return {
    call: async (name, args) => replies.await(client.callBuffer(name, ...args)),
    async callBytes(name, bytes) {
      const command = new Command(name, [], { replyEncoding: null });
      command.toWritable = () => bytes;
      return await replies.await(client.sendCommand(command) as Promise<unknown>);
    },
  };
}

/** A server that speaks TLS only closes a connection that does not. */
function withTlsHint(error: RedisError, target: RedisTarget): RedisError {
  if (error.code !== 'ECONNRESET' || target.tls !== undefined) return error;
  const hint = `${error.hint}; if it speaks TLS only, use rediss://`;
  return new RedisError(error.code, error.message, hint);
}

function secretsOf(target: RedisTarget): readonly string[] {
  return [
    target.credentials?.password,
    'sentinelCredentials' in target ? target.sentinelCredentials?.password : undefined,
  ].filter((secret) => secret !== undefined);
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

function commonOptions(tls: TlsOptions | undefined) {
  return {
    lazyConnect: true,
    protocol: 2 as const,
    connectTimeout: CONNECT_MS,
    // The process waits for this after a failed connection; every reply is in by then.
    disconnectTimeout: 100,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    disableClientInfo: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
  } satisfies RedisOptions;
}

async function createClient(target: RedisTarget): Promise<Client> {
  const client = await newClient(target);
  if (client.isCluster) (client as Cluster).on('+node', watchReplies);
  else watchReplies(client as Redis);
  return client;
}

async function newClient(target: RedisTarget): Promise<Client> {
  // It costs 50 ms to load, which a wipe of files, a refusal and a config error need not wait for.
  const { Cluster, Redis } = await import('./ioredis.ts');
  const common = commonOptions(target.tls);
  switch (target.kind) {
    case 'server':
      return new Redis({ ...common, ...target.address });
    case 'sentinel': {
      const { username, password } = ioredisCredentials(target.sentinelCredentials);
      return new Redis({
        ...common,
        name: target.name,
        sentinels: target.sentinels.map(hostAndPort),
        sentinelRetryStrategy: () => null,
        ...(password === undefined ? {} : { sentinelPassword: password }),
        ...(username === undefined ? {} : { sentinelUsername: username }),
        enableTLSForSentinelMode: target.tls !== undefined,
        ...(target.tls === undefined ? {} : { sentinelTLS: tlsOptions(target.tls) }),
      });
    }
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

/** How to ask each of the sentinels itself. */
export function sentinelOptions(target: Extract<RedisTarget, { readonly kind: 'sentinel' }>) {
  return target.sentinels.map((address) => ({
    ...commonOptions(target.tls),
    ...address,
    ...ioredisCredentials(target.sentinelCredentials),
  }));
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
  const read = (name: 'ca' | 'cert' | 'key'): Buffer | undefined => {
    const file = tls[name];
    if (file === undefined) return undefined;
    try {
      return readFileSync(file);
    } catch {
      throw tlsFileError(`The TLS file ${file} cannot be read`, name);
    }
  };
  const [ca, cert, key] = [read('ca'), read('cert'), read('key')];
  if (ca !== undefined) certificate(ca, 'ca', tls);
  if (cert !== undefined && key !== undefined) {
    const pair = certificate(cert, 'cert', tls);
    if (!pair.checkPrivateKey(privateKey(key, tls))) {
      throw tlsFileError('The TLS key is not the one of the certificate', 'key');
    }
  }
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.servername === undefined ? {} : { servername: tls.servername }),
  };
}

function certificate(pem: Buffer, name: 'ca' | 'cert', tls: TlsOptions): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw tlsFileError(`The TLS file ${tls[name] ?? ''} holds no certificate in PEM`, name);
  }
}

function privateKey(pem: Buffer, tls: TlsOptions): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw tlsFileError(
      `The TLS file ${tls.key ?? ''} holds no private key in PEM without a passphrase`,
      'key',
    );
  }
}

function tlsFileError(reason: string, name: string): RedisError {
  return new RedisError('ETLS', reason, `correct "tls": { "${name}": … } in the config`);
}

/** An echo is an answer too. */
function expectOk(reply: unknown): void {
  if (reply !== 'OK') throw new Error('Protocol error');
}

/** @returns the primary's `host:port`, when the server is a replica. */
async function handshake(
  client: Client,
  target: RedisTarget,
  warnings: string[],
): Promise<string | undefined> {
  await client.connect();
  if (target.kind === 'cluster') return undefined;
  if (target.credentials !== undefined) {
    const { username, password } = target.credentials;
    try {
      expectOk(
        await client.call('AUTH', ...(username === undefined ? [password] : [username, password])),
      );
    } catch (error) {
      if (!/without any password configured|no password is set/i.test(String(error))) throw error;
      warnings.push(
        `${targetLabel(target)} needs no password although the config has one: is it the right server?`,
      );
    }
  }
  // Alone: a server that refuses us says why to the first command, and is gone for others. Database
  // 0 needs no permission to select it.
  if (target.db !== 0) expectOk(await client.call('SELECT', target.db));
  const replication = await client.call('INFO', 'replication').catch((error: unknown) => {
    if (/^(NOPERM|ERR unknown command)/.test(errorMessage(error))) return '';
    throw error;
  });
  // So that operators find us in CLIENT LIST; nobody waits for it, and a user without the
  // permission works as well.
  client.call('CLIENT', 'SETNAME', CLIENT_NAME).catch(() => undefined);
  if (typeof replication !== 'string') throw new Error('Protocol error');
  const { role, master_host: host, master_port: port } = infoFields(replication);
  if (role !== 'slave') return undefined;
  const isSecret = secretsOf(target).some((secret) => repeats(host ?? '', secret));
  return addressLabel({ host: isSecret ? '?' : (host ?? '?'), port: Number(port) });
}
