/** How ioredis is told to connect: once, with no command sent twice, with the TLS of the config. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { RedisOptions } from 'ioredis';
import { RedisError } from './errors.ts';
import type { Credentials, TlsOptions } from './target.ts';

/** Within this an unreachable Redis is given up, so that it costs a run less than 5 s. */
export const CONNECT_MS = 4_000;

/** @throws RedisError when a file of `tls` cannot be used. */
export function connectionOptions(tls: TlsOptions | undefined) {
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

/** What follows AUTH. */
export function authArguments({ username, password }: Credentials): readonly string[] {
  return username === undefined ? [password] : [username, password];
}

export function ioredisCredentials(
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
    ...(tls.verify === false ? { rejectUnauthorized: false } : {}),
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
