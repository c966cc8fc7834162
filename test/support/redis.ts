/** A real redis-server of the test's own, on a free port or on a Unix socket. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { findPython } from '../setup/needs.ts';
import type { KeyPair } from './certificates.ts';
import { ended, hasEnded, killAtExit } from './processes.ts';

export interface RedisOptions {
  /** Default `redis-server`: of another version, or Valkey's. */
  readonly program?: string;
  readonly password?: string;
  /** Lines of an ACL file: `user reader on >secret ~* +@read`. */
  readonly acl?: readonly string[];
  readonly maxclients?: number;
  readonly databases?: number;
  /** Of one that was stopped; default: a free one. */
  readonly port?: number;
  /** Listen on a Unix socket in the folder and on no port. */
  readonly socket?: boolean;
  /** Speak TLS on the port, and nothing else on any. */
  readonly tls?: ServerTls;
  /** Milliseconds until it must answer, for one that loads much data; default 30 000. */
  readonly startTimeout?: number;
  /** Further lines of redis.conf. */
  readonly config?: readonly string[];
}

export interface ServerTls extends KeyPair {
  /** PEM file of the authority that clients' certificates must be signed by. */
  readonly ca: string;
  /** Clients need no certificate. */
  readonly anyClient?: boolean;
  /** What redis-cli shows the server. */
  readonly client: KeyPair;
}

export interface RedisEntry {
  /** Bytes as latin1 characters: keys are not always UTF-8. */
  readonly key: string;
  readonly type: string;
  /** SHA-256 over type, time of expiry and value. */
  readonly hash: string;
}

