import type { Expected } from './observer.ts';
import { chosenOf } from './planned.ts';
import type { Kind, ServiceCensus } from './types.ts';

/** What a wipe of these kinds will remove, step by step, in the order in which it goes. */
export function expectedOf(
  census: readonly ServiceCensus[],
  kinds: readonly Kind[],
): readonly Expected[] {
  return census
    .map((service) => chosenOf(service, kinds))
    .flatMap((service) => {
      const { name, jobs, tasks, files, models } = service;
      const step = (kind: string, count: number, bytes = 0): Expected => ({
        service: name,
        step: kind,
        count,
        bytes,
      });
      const bytesOf = (kind: 'files' | 'models'): number =>
        service.directories.reduce((sum, one) => sum + (one.kind === kind ? one.bytes : 0), 0);
      return [
        step('queue', tasks.queued),
        step('in-flight', tasks.inFlight),
        step('jobs', jobs),
        step('files', files, bytesOf('files')),
        step('models', models, bytesOf('models')),
      ].filter(({ count }) => count > 0);
    });
}
