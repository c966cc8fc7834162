import { openDirectory } from '../commands/open-services.ts';
import type { StepContext } from '../commands/step.ts';
import { locateDirectories } from '../files/resolve.ts';
import type { LocatedDirectory } from '../files/resolve.ts';
import { isPathPattern } from '../model/glob.ts';
import { printable as printableBytes } from '../report/printable.ts';
import type { Failure, Kind } from '../report/types.ts';
import { judgeLinks } from '../resources/pattern-links.ts';

/**
 * Opens the directories that a pattern of the service matches by now and did not when the run began:
 * they are emptied and looked at like the others. All guards judge them first; one that is refused,
 * or that cannot be opened, is a failure. The same for links that came.
 * @throws the signal's reason.
 */
export async function takeNewDirectories(step: StepContext, kinds: readonly Kind[]): Promise<void> {
  const { service, signal } = step;
  const { config } = service;
  const entries = [...config.directories, ...config.models];
  if (service.judgeAgain === undefined || !entries.some(({ path }) => isPathPattern(path))) return;
  signal.throwIfAborted();
  const named = new Set([
    ...service.directories.map(({ located: { path } }) => path),
    ...service.links.map(({ path }) => path),
    ...service.failures.filter(({ target }) => target === 'Pattern').map(({ item }) => item),
  ]);
  const isNew = ({ kind, path }: { readonly kind: Kind; readonly path: string }): boolean =>
    kinds.includes(kind) && !named.has(path) && !named.has(printable(path));
  // A plain path that leads elsewhere by now is named when its directory is opened the next time.
  const isNewMatch = (directory: LocatedDirectory): boolean =>
    isPathPattern(directory.config.path) && isNew(directory);
  const found = await locateDirectories(config, signal);
  if (found.directories.some(isNewMatch)) {
    // With those of all services, since a new one may lie in another service's directory.
    const { located, refused } = await service.judgeAgain();
    for (const directory of located.get(config.name)?.directories ?? []) {
      if (!isNewMatch(directory)) continue;
      const refusal = refused.find(
        (one) => one.service === config.name && one.path === directory.path,
      );
      take(step, directory, refusal?.message);
    }
  }
  const emptied = new Set(service.directories.map(({ located: { path } }) => path));
  const links = judgeLinks(found.links.filter(isNew), emptied, kinds);
  for (const { kind, failure } of links.failures) fail(step, kind, failure);
}

function take(step: StepContext, directory: LocatedDirectory, refusal: string | undefined): void {
  const { kind, path } = directory;
  const failures: Failure[] = [];
  if (refusal === undefined) {
    step.service.directories.push(openDirectory(directory, step.service.before, failures));
  } else {
    failures.push(refusedLater(path, refusal));
  }
  for (const failure of failures) fail(step, kind, failure);
}

function fail(step: StepContext, kind: Kind, failure: Failure): void {
  step.service.failures.push(failure);
  step.tally.unknown.add(kind);
  step.report(failure);
}

function refusedLater(path: string, message: string): Failure {
  return {
    target: 'Pattern',
    item: printable(path),
    code: 'EREFUSED',
    reason: `a pattern matches it since the run began, and it was not touched: ${message}`,
    hint: '',
  };
}

function printable(path: string): string {
  return printableBytes(Buffer.from(path));
}
