import type { WorkerLook } from '../celery/look.ts';
import type { Link } from '../commands/links.ts';
import { withoutRemoteControlFailure } from '../commands/worker-warnings.ts';
import type { ServiceConfig } from '../config/types.ts';
import { counted } from '../report/text.ts';
import type { Failure } from '../report/types.ts';
import { settingsFailure } from './celery-settings.ts';

/**
 * Workers that work on the broker and were not asked what they do, as failures of a wipe.
 * @param unnamed how many in-flight messages the run removed that no worker named: nobody is known to
 *   have their tasks, or a worker that was killed had them.
 */
export function unaskedFailures(
  config: ServiceConfig,
  link: Link,
  { trouble, listening, clients, withoutRemoteControl: { celery }, unseen }: WorkerLook,
  unnamed: number,
): readonly Failure[] {
  const settings = settingsFailure(config, link, { trouble, listening });
  if (settings !== undefined) return [settings];
  const holders = (clients?.popping.filter(({ asks }) => !asks).length ?? 0) - listening;
  if (unseen) return [unseenFailure(link)];
  if (celery === 0) {
    return unnamed > 0 && holders > 0 ? [unnamedFailure(link, unnamed, holders)] : [];
  }
  if (trouble === undefined) return [withoutRemoteControlFailure(link, celery)];
  return [
    {
      target: 'Celery',
      item: `${counted(celery, 'consumer')} on ${link.label}`,
      code: 'ENOCONTROL',
      reason: `Could not be asked or stopped (${trouble.message}): if a task runs there now, its job, result and file are written again when it ends`,
      hint: 'stop the workers before the wipe and start them afterwards, or allow what is missing',
    },
  ];
}

function unseenFailure(link: Link): Failure {
  return {
    target: 'Celery',
    item: `workers on ${link.label}`,
    code: 'ENOCONTROL',
    reason:
      'A worker that does not listen to remote control may run there, and this user may not see the clients: if a task runs there now, its job, result and file are written again when it ends',
    hint: 'allow it, so that it is certain: ACL SETUSER … +client|list; where a worker runs, stop it before the wipe, or set worker_enable_remote_control',
  };
}

function unnamedFailure(link: Link, unnamed: number, holders: number): Failure {
  return {
    target: 'Celery',
    item: `${counted(holders, 'client')} on ${link.label}`,
    code: 'ENOCONTROL',
    reason: `${holders === 1 ? 'Takes' : 'Take'} messages as workers do and ${holders === 1 ? 'does' : 'do'} not answer, and ${counted(unnamed, 'in-flight message')} went that no worker named: a task that runs there now will finish and write again`,
    hint: 'stop the workers before the wipe and start them afterwards, or set worker_enable_remote_control; if no worker runs there, run again',
  };
}
