import type { WorkerLook } from '../celery/look.ts';
import type { Link } from '../commands/links.ts';
import { withoutRemoteControlFailure } from '../commands/worker-warnings.ts';
import type { ServiceConfig } from '../config/types.ts';
import { counted } from '../report/text.ts';
import type { Failure } from '../report/types.ts';
import { settingsFailure } from './celery-settings.ts';

/** Workers that work on the broker and were not asked what they do, as failures of a wipe. */
export function unaskedFailures(
  config: ServiceConfig,
  link: Link,
  { trouble, listening, withoutRemoteControl: { celery } }: WorkerLook,
): readonly Failure[] {
  const settings = settingsFailure(config, link, { trouble, listening });
  if (settings !== undefined) return [settings];
  if (celery === 0) return [];
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
