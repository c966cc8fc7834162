/**
 * A service whose Redis may be in a file that was not read. Written without `redis` it would be one
 * that has files only, and a wipe of it would be verified with every job still there.
 */
import type { Group } from './group-services.ts';
import type { NeededVariable } from './proposal.ts';

export function unreadFiles(group: Group): readonly string[] {
  return [...new Set(group.flatMap(({ service }) => service.unread))];
}

/** A variable that the operator must set before any command runs, and the note that says why. */
export function unknownRedis(
  service: string,
  files: readonly string[],
): { readonly variable: NeededVariable; readonly message: string } {
  const name = `${service.toUpperCase().replaceAll(/\W/g, '_')}_UNKNOWN_REDIS_URL`;
  return {
    variable: {
      name: /^\d/.test(name) ? `_${name}` : name,
      services: [service],
      value: 'redis://<host>:<port>/<database>',
      source: `${files.join(', ')}, which is not read`,
      stand: 'redis://127.0.0.1:6379/0',
      envFile: undefined,
    },
    message: `its Redis is not known, because ${files.join(', ')} is not read: set ${name}, or write \`redis\`, \`keyPrefix\` and \`celery\` in its place, or remove \`redis\` if it has none`,
  };
}
