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
  if (trouble?.code !== 'ESEPARATOR') return undefined;
  return {
    target: 'Celery',
    item: `${counted(listening, 'worker')} on ${link.label}`,
    code: trouble.code,
    reason: `${capitalized(trouble.message)}: not asked, since an entry with another separator than its own stops a worker for good`,
    hint: trouble.hint.startsWith('"separator"')
      ? `in the config, services.${name}.celery: ${trouble.hint}`
      : trouble.hint,
  };
}
