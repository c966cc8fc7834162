import { CannotStart } from '../errors.ts';
import type { Problem } from '../errors.ts';
import { checkWritable } from '../files/check-writable.ts';
import { probeRemoval } from '../redis/jobs.ts';
import { errorLine, moreLine } from '../report/failures.ts';
import { printable } from '../report/printable.ts';
import { systemHint, systemReason } from '../report/system-reason.ts';
import { MAX_LISTED } from '../report/types.ts';
import type { Failure, Kind } from '../report/types.ts';
import { onLink } from './links.ts';
import type { OpenService } from './open-services.ts';
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
  await checkRedis(service, kinds, report);
  for (const { located, open, boundaries } of service.directories) {
    if (located.state.is === 'missing')
      note(`${located.path}: ${systemReason('ENOENT')}`, 'create it');
    if (open === undefined) continue;
    const onFailure = (item: Buffer, code: string): void => {
      found += 1;
      if (found > MAX_LISTED) return;
      const at = item.length === 0 ? located.path : `${located.name}/${printable(item)}`;
      note(`${at}: ${systemReason(code)}`, systemHint(code));
    };
    await checkWritable(open, boundaries, onFailure, signal);
  }
  if (found > MAX_LISTED) messages.push(moreLine(found - MAX_LISTED, 'problem'));
  return messages.map((message) => ({ path: name, message }));
}

/** A key of the service's own that does not exist is removed: Redis says whether it would let us. */
async function checkRedis(
  service: OpenService,
  kinds: readonly Kind[],
  report: (failure: Failure) => void,
): Promise<void> {
  const keys = serviceKeys(service.config);
  const [prefix] = keys.jobs.prefixes;
  if (kinds.includes('jobs') && prefix !== undefined) {
    await onLink(service.redis, { target: 'Redis', name: 'jobs' }, report, async (redis) =>
      probeRemoval(redis, Buffer.from(prefix)),
    );
  }
  const [queue] = keys.queues;
  if (kinds.includes('queue') && queue !== undefined) {
    await onLink(service.broker, { target: 'Celery', name: 'queue' }, report, async (broker) =>
      probeRemoval(broker, keys.broker.queue(queue)),
    );
  }
}