export interface TestRedis {
  /** 0 with `socket`. */
  readonly port: number;
  readonly socketPath: string | undefined;
  readonly pid: number;
  /** With the password, for the tool's config. */
  url(db?: number): string;
  /**
   * redis-cli's answer, without the last newline; `-n 3` first for another database, which must
   * exist: redis-cli goes on in database 0 when it does not. @throws Error when Redis sends one.
   */
  cli(...args: readonly string[]): string;
  /** As `cli`, the input being the last argument (`redis-cli -x`): the way to send any bytes. */
  cliInput(input: string | Buffer, ...args: readonly string[]): string;
  /** Every key of a database, sorted, read by redis-py. */
  entries(db: number): readonly RedisEntry[];
  /** One hash over every entry that the filter takes: the same before and after when untouched. */
  dump(db: number, filter?: (key: string) => boolean): string;
  /** SIGSTOP: accepts connections, answers nothing. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

const ENTRIES_SCRIPT = fileURLToPath(new URL('redis_entries.py', import.meta.url));

export async function startRedis(folder: string, options: RedisOptions = {}): Promise<TestRedis> {
  const directory = join(folder, 'redis');
  mkdirSync(directory, { recursive: true });
  const socketPath = options.socket === true ? join(directory, 'redis.sock') : undefined;
  for (let attempt = 1; ; attempt++) {
    const port = socketPath === undefined ? (options.port ?? (await freePort())) : 0;
    const { child, output } = launch(
      configuration(directory, port, socketPath, options),
      options.program,
    );
    if (await answers(child, () => dial(port, socketPath, options.tls), options.startTimeout))
      return handle(child, port, socketPath, options);
    child.kill('SIGKILL');
    // Another process may have taken the port since we asked for a free one.
    if (attempt === 5 || !output().includes('in use')) {
      throw new Error(`redis-server did not start:\n${output()}`);
    }
  }
}

/** A TCP port of 127.0.0.1 on which nothing listens now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return address.port;
}

function configuration(
  directory: string,
  port: number,
  socketPath: string | undefined,
  options: RedisOptions,
): string {
  const { tls } = options;
  return [
    ...(tls === undefined
      ? [`port ${port}`]
      : [
          'port 0',
          `tls-port ${port}`,
          `tls-ca-cert-file ${tls.ca}`,
          `tls-cert-file ${tls.cert}`,
          `tls-key-file ${tls.key}`,
          `tls-auth-clients ${tls.anyClient === true ? 'no' : 'yes'}`,
        ]),
    'bind 127.0.0.1',
    'save ""',
    'appendonly no',
    `dir ${directory}`,
    ...(socketPath === undefined ? [] : [`unixsocket ${socketPath}`]),
    ...(options.password === undefined ? [] : [`requirepass ${options.password}`]),
    ...(options.maxclients === undefined ? [] : [`maxclients ${options.maxclients}`]),
    ...(options.databases === undefined ? [] : [`databases ${options.databases}`]),
    ...(options.acl ?? []),
    ...(options.config ?? []),
    '',
  ].join('\n');
}

function launch(
  config: string,
  program = 'redis-server',
): { child: ChildProcess; output: () => string } {
  const child = spawn(program, ['-'], { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  killAtExit(child);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.on('error', (error) => (text += error.message));
  child.stdin.on('error', () => undefined);
  child.stdin.end(config);
  return { child, output: () => text };
}

/** Whether it answers PING before it ends; "no permission" is an answer too. */
async function answers(
  child: ChildProcess,
  dialled: () => Socket,
  startTimeout = 30_000,
): Promise<boolean> {
  const end = Date.now() + startTimeout;
  while (Date.now() < end && child.pid !== undefined && !hasEnded(child)) {
    const reply = await ping(dialled());
    // A clash: somebody else's server answers while ours is about to give up.
    if (reply) {
      await sleep(20);
      return !hasEnded(child);
    }
    await sleep(10);
  }
  return false;
}

function dial(port: number, socketPath: string | undefined, tls: ServerTls | undefined): Socket {
  if (socketPath !== undefined) return connect({ path: socketPath });
  if (tls === undefined) return connect(port, '127.0.0.1');
  const [cert, key] = [readFileSync(tls.client.cert), readFileSync(tls.client.key)];
  // Whom the certificate is for is the tool's business.
  return connectTls({ port, host: '127.0.0.1', cert, key, rejectUnauthorized: false });
}

async function ping(socket: Socket): Promise<boolean> {
  return await new Promise((resolve) => {
    socket.setTimeout(500, () => socket.destroy());
    socket.write('PING\r\n');
    socket.on('data', (data) => {
      resolve(/^(\+PONG|-NO(AUTH|PERM))/.test(data.toString()));
      socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(false));
  });
}

function handle(
  child: ChildProcess,
  port: number,
  socketPath: string | undefined,
  options: RedisOptions,
): TestRedis {
  const pid = child.pid ?? 0;
  const env = { PATH: process.env['PATH'], REDISCLI_AUTH: options.password };
  const { tls } = options;
  const where = socketPath === undefined ? ['-p', String(port)] : ['-s', socketPath];
  if (tls !== undefined) {
    where.push('--tls', '--insecure', '--cert', tls.client.cert, '--key', tls.client.key);
  }
  const cli = (args: readonly string[], input: string | Buffer = ''): string => {
    const output = execFileSync('redis-cli', [...where, '-e', ...args], {
      env,
      input,
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 60_000,
      maxBuffer: 2 ** 28,
    });
    return output.toString().replace(/\n$/, '');
  };
  const credentials =
    options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`;
  const url = (db = 0): string =>
    socketPath === undefined
      ? `${tls === undefined ? 'redis' : 'rediss'}://${credentials}127.0.0.1:${port}/${db}`
      : `unix://${credentials}${socketPath}?db=${db}`;
  const trust =
    tls === undefined
      ? ''
      : `?ssl_cert_reqs=none&ssl_certfile=${tls.client.cert}&ssl_keyfile=${tls.client.key}`;
  const entries = (db: number): readonly RedisEntry[] => readEntries(url(db) + trust);
  return {
    port,
    socketPath,
    pid,
    url,
    cli: (...args) => cli(args),
    cliInput: (input, ...args) => cli(['-x', ...args], input),
    entries,
    dump: (db, filter = () => true) => {
      const hash = createHash('sha256');
      for (const entry of entries(db)) {
        if (filter(entry.key)) hash.update(JSON.stringify(entry));
      }
      return hash.digest('hex');
    },
    pause: () => {
      child.kill('SIGSTOP');
    },
    resume: () => {
      child.kill('SIGCONT');
    },
    stop: async () => {
      child.kill('SIGKILL');
      await ended(child);
    },
  };
}

function readEntries(url: string): readonly RedisEntry[] {
  const output = execFileSync(findPython().path, [ENTRIES_SCRIPT], {
    // In the environment and not an argument: it may hold a password.
    env: { REDIS_URL: url },
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [key = '', type = '', hash = ''] = line.split(' ');
      return { key: Buffer.from(key, 'hex').toString('latin1'), type, hash };
    });
}
