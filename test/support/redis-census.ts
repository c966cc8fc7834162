/** What is in the services' databases, said by redis-cli instead of by our own code. */
import { createHash } from 'node:crypto';
import type { TestRedis } from './redis.ts';
import { SERVICES, type ServiceName } from './stack.ts';

export interface RedisCounts {
  readonly jobs: number;
  /** Results that belong to no neighbour. */
  readonly results: number;
  readonly queued: number;
  readonly inFlight: number;
}

const PRIORITIES = ['', '\x06\x163', '\x06\x166', '\x06\x169'];

export function redisCounts(redis: TestRedis, name: ServiceName): RedisCounts {
  const { db, keyPrefix, queue } = SERVICES[name];
  const cli = (...args: readonly string[]): string => redis.cli('-n', String(db), ...args);
  const scan = (pattern: string): string[] =>
    // A SCAN while Redis resizes its table can show a key twice.
    [...new Set(cli('--scan', '--pattern', pattern).split('\n'))].filter(
      (key) => key !== '' && !key.includes('foreign'),
    );
  return {
    jobs: scan(`${keyPrefix}*`).length,
    results: scan('celery-task-meta-*').length,
    queued: PRIORITIES.map((suffix) => Number(cli('LLEN', queue + suffix))).reduce((a, b) => a + b),
    inFlight: unacked(redis, name).own.length,
  };
}

/** Those that hold keys. */
export function databases(redis: TestRedis): number[] {
  return [...redis.cli('INFO', 'keyspace').matchAll(/^db(\d+):/gm)].map(([, db]) => Number(db));
}

/** Delivery tags of the service's own entries of `unacked`, and all the others with their values. */
export function unacked(
  redis: TestRedis,
  name: ServiceName,
): { readonly own: readonly string[]; readonly others: Readonly<Record<string, string>> } {
  const { db, queue } = SERVICES[name];
  const all = JSON.parse(redis.cli('-n', String(db), '--json', 'HGETALL', 'unacked')) as Record<
    string,
    string
  >;
  const isOwn = (value: string): boolean => (JSON.parse(value) as unknown[])[2] === queue;
  const entries = Object.entries(all);
  return {
    own: entries.filter(([, value]) => isOwn(value)).map(([tag]) => tag),
    others: Object.fromEntries(entries.filter(([, value]) => !isOwn(value))),
  };
}

/** One hash over everything in all databases that is no business of the three services. */
export function neighboursHash(redis: TestRedis): string {
  const hash = createHash('sha256');
  const byDatabase = new Map(
    Object.entries(SERVICES).map(([name, { db }]) => [db as number, name]),
  );
  for (const db of databases(redis)) {
    const name = byDatabase.get(db) as ServiceName | undefined;
    hash.update(
      redis.dump(db, (key) => name === undefined || !(isOwn(key, name) || isShared(key))),
    );
    if (name === undefined) continue;
    const { own, others } = unacked(redis, name);
    const index = redis.cli('-n', String(db), 'ZRANGE', 'unacked_index', '0', '-1', 'WITHSCORES');
    const lines = index.split('\n');
    const foreign = lines.filter((_, at) => !own.includes(lines[at - (at % 2)] ?? ''));
    hash.update(
      JSON.stringify([Object.entries(others).toSorted(([a], [b]) => (a < b ? -1 : 1)), foreign]),
    );
  }
  return hash.digest('hex');
}

function isOwn(key: string, name: ServiceName): boolean {
  const { keyPrefix, queue } = SERVICES[name];
  return (
    key.startsWith(keyPrefix) ||
    PRIORITIES.some((suffix) => key === queue + suffix) ||
    (key.startsWith('celery-task-meta-') && !key.includes('foreign'))
  );
}

function isShared(key: string): boolean {
  return key === 'unacked' || key === 'unacked_index';
}
