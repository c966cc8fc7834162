import type { Problem } from '../errors.ts';
import type { Check } from '../report/diagnosis.ts';
import { errorLine, moreLine } from '../report/failures.ts';
import { counted } from '../report/text.ts';
import { megabytes } from '../report/totals.ts';
import { inspectService } from './inspect-service.ts';
import type { OpenService } from './open-services.ts';

export const FILE_KINDS = ['files', 'models'] as const;

/** Why a guard refuses directories of a service. */
export function refusalChecks(problems: readonly Problem[]): readonly Check[] {
  return problems.map(({ message }) => check('problem', message));
}

/**
 * What a wipe would find of the service's directories: what is missing, what is mounted below and
 * what this user could not remove. Looks at everything, changes nothing.
 * @param service opened for files and models.
 * @throws the signal's reason.
 */
export async function diagnoseDirectories(
  service: OpenService,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const obstacles: string[] = [];
  const census = await inspectService(service, FILE_KINDS, signal, {
    obstacle: (text) => obstacles.push(text),
  });
  const { first, total } = census.failures;
  const unlisted = total - first.length;
  const directories = census.directories.length;
  const { files, models, bytes } = census;
  const what = [counted(files, 'file'), ...(models > 0 ? [counted(models, 'model')] : [])];
  return [
    directories === 0
      ? check('ok', 'no directories')
      : check(
          'ok',
          `${counted(directories, 'directory', 'directories')}: ${what.join(', ')}, ${megabytes(bytes)} MB`,
        ),
    ...first.map((failure) => check('problem', errorLine(failure), failure.hint)),
    ...(unlisted > 0 ? [check('problem', moreLine(unlisted, 'problem'))] : []),
    ...obstacles.map((text) => check('problem', text)),
    ...census.warnings.map((text) => check('warning', text)),
  ];
}

function check(status: Check['status'], message: string, hint = ''): Check {
  return { name: 'files', status, message, hint };
}
