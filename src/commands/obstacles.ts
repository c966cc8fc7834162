import type { Obstacle } from '../files/obstacle.ts';
import { userId } from '../files/process-wide.ts';
import type { LocatedDirectory } from '../files/resolve.ts';
import { printable } from '../report/printable.ts';
import { systemReason } from '../report/system-reason.ts';

export interface DirectoryObstacle extends Obstacle {
  readonly located: LocatedDirectory;
}

/**
 * Which directories this user cannot empty, told in the plan: one sentence for each configured
 * directory and reason, with the command that helps.
 */
export function obstacleWarnings(
  service: string,
  obstacles: readonly DirectoryObstacle[],
): readonly string[] {
  const groups = new Map<string, DirectoryObstacle[]>();
  for (const obstacle of obstacles) {
    const key = `${obstacle.located.path}\0${obstacle.code}\0${obstacle.owner}`;
    const group = groups.get(key) ?? [];
    groups.set(key, group);
    group.push(obstacle);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { located, path, code, owner } = first;
    const place = path.length === 0 ? located.name : `${located.name}/${printable(path)}`;
    const more = group.length > 1 ? ` and ${group.length - 1} more directories` : '';
    return [
      `${place}${more} cannot be emptied by this user (${whose(owner)}): ${systemReason(code)}; ${remedy(service, first)}`,
    ];
  });
}

function whose(owner: number): string {
  const user = userId();
  const name = owner === 0 ? 'root' : `user ${owner}`;
  return owner === user ? 'its own' : `user ${user ?? '?'}; it belongs to ${name}`;
}

/** Only names out of the config are in the commands: those below it are chosen by whoever writes there. */
function remedy(service: string, { located, code, owner }: DirectoryObstacle): string {
  const directory = `'${printable(Buffer.from(located.path)).replaceAll("'", "'\\''")}'`;
  if (code === 'EROFS')
    return `mount it read-write: mount -o remount,rw <mount point of ${directory}>`;
  if (code === 'EPERM' && userId() === 0) return `run: chattr -R -i -a ${directory}`;
  if (owner === userId()) return `run: chmod -R u+rwX ${directory}`;
  return `run: sudo media-cleanup ${service}, or, if its container made it: docker compose exec -u root ${service} chown -R ${userId() ?? '<user>'} <the directory in the container>`;
}
