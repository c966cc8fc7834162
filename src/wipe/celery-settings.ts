import type { WorkerLook } from '../celery/look.ts';
import type { Link } from '../commands/links.ts';
import type { ServiceConfig } from '../config/types.ts';
import { capitalized, counted } from '../report/text.ts';
import type { Failure } from '../report/types.ts';

/** Settings of the app that the config contradicts, or that cannot be told: nobody is asked then. */
export function settingsFailure(
  { name }: ServiceConfig,
  link: Link,
  { trouble, listening }: Pick<WorkerLook, 'trouble' | 'listening'>,
): Failure | undefined {
  const workers = `${counted(listening, 'worker')} on ${link.label}`;
  if (trouble?.code === 'ECHANNEL') {
    return {
      target: 'Celery',
      item: workers,
      code: 'ECHANNEL',
      reason: `${capitalized(trouble.message)}: neither held nor cancelled`,
      hint: trouble.hint,
    };
  }
  if (trouble?.code !== 'ESEPARATOR') return undefined;
  return {
    target: 'Celery',
    item: workers,
    code: trouble.code,
    reason: `${capitalized(trouble.message)}: not asked, since an entry with another separator than its own stops a worker for good`,
    hint: trouble.hint.startsWith('"separator"')
      ? `in the config, services.${name}.celery: ${trouble.hint}`
      : trouble.hint,
  };
}
