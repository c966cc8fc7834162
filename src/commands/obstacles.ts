import type { Obstacle } from '../files/obstacle.ts';
import { userId } from '../files/process-wide.ts';
import type { LocatedDirectory } from '../files/resolve.ts';
import { printable } from '../report/printable.ts';
import { systemReason } from '../report/system-reason.ts';
import { readMounts } from '../files/mounts.ts';
import { mountOf } from './file-systems.ts';

export interface DirectoryObstacle extends Obstacle {
  readonly located: LocatedDirectory;
}

/**
 * What this user cannot empty or remove, told in the plan: one sentence for each configured directory
 * and reason, with the command that helps.
 */
export function obstacleWarnings(
  service: string,
  obstacles: readonly DirectoryObstacle[],
): readonly string[] {
  const groups = new Map<string, DirectoryObstacle[]>();
  for (const obstacle of obstacles) {
    const { located, code, owner, keeps } = obstacle;
    const key = `${located.path}\0${code}\0${owner}\0${keeps}`;
    const group = groups.get(key) ?? [];
    groups.set(key, group);
    group.push(obstacle);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { located, path, code, owner, keeps } = first;
    const place = path.length === 0 ? located.name : `${located.name}/${printable(path)}`;
    const more = group.length > 1 ? ` and ${group.length - 1} more` : '';
    const what = keeps ? 'emptied' : 'removed';
    return [
      `${place}${more} cannot be ${what} by this user (${whose(owner)}): ${systemReason(code)}; ${remedy(service, first)}`,
    ];
  });
}

function whose(owner: number): string {
  const user = userId();
  const name = owner === 0 ? 'root' : `user ${owner}`;
  return owner === user ? 'its owner' : `user ${user ?? '?'}; it belongs to ${name}`;
}

/** Only names out of the config are in the commands: those below it are chosen by whoever writes there. */
function remedy(service: string, { located, code, owner }: DirectoryObstacle): string {
  const directory = quoted(located.path);
  if (code === 'EROFS') {
    const { point = located.path } = mountOf(located.path, readMounts() ?? []) ?? {};
    return `mount it read-write: mount -o remount,rw ${quoted(point)}`;
  }
  const isRoot = userId() === 0;
  const isOwner = owner === userId();
  // Immutable: of others in a sticky directory root can remove all the same.
  if (code === 'EPERM' && (isRoot || isOwner)) {
    return `run: ${isRoot ? '' : 'sudo '}chattr -R -i -a ${directory}`;
  }
  if (isOwner) return `run: chmod -R u+rwX ${directory}`;
  return `run the same command with sudo, its config named with --config, or, if its container made it: docker compose exec -u root ${service} chown -R ${userId() ?? '<user>'} <the directory in the container>`;
}

function quoted(path: string): string {
  return `'${printable(Buffer.from(path)).replaceAll("'", "'\\''")}'`;
}
