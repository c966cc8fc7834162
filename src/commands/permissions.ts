import { randomUUID } from 'node:crypto';
import { escapeGlob } from '../redis/scan.ts';
import { typeOf } from '../redis/key-type.ts';
import { grantText, needsText } from '../redis/permissions.ts';
import type { MissingNeed, Need } from '../redis/permissions.ts';
import { printable } from '../report/printable.ts';
import type { Failure } from '../report/types.ts';
import type { ServiceKeys } from './service-keys.ts';

/** Which permissions in Redis a wipe needs, and how they are asked for. */

/** ACL patterns of the keys that a step of a wipe works on (see the names of `onLink`'s steps). */
export function keyPatterns(keys: ServiceKeys, step: string): readonly string[] {
  const { broker } = keys;
  switch (step) {
    case 'jobs':
      return keys.jobs.prefixes.map((prefix) => patternFor(Buffer.from(prefix)));
    case 'results':
      return broker.resultStarts.map(patternFor);
    case 'queue':
      return keys.queues.map((queue) => patternFor(broker.queue(queue)));
    case 'in flight':
      return [exactly(broker.unacked), exactly(broker.unackedIndex), patternFor(broker.bindings)];
    case 'workers':
      return [exactly(broker.held), patternFor(broker.bindings), `*.${broker.replyExchange}`];
    case 'lock':
      return [lockPattern(keys)];
    default:
      return [];
  }
}

function patternFor(prefix: Buffer): string {
  return `${exactly(prefix)}*`;
}

function exactly(name: Buffer): string {
  return printable(escapeGlob(name));
}

const SCAN: Need = { command: 'SCAN', args: ['0', 'COUNT', 1], pattern: undefined };

function unlinkNeeds(starts: readonly Buffer[]): readonly Need[] {
  const probe = Buffer.from(`media-cleanup-probe-${randomUUID()}`);
  return starts.map((start) => ({
    command: 'UNLINK',
    args: [Buffer.concat([start, probe])],
    pattern: patternFor(start),
  }));
}

/** What removing results asks of a user, in forms that change nothing. */
export function resultNeeds({ results, broker }: ServiceKeys): readonly Need[] {
  if (results === 'none') return [];
  return [...(results === 'all' ? [SCAN] : []), ...unlinkNeeds(broker.resultStarts)];
}

/**
 * What removing jobs asks of a user, in forms that change nothing.
 * @param results where they are: in the same database they go with their jobs.
 */
export function jobNeeds(keys: ServiceKeys, results: 'here' | 'elsewhere'): readonly Need[] {
  if (keys.jobs.prefixes.length === 0) return [];
  const here = results === 'here' && keys.results !== 'none' ? keys.broker.resultStarts : [];
  const probe = Buffer.from(`media-cleanup-probe-${randomUUID()}`);
  return [
    SCAN,
    ...unlinkNeeds([...keys.jobs.prefixes.map((prefix) => Buffer.from(prefix)), ...here]),
    ...(keys.jobs.age === undefined
      ? []
      : keys.jobs.prefixes.flatMap((prefix): Need[] => {
          const key = Buffer.concat([Buffer.from(prefix), probe]);
          const pattern = patternFor(Buffer.from(prefix));
          return [
            { command: 'STRLEN', args: [key], pattern },
            { command: 'MGET', args: [key], pattern },
            { command: 'GETRANGE', args: [key, 0, 0], pattern },
          ];
        })),
  ];
}

/** What emptying queues asks of a user. */
export function queueNeeds(keys: ServiceKeys): readonly Need[] {
  const { broker, queues } = keys;
  if (queues.length === 0) return [];
  const probe = `media-cleanup-probe-${randomUUID()}`;
  const onLists = queues.flatMap((queue): Need[] => {
    // Who has the queue need not have what only begins like it. All of it stays in the list.
    const list = broker.queue(queue);
    const pattern = patternFor(broker.queue(queue));
    return [
      { command: 'TYPE', args: [list], pattern, instead: async (redis) => typeOf(redis, list) },
      { command: 'LLEN', args: [list], pattern },
      { command: 'LRANGE', args: [list, 0, 0], pattern },
      { command: 'LTRIM', args: [list, 0, -1], pattern },
    ];
  });
  return [
    { command: 'SCAN', args: ['0', 'COUNT', 1], pattern: undefined },
    ...onLists,
    { command: 'HSCAN', args: [broker.unacked, '0', 'COUNT', 1], pattern: exactly(broker.unacked) },
    { command: 'HDEL', args: [broker.unacked, probe], pattern: exactly(broker.unacked) },
    { command: 'ZREM', args: [broker.unackedIndex, probe], pattern: exactly(broker.unackedIndex) },
  ];
}

function lockPattern({ broker }: ServiceKeys): string {
  return patternFor(Buffer.from(broker.lock('')));
}

/** What keeping runs on other hosts away asks of a user; a wipe goes on without. */
export function lockNeeds(keys: ServiceKeys): readonly Need[] {
  const key = keys.broker.lock(`media-cleanup-probe-${randomUUID()}`);
  const pattern = lockPattern(keys);
  return [
    { command: 'SET', args: [key, '', 'XX'], pattern },
    { command: 'GET', args: [key], pattern },
    { command: 'PEXPIRE', args: [key, 1], pattern },
    { command: 'EVAL', args: ['return 0', 1, key], pattern },
  ];
}

/** Instead of EVAL. */
export function watchNeeds(keys: ServiceKeys): readonly Need[] {
  const key = keys.broker.lock(`media-cleanup-probe-${randomUUID()}`);
  return [
    { command: 'WATCH', args: [key], pattern: lockPattern(keys) },
    { command: 'UNWATCH', args: [], pattern: undefined },
    { command: 'EXEC', args: [], pattern: undefined },
  ];
}

/** What strict mode, plan and `doctor` say of commands and keys that are refused. */
export function permissionFailures(
  { failureTarget, label }: { readonly failureTarget: 'Redis' | 'Celery'; readonly label: string },
  user: string,
  missing: readonly MissingNeed[],
): readonly Failure[] {
  const unknown = missing.filter(({ refusal }) => refusal.code === 'ENOCOMMAND');
  const forbidden = missing.filter((need) => !unknown.includes(need));
  const of = { target: failureTarget, item: label };
  const failures: Failure[] = [];
  if (unknown.length > 0) {
    const names = [...new Set(unknown.map(({ command }) => command))].join(', ');
    const reason = `This server has no command: ${names}`;
    failures.push({ ...of, code: 'ENOCOMMAND', reason, hint: unknown[0]?.refusal.hint ?? '' });
  }
  if (forbidden.length > 0) {
    const commands = forbidden.map(({ command }) => command);
    const patterns = forbidden.flatMap(({ pattern }) => (pattern === undefined ? [] : [pattern]));
    const reason = `The user ${user} may not: ${needsText(forbidden)}`;
    failures.push({ ...of, code: 'NOPERM', reason, hint: grantText(user, commands, patterns) });
  }
  return failures;
}
