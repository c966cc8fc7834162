import { CannotStart } from '../errors.ts';
import type { Problem } from '../errors.ts';
import { errorLine } from '../report/failures.ts';
import { counted } from '../report/text.ts';
import { megabytes } from '../report/totals.ts';
import type { ServiceCensus } from '../report/types.ts';
import type { Caps } from './request.ts';

export function isCapped(caps: Caps): boolean {
  return Object.values(caps).some((cap) => cap !== undefined);
}

/**
 * `--max-files`, `--max-bytes`, `--max-jobs`, over all targets together. What could not be counted
 * is over every limit.
 * @throws CannotStart('refused') with each limit that is exceeded.
 */
export function enforceCaps(services: readonly ServiceCensus[], caps: Caps): void {
  const sum = (figure: (service: ServiceCensus) => number): number =>
    services.reduce((total, service) => total + figure(service), 0);
  const problems: Problem[] = [];
  const exceed = (flag: string, there: string, limit: string): void => {
    problems.push({
      path: flag,
      message: `${there} would be removed, more than the ${limit} allowed by ${flag}; raise it if that is what you want.`,
    });
  };
  const [files, bytes, jobs] = [
    sum((service) => service.files),
    sum((service) => service.bytes),
    sum((service) => service.jobs),
  ];
  if (caps.files !== undefined && files > caps.files) {
    exceed('--max-files', counted(files, 'file'), String(caps.files));
  }
  if (caps.bytes !== undefined && bytes > caps.bytes) {
    exceed('--max-bytes', `${megabytes(bytes)}MB`, `${megabytes(caps.bytes)}MB`);
  }
  if (caps.jobs !== undefined && jobs > caps.jobs) {
    exceed('--max-jobs', counted(jobs, 'job'), String(caps.jobs));
  }
  if (isCapped(caps)) {
    for (const service of services) {
      const [first] = service.failures.first;
      if (first === undefined) continue;
      problems.push({
        path: service.name,
        message: `${service.name} could not be counted completely (${errorLine(first)}), so the limits cannot be kept; mend that, or leave the limit out.`,
      });
    }
  }
  if (problems.length === 0) return;
  throw new CannotStart(
    'refused',
    `Refusing to start: ${problems.map(({ message }) => message).join('\n')}`,
    problems,
  );
}
