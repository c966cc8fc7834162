import { CannotStart, errorCode } from '../errors.ts';
import type { Problem } from '../errors.ts';
import { checkWritable } from '../files/check-writable.ts';
import { withDirectory } from '../files/known-directory.ts';
import type { Need } from '../redis/permissions.ts';
import { findServerLimits } from '../resources/server-limits.ts';
import { findingFailure } from '../report/finding-text.ts';
import { errorLine, moreLine } from '../report/failures.ts';
import { printable } from '../report/printable.ts';
import { systemHint, systemReason } from '../report/system-reason.ts';
import { MAX_LISTED } from '../report/types.ts';
import type { Failure, Kind } from '../report/types.ts';
import { onLink } from './links.ts';
import type { Link } from './links.ts';
import type { OpenService } from './open-services.ts';
import { jobNeeds, queueNeeds, resultNeeds } from './permissions.ts';
import { serviceKeys } from './service-keys.ts';

/**
 * `--strict`: every target must be reachable and writable, Redis included. Changes nothing.
 * @throws CannotStart('refused') that names each one that is not, or the signal's reason.
 */
export async function enforceStrict(
  services: readonly OpenService[],
  kinds: readonly Kind[],
  signal: AbortSignal,
): Promise<void> {
  const found = await Promise.all(
    services.map(async (service) => problemsOf(service, kinds, signal)),
  );
  const problems = found.flat();
  if (problems.length === 0) return;
  const lines = problems.map(({ path, message }) => `${path}: ${message}`);
  throw new CannotStart(
    'refused',
    `Refusing to start because of --strict:\n${lines.join('\n')}`,
    problems,
  );
}

async function problemsOf(
  service: OpenService,
  kinds: readonly Kind[],
  signal: AbortSignal,
): Promise<readonly Problem[]> {
  const { name } = service.config;
  const messages: string[] = [];
  let found = 0;
  const note = (what: string, remedy: string): void => {
    messages.push(remedy === '' ? what : `${what} (${remedy})`);
  };
  const report = (failure: Failure): void => {
    note(errorLine(failure), failure.hint);
  };
  service.failures.forEach(report);
  await checkRedis(service, kinds, report, signal);
  for (const { located, known, boundaries } of service.directories) {
    if (located.state.is === 'missing' && !located.config.optional)
      note(`${located.path}: ${systemReason('ENOENT')}`, 'create it');
    if (known === undefined) continue;
    const onFailure = (item: Buffer, code: string): void => {
      found += 1;
      if (found > MAX_LISTED) return;
      const at = item.length === 0 ? located.path : `${located.name}/${printable(item)}`;
      note(`${at}: ${systemReason(code)}`, systemHint(code));
    };
    try {
      await withDirectory(known, signal, async (directory) =>
        checkWritable(directory, boundaries, onFailure, signal),
      );
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined || signal.aborted) throw error;
      onFailure(Buffer.alloc(0), code);
    }
  }
  if (found > MAX_LISTED) messages.push(moreLine(found - MAX_LISTED, 'problem'));
  return messages.map((message) => ({ path: name, message }));
}

/** What a wipe will ask of Redis is tried on keys that do not exist. */
async function checkRedis(
  service: OpenService,
  kinds: readonly Kind[],
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<void> {
  const keys = serviceKeys(service);
  const check = async (link: Link | undefined, needs: readonly Need[]): Promise<void> => {
    if (link === undefined || needs.length === 0) return;
    const step = { target: link.failureTarget, name: 'permissions' };
    await onLink(link, step, report, async (redis) => {
      const found = await findServerLimits(link, redis, { keys, needs }, signal);
      found
        .filter(({ severity }) => severity === 'problem')
        .map(findingFailure)
        .forEach(report);
    });
  };
  const { redis, broker, results } = service;
  const isElsewhere = results !== undefined && results !== redis;
  if (kinds.includes('jobs'))
    await check(redis, jobNeeds(keys, isElsewhere ? 'elsewhere' : 'here'));
  if (kinds.includes('queue')) await check(broker, queueNeeds(keys));
  if (isElsewhere) await check(results, resultNeeds(keys));
}
