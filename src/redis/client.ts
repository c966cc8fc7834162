import { randomBytes } from 'node:crypto';
import type { Cluster, Command as IoredisCommand, Redis } from 'ioredis';
import { errorMessage } from '../errors.ts';
import {
  authArguments,
  CONNECT_MS,
  connectionOptions,
  ioredisCredentials,
} from './connection-options.ts';
import { repeats, RedisError, toRedisError } from './errors.ts';
import { infoFields } from './info.ts';
import { addressLabel, secretsOf, targetLabel } from './target.ts';
import { watchReplies } from './reply-watch.ts';
import { findPrimary } from './sentinels.ts';
import { pendingReplies, untilStopped } from './stop-waiting.ts';
import type { PendingReplies } from './stop-waiting.ts';
import type { Address, RedisTarget } from './target.ts';
import { createWire } from './wire.ts';
import type { RawWire, RefusedCommands, Wire } from './wire.ts';

/** What all connections of this process are called in CLIENT LIST. */
export const CLIENT_NAME = `media-cleanup-${randomBytes(4).toString('hex')}`;

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
  // Aborted when nobody waits for this attempt any more.
  const attempt = new AbortController();
  const connect = async (): Promise<{ created: Client; replicaOf: string | undefined }> => {
    const created = await createClient(target, attempt.signal);
    attempt.signal.throwIfAborted();
    client = created;
    created.on('error', (error: unknown) => {
      lastError = error;
    });
    return { created, replicaOf: await handshake(created, target, warnings) };
  };
  try {
    // A signal that is aborted already tells no listener any more.
    signal.throwIfAborted();
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(noAnswer(target));
      }, CONNECT_MS);
    });
    const { created, replicaOf } = await untilStopped(Promise.race([timeout, connect()]), signal);
    if (target.tls?.verify === false) warnings.push(uncheckedText(target));
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
    throw withTlsHint(
      error instanceof RedisError ? error : ofServer(toError(error), target),
      target,
    );
  } finally {
    clearTimeout(timer);
    attempt.abort();
  }
}

function uncheckedText(target: RedisTarget): string {
  return `${targetLabel(target)}: the certificate of the server is not checked ("tls": { "verify": false }, or ssl_cert_reqs=none of the URL), so any server on the way could answer in its place: name its authority as "tls": { "ca": file }`;
}

function noAnswer({ tls }: RedisTarget): RedisError {
  return new RedisError(
    'ETIMEDOUT',
    `No answer within ${CONNECT_MS / 1000} s`,
    tls === undefined
      ? 'look whether Redis hangs (redis-cli ping) and whether the network reaches it'
      : 'look whether Redis hangs and whether it speaks TLS: if not, use redis:// instead of rediss://',
  );
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

/** So that it is not taken for what a sentinel says. */
function ofServer(error: RedisError, { kind }: RedisTarget): RedisError {
  if (kind !== 'sentinel') return error;
  const text = `the primary that the sentinels name: ${error.message}`;
  return new RedisError(error.code, text, error.hint, error);
}

/** A server that speaks TLS only closes a connection that does not. */
function withTlsHint(error: RedisError, target: RedisTarget): RedisError {
  if (error.code !== 'ECONNRESET' || target.tls !== undefined) return error;
  const hint = `${error.hint}; if it speaks TLS only, use rediss://`;
  return new RedisError(error.code, error.message, hint);
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

/** @param signal aborted when nobody waits for it any more. */
async function createClient(target: RedisTarget, signal: AbortSignal): Promise<Client> {
  const client = await newClient(target, signal);
  if (client.isCluster) (client as Cluster).on('+node', watchReplies);
  else watchReplies(client as Redis);
  return client;
}

async function newClient(target: RedisTarget, signal: AbortSignal): Promise<Client> {
  // It costs 50 ms to load, which a wipe of files, a refusal and a config error need not wait for.
  const { Cluster, Redis } = await import('./ioredis.ts');
  const common = connectionOptions(target.tls);
  switch (target.kind) {
    case 'server':
      return new Redis({ ...common, ...target.address });
    case 'sentinel':
      return new Redis({ ...common, ...(await findPrimary(target, signal)) });
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
    try {
      expectOk(await client.call('AUTH', ...authArguments(target.credentials)));
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
