/**
 * What a wipe will meet in the Redis of a service: data that is still loaded, full memory, a disk that
 * it cannot save to, commands and keys that are refused. Asked by doctor, plan and `--strict`; changes
 * nothing.
 */
import type { Link } from '../commands/links.ts';
import { permissionFailures } from '../commands/permissions.ts';
import type { ServiceKeys } from '../commands/service-keys.ts';
import type { Finding } from '../model/finding.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { isRefused, permitted, RedisError, refusesKey } from '../redis/errors.ts';
import { infoFields } from '../redis/info.ts';
import { countByPrefix } from '../redis/jobs.ts';
import { grantText, missingPermissions } from '../redis/permissions.ts';
import type { MissingNeed, Need } from '../redis/permissions.ts';
import { startsWith } from '../redis/scan.ts';
import { refusesTransaction } from '../redis/wire.ts';
import { printable } from '../report/printable.ts';
import { megabytes } from '../report/totals.ts';

/** Codes of what is refused now and not for ever. */
const STATES = new Set(['LOADING', 'OOM', 'MISCONF', 'READONLY', 'NOREPLICAS']);

/** What is done without a command, by the command. */
const INSTEAD: Readonly<Record<string, string>> = {
  UNLINK:
    'DEL removes keys instead, 100 at a time: Redis serves nobody else while it frees a large one',
  MULTI: 'each command is sent alone, and the index of what is in flight last',
  EXEC: 'each command is sent alone, and the index of what is in flight last',
  EVAL: 'messages are read whole, a few at a time',
  TYPE: 'LLEN tells which keys are lists',
  DBSIZE: 'how many keys of others there are is not known before they are looked at',
  INFO: 'a restart of Redis during the wipe is not seen, and no memory figures are told',
  CLIENT: 'consumers that do not listen to remote control are not seen',
};

/** @returns a finding while Redis loads its data: nothing else can be asked. @throws RedisError. */
export async function loadingFinding(
  link: Link,
  redis: RedisConnection,
): Promise<Finding | undefined> {
  const { nodes } = await redis.startRetries().session();
  const states = await Promise.all(
    nodes.map(async (node) => permitted(node.send('INFO', 'persistence'))),
  );
  for (const state of states) {
    const fields = infoFields(String(state ?? ''));
    if (fields['loading'] !== '1') continue;
    const done = Math.round(Number(fields['loading_loaded_perc'] ?? 0));
    const seconds = Number(fields['loading_eta_seconds'] ?? 0);
    const rest = seconds > 0 ? `, some ${seconds} s more` : '';
    const reason = `Redis is still loading its data (${done} %${rest})`;
    return finding(link, 'LOADING', 'problem', reason, 'look again when it has loaded');
  }
  return undefined;
}

/**
 * What stands in the way of a wipe that needs these commands, and what is done another way.
 * @throws RedisError of the connection, or the signal's reason.
 */
export async function findServerLimits(
  link: Link,
  redis: RedisConnection,
  { keys, needs }: { readonly keys: ServiceKeys; readonly needs: readonly Need[] },
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const states = new Map<string, Finding>();
  const orState = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof RedisError) || !STATES.has(error.code)) throw error;
      states.set(error.code, await stateFinding(link, redis, error));
      return undefined;
    }
  };
  const [missing = []] = await Promise.all([
    orState(missingPermissions(redis, needs)),
    orState(storeNothing(redis, keys)),
    orState(beginNothing(redis)),
    orState(permitted(redis.send('EVAL', 'return 0', 0))),
    orState(permitted(redis.send('DBSIZE'))),
    orState(permitted(redis.send('INFO', 'server'))),
  ]);
  const spare = await unneeded(redis, keys, missing, signal);
  const needed = missing.filter((need) => !spare.includes(need));
  return [
    ...states.values(),
    ...permissionFailures(link, redis.user, needed).map((failure): Finding => ({
      ...failure,
      severity: 'problem',
    })),
    ...permissionFailures(link, redis.user, spare).map((failure): Finding => {
      const reason = `${failure.reason}; no key is there now that it would be needed for`;
      return { ...failure, reason, severity: 'warning' };
    }),
    ...insteadFindings(link, redis, needed),
  ];
}

/** A full Redis refuses it; a key that does not exist is not written with XX. */
async function storeNothing(redis: RedisConnection, { broker }: ServiceKeys): Promise<void> {
  await permitted(redis.send('SET', broker.lock('media-cleanup-probe'), '', 'XX'));
}

/** An empty transaction: whether there are any. A full Redis may refuse it, and is told of by itself. */
async function beginNothing(redis: RedisConnection): Promise<void> {
  try {
    await redis.transaction([]);
  } catch (error) {
    if (!refusesTransaction(error) && !isRefused(error)) throw error;
  }
}

async function stateFinding(
  link: Link,
  redis: RedisConnection,
  error: RedisError,
): Promise<Finding> {
  if (error.code !== 'OOM') return finding(link, error.code, 'problem', error.message, error.hint);
  const fields = infoFields(String((await permitted(redis.send('INFO', 'memory'))) ?? ''));
  const [used, most] = ['used_memory', 'maxmemory'].map((name) => Number(fields[name] ?? NaN));
  const figures =
    used === undefined || most === undefined || Number.isNaN(used + most)
      ? ''
      : ` (${megabytes(used)} MB of ${megabytes(most)} MB, ${fields['maxmemory_policy'] ?? ''})`;
  const reason = `${error.message}${figures}: services and workers fail when they save something; a wipe empties it, and holds workers once something has gone`;
  return finding(link, 'OOM', 'warning', reason, error.hint);
}

/**
 * Results have two spellings, and a user of one app may have one of them. Where SCAN lists no key of the
 * other, nothing of it is needed.
 */
async function unneeded(
  redis: RedisConnection,
  keys: ServiceKeys,
  missing: readonly MissingNeed[],
  signal: AbortSignal,
): Promise<readonly MissingNeed[]> {
  const found: MissingNeed[] = [];
  for (const need of missing) {
    const [key] = need.args;
    const start = keys.broker.resultStarts.find(
      (one) => Buffer.isBuffer(key) && startsWith(key, one),
    );
    if (start === undefined || !refusesKey(need.refusal)) continue;
    const count = await permitted(countByPrefix(redis, start, signal));
    if (count === 0) found.push(need);
  }
  return found;
}

function insteadFindings(
  link: Link,
  redis: RedisConnection,
  needed: readonly MissingNeed[],
): readonly Finding[] {
  const told = new Set<string>(needed.map(({ command }) => command));
  const findings: Finding[] = [];
  for (const [command, refusal] of redis.refused) {
    const instead = INSTEAD[command];
    if (instead === undefined || told.has(command)) continue;
    const isForbidden = refusal.code === 'NOPERM';
    const why = isForbidden ? `The user ${redis.user} may not ${command}` : `No command ${command}`;
    const hint = isForbidden ? grantText(redis.user, [command], []) : refusal.hint;
    findings.push(finding(link, 'EINSTEAD', 'warning', `${why}: ${instead}`, hint));
  }
  return findings;
}

function finding(
  { failureTarget, label }: Link,
  code: string,
  severity: Finding['severity'],
  reason: string,
  hint: string,
): Finding {
  return { code, severity, target: failureTarget, item: printable(label), reason, hint };
}
