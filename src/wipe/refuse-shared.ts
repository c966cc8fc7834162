import type { OpenService } from '../commands/open-services.ts';
import { warning } from '../commands/warnings.ts';
import { CannotStart } from '../errors.ts';
import { judgeSharedDatabases } from '../resources/shared-databases.ts';
import type { OpenDatabase, SharedDatabases } from '../resources/shared-databases.ts';

const SHOWN = 20;

/**
 * Refuses a run in which one wipe would delete what belongs to another service, because two addresses
 * of the config lead to one database. What cannot be judged becomes a warning of its service.
 * @param mayWrite whether a key may be written to know a server by; a dry run writes none.
 * @throws CannotStart('refused'), or the signal's reason.
 */
export async function refuseSharedDatabases(
  services: readonly OpenService[],
  options: { readonly mayWrite: boolean },
  signal: AbortSignal,
): Promise<void> {
  const { problems, pairs, unjudged } = await sharedDatabases(services, options, signal);
  if (problems.length > 0) {
    const lines = problems.slice(0, SHOWN).map(({ path, message }) => `${path} ${message}`);
    const more = problems.length > SHOWN ? [`and ${problems.length - SHOWN} more`] : [];
    throw new CannotStart(
      'refused',
      [`${sameText(pairs)}, and nothing was touched:`, ...lines, ...more].join('\n'),
      problems.map(({ path, message }) => ({ path, message })),
    );
  }
  for (const { service, text } of unjudged) {
    const own = services.find(({ config }) => config.name === service) ?? services[0];
    own?.warnings.push(warning(text));
  }
}

/** `a:6379/0 and b:6379/0 are the same Redis database`. */
export function sameText(pairs: readonly string[]): string {
  const more = pairs.length > 3 ? `, and ${pairs.length - 3} more pairs` : '';
  return `${pairs.slice(0, 3).join(', ')}${more} are the same Redis database`;
}

export async function sharedDatabases(
  services: readonly OpenService[],
  options: { readonly mayWrite: boolean },
  signal: AbortSignal,
): Promise<SharedDatabases> {
  const databases = services
    .flatMap(({ redis, broker, results }) => [redis, broker, results])
    .flatMap((link): OpenDatabase[] =>
      link?.connection === undefined ? [] : [{ target: link.target, connection: link.connection }],
    );
  return await judgeSharedDatabases(services[0]?.all ?? [], databases, options, signal);
}
