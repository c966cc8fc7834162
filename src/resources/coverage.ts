/** Which kinds of a service were not looked at, and of which the config names nothing. */
import type { ServiceConfig } from '../config/types.ts';
import type { Kind } from '../report/types.ts';

export function notConfiguredKinds({
  jobKeys,
  celery,
  directories,
  models,
}: Pick<ServiceConfig, 'jobKeys' | 'celery' | 'directories' | 'models'>): readonly Kind[] {
  return [
    ...(jobKeys === 'none' ? (['jobs'] as const) : []),
    ...(celery === undefined ? (['queue'] as const) : []),
    ...(directories.length === 0 ? (['files'] as const) : []),
    ...(models.length === 0 ? (['models'] as const) : []),
  ];
}

/**
 * The kinds of files that something failed in.
 * @param failed targets of failures: names of directories, `Root`, `Pattern`.
 */
export function unknownFileKinds(
  directories: readonly { readonly name: string; readonly kind: 'files' | 'models' }[],
  config: Pick<ServiceConfig, 'directories' | 'models'>,
  failed: ReadonlySet<string>,
): readonly Kind[] {
  const isAny = failed.has('Root') || failed.has('Pattern');
  const isUnknown = (kind: 'files' | 'models', configured: readonly unknown[]): boolean =>
    configured.length > 0 &&
    (isAny || directories.some((one) => one.kind === kind && failed.has(one.name)));
  return [
    ...(isUnknown('files', config.directories) ? (['files'] as const) : []),
    ...(isUnknown('models', config.models) ? (['models'] as const) : []),
  ];
}
