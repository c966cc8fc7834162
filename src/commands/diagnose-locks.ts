import { errorCode } from '../errors.ts';
import { permitted } from '../redis/errors.ts';
import { missingPermissions } from '../redis/permissions.ts';
import type { Check } from '../report/diagnosis.ts';
import { systemReason } from '../report/system-reason.ts';
import { claimsAgainst } from '../runs/claim-file.ts';
import { isNobody, NOBODY, parseHolder } from '../runs/lock-file.ts';
import type { Holder } from '../runs/lock-file.ts';
import { hasDiedHere } from '../runs/process-identity.ts';
import type { Located } from './guard-targets.ts';
import { claimOf, heldText, locksIn } from './host-locks.ts';
import { onLink, silently } from './links.ts';
import type { Link } from './links.ts';
import type { OpenService } from './open-services.ts';
import { lockNeeds, permissionFailures, watchNeeds } from './permissions.ts';
import { lockOf } from './redis-locks.ts';
import { serviceKeys } from './service-keys.ts';

/**
 * What `doctor` says of the locks of a service: nothing when nobody holds one and it could be taken.
 * Changes nothing.
 */
export async function diagnoseLocks(
  service: OpenService,
  located: Located | undefined,
  stateDirectory: string,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const { name } = service.config;
  const told = new Set<string>();
  const checks: Check[] = [];
  const tell = (holder: Holder, isDead: boolean, where: string, wait: string): void => {
    // One run has all of a service's locks.
    if (told.has(holder.token)) return;
    told.add(holder.token);
    checks.push(isDead ? deadCheck(holder, name) : heldCheck(holder, name, where, wait));
  };
  try {
    const claim = await claimOf(service.config, located?.directories ?? [], signal);
    for (const { file, holder, isAlive } of claimsAgainst(locksIn(stateDirectory), claim)) {
      tell(holder, !isAlive, ` (${file})`, '');
    }
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    const message = `the locks of this host cannot be read: ${systemReason(code)} (${stateDirectory})`;
    checks.push({ name: 'lock', status: 'warning', message, hint: '' });
  }
  const { link, key } = lockOf(service);
  if (link?.connection === undefined || link.connection.replicaOf !== undefined) return checks;
  await onLink(
    link,
    { target: link.failureTarget, name: 'lock' },
    // The other checks tell of a Redis that cannot be used.
    silently,
    async (redis) => {
      checks.push(...(await permissionCheck(link, service)));
      const value = await permitted(redis.send('GET', key));
      if (value === undefined || value === null) return;
      const holder = parseHolder(value.toString()) ?? NOBODY;
      const left = (await permitted(redis.send('PTTL', key))) ?? -1;
      const wait = left >= 0 ? `; if it is gone, ${Math.ceil(left / 1000)} s` : '';
      tell(holder, hasDiedHere(holder), ` (Redis ${link.label}, key ${key})`, wait);
    },
  );
  return checks;
}

function deadCheck(holder: Holder, service: string): Check {
  const text = isNobody(holder) ? '' : ` (${heldText(holder, service)})`;
  return {
    name: 'lock',
    status: 'ok',
    message: `its holder is gone: the next run takes it over${text}`,
    hint: '',
  };
}

function heldCheck(holder: Holder, service: string, where: string, wait: string): Check {
  const isOurs = !isNobody(holder);
  return {
    name: 'lock',
    status: 'warning',
    message: heldText(holder, service, where),
    hint: isOurs ? `wait for it with --lock-wait 10m${wait}` : `look at it, then remove it`,
  };
}

async function permissionCheck(link: Link, service: OpenService): Promise<readonly Check[]> {
  const { connection } = link;
  if (connection === undefined) return [];
  const keys = serviceKeys(service);
  const missing = await missingPermissions(connection, lockNeeds(keys));
  const [evaluation] = missing.filter(({ command }) => command === 'EVAL');
  // Whoever may watch a key needs no script, but in a cluster.
  const isWatched =
    !connection.isCluster &&
    evaluation !== undefined &&
    (await missingPermissions(connection, watchNeeds(keys))).length === 0;
  const needed = missing.filter((need) => need !== evaluation || !isWatched);
  if (needed.length === 0) return [];
  return permissionFailures(link, connection.user, needed).map(({ reason, hint }) => {
    const message = `${reason}: a run on another host would not be kept away`;
    return { name: 'lock', status: 'warning', message, hint };
  });
}
